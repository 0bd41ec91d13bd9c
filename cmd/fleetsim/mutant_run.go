package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/mutants"
)

// enough is how many seeds are run with a bug before it counts as not found, where
// --count does not say. They are numbers and no time, so that a slow machine finds
// the same; each level takes about a minute for them.
var enough = map[string]int64{levelGroup: 1000, levelFleet: 150, levelCore: 20_000}

// grace is how long a program with a bug may go on after its time is over: a seed
// or a search that has begun comes to its end.
const grace = time.Minute

// interruptible has a command end like a program at a terminal when its context does.
func interruptible(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
}

// runProgram runs seeds or a search in the program with the bug.
func (r *mutantRow) runProgram(ctx context.Context, s *settings, g *garden, m *mutants.Mutant, a attempt) {
	binary, environment, want := g.binary, os.Environ(), ""
	if m != nil {
		var err error
		if binary, environment, err = g.program(ctx, m); err != nil {
			r.Error = err.Error()
			return
		}
		if binary == g.binary {
			want = m.Name
		}
	}
	limited, cancel := context.WithTimeout(ctx, s.perMutant+grace)
	defer cancel()
	args := append([]string{
		"--json", "--no-shrink", "--workers", "1", // so that the first seed is found that fails
		"--for", s.perMutant.String(), "--count", fmt.Sprint(cmp.Or(int64(s.count), enough[a.level])),
	}, a.args...)
	cmd := exec.CommandContext(limited, binary, args...)
	cmd.Env = environment
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	interruptible(cmd)
	out, err := cmd.Output()
	r.computed(cmd)
	var exit *exec.ExitError
	var found report
	switch {
	case limited.Err() != nil:
		r.Error = fmt.Sprintf("no end within %v", s.perMutant+grace)
	case err != nil && !errors.As(err, &exit):
		r.Error = err.Error()
	case json.Unmarshal(out, &found) != nil:
		// Not in a step, of which the report would tell.
		if what, ok := panicked(stderr.String()); ok {
			r.Caught, r.By = true, noPanic+": "+what
			return
		}
		r.Error = "no report: " + strings.TrimSpace(stderr.String())
	case found.Planted != want:
		r.Error = fmt.Sprintf("the bug that was on is %q", found.Planted)
	default:
		r.Seeds, r.States = r.Seeds+found.Seeds, r.States+found.States
		if len(found.Violations) > 0 {
			r.Caught, r.By, r.Replay = true, promise(a.level, found.Violations[0]), found.Replay
		}
	}
}

// computed adds what a program that has ended computed.
func (r *mutantRow) computed(cmd *exec.Cmd) {
	if p := cmd.ProcessState; p != nil {
		r.CPU += (p.UserTime() + p.SystemTime()).Seconds()
	}
}

// runTest runs the test that was written for the bug.
func (r *mutantRow) runTest(ctx context.Context, g *garden, m *mutants.Mutant) {
	caught, output, err := g.schemata.Test(ctx, g.root, g.dir, m)
	if err != nil {
		r.Error = err.Error()
		return
	}
	if !caught {
		r.Error = strings.TrimSpace(output)
		return
	}
	r.Caught, r.By = true, "test "+failedTest(output)
	r.Replay = fmt.Sprintf("go test ./internal/mutants -run Caught -mutants '^%s$'", m.Name)
}

// failedTest is the name of the first test that failed.
func failedTest(output string) string {
	for line := range strings.Lines(output) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			name, _, _ := strings.Cut(rest, " ")
			return name
		}
	}
	return "that panics"
}

// panicked returns what a program said when it ended by a panic.
func panicked(stderr string) (string, bool) {
	for line := range strings.Lines(stderr) {
		if what, ok := strings.CutPrefix(line, "panic: "); ok {
			return strings.TrimSpace(what), true
		}
	}
	return "", false
}

// promise is what was broken, without who broke it and how. Of a panic and of what
// a search finds, which says it in one line, all is told.
func promise(level, violation string) string {
	line, _, _ := strings.Cut(violation, "\n")
	if name, _, ok := strings.Cut(line, ": "); ok && name != noPanic && level != levelSearch {
		return name
	}
	return line
}
