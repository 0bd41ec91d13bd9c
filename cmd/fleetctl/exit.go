package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/raftfleet/raftfleet/internal/admin"
)

// The exit codes.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotFound    = 4
	exitUnhealthy   = 5
	exitRefused     = 6
	exitUnknown     = 7
	exitInterrupted = 130
)

// exits gives the kinds of the admin API their codes; any other is exitError.
var exits = map[string]int{
	admin.KindInvalid:        exitUsage,
	admin.KindUnreachable:    exitUnreachable,
	admin.KindUnavailable:    exitUnreachable, // the node is there, what it needs is not
	admin.KindNotFound:       exitNotFound,
	admin.KindUnhealthy:      exitUnhealthy,
	admin.KindRefused:        exitRefused,
	admin.KindUnknownOutcome: exitUnknown,
}

// failure is an error that fleetctl itself finds.
type failure struct {
	text, remedy string
	code         int
}

func (f *failure) Error() string  { return f.text }
func (f *failure) Remedy() string { return f.remedy }

func usagef(remedy, format string, args ...any) error {
	return &failure{fmt.Sprintf(format, args...), remedy, exitUsage}
}

// errCancelled is returned when a question was answered with no.
var errCancelled = &failure{"cancelled: nothing was changed", "", exitError}

// inWords puts what only programmers say into words for everybody.
func inWords(s string) string {
	s = strings.TrimPrefix(s, "fleet: ") // the package, not the fleet
	for _, sentinel := range []string{": invalid argument", ": refused"} {
		s = strings.TrimSuffix(s, sentinel) // the exit code says it, and the text before says why
	}
	s = strings.Replace(s, "planner: invalid limit: ", "", 1) // the text after it names the limit
	s = parsing.ReplaceAllString(s, "")
	return strings.NewReplacer("context deadline exceeded", "the time is over", "context canceled", "it was given up").Replace(s)
}

// parsing is what the standard library says of a malformed flag, before the reason.
var parsing = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": `)

// report says on stderr what went wrong and what to do, and returns the exit code.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	interrupted := ctx.Err() != nil
	if interrupted && admin.KindOf(err) != admin.KindUnknownOutcome {
		fmt.Fprintln(a.errs, "fleetctl: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(a.errs, "fleetctl: %s\n", inWords(oneLine(err.Error())))
	var own *failure
	remedy := ""
	if errors.As(err, &own) {
		remedy = own.remedy
	} else {
		remedy = admin.RemedyOf(err)
	}
	var told *admin.Error
	if errors.As(err, &told) && told.CommandID != "" {
		remedy = "the same again with --command-id " + told.CommandID + ": it is applied once all the same"
	}
	if remedy != "" {
		fmt.Fprintf(a.errs, "  try: %s\n", inWords(oneLine(remedy)))
	}
	switch code, known := exits[admin.KindOf(err)]; {
	case interrupted:
		return exitInterrupted
	case own != nil:
		return own.code
	case known:
		return code
	}
	return exitError
}
