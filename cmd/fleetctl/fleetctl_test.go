package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand is a fake fleet behind a real server, and what a command line needs.
type stand struct {
	t    *testing.T
	node *admintest.Node
	addr string
	// for the next runs:
	in       string
	terminal bool
	env      map[string]string
}

func newStand(t *testing.T) *stand { return newStandWith(t, admin.Options{}) }

func newStandWith(t *testing.T, o admin.Options) *stand {
	t.Helper()
	n := admintest.New()
	o.Addr, o.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	s, err := admin.NewServer(n, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return &stand{t: t, node: n, addr: s.Addr(), env: map[string]string{"FLEET_ADDR": s.Addr()}}
}

// app returns what main would make, with buffers for streams.
func (s *stand) app(out, errs io.Writer) *app {
	return &app{
		in: strings.NewReader(s.in), out: out, errs: errs,
		inTerminal: s.terminal, outTerminal: s.terminal, errTerminal: s.terminal,
		env: func(name string) string { return s.env[name] }, poll: time.Millisecond,
	}
}

// run runs one command line.
func (s *stand) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	code = execute(s.t.Context(), s.app(&out, &errs), args)
	return code, out.String(), errs.String()
}

// ok runs one command line that must succeed without a word on stderr.
func (s *stand) ok(args ...string) string {
	s.t.Helper()
	code, out, errs := s.run(args...)
	if code != 0 || errs != "" {
		s.t.Fatalf("fleetctl %s: exit %d, stdout %q, stderr %q", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// asked tells whether the node was asked for exactly these changes and calls.
func (s *stand) asked(want ...string) {
	s.t.Helper()
	var got []string
	for _, c := range s.node.Called() {
		switch name, _, _ := strings.Cut(c, " "); name {
		case "Status", "NodeDetail", "CheckNode", "DrainProgress", "ListGroups", "GroupStatus", "Events",
			"Balance", "Plan", "Moves", "Skew", "Explain", "WhatIf", "Limits":
		default:
			got = append(got, c)
		}
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		s.t.Errorf("the node was asked %q, want %q", got, want)
	}
	s.node.Do(func(n *admintest.Node) { n.Calls = nil })
}

// stream is a writer whose text can be awaited.
type stream struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	close(s.changed)
	s.changed = make(chan struct{})
	return len(b), nil
}

func (s *stream) await(t *testing.T, what string, times int) {
	t.Helper()
	for {
		s.mu.Lock()
		text, changed := s.text.String(), s.changed
		s.mu.Unlock()
		if strings.Count(text, what) >= times {
			return
		}
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Fatalf("no %q in %q", what, text)
		}
	}
}

// background runs one command line until stop, which returns its exit code.
func (s *stand) background(out, errs io.Writer, args ...string) (stop func() int) {
	ctx, cancel := context.WithCancel(s.t.Context())
	a := s.app(out, errs)
	code := make(chan int, 1)
	go func() { code <- execute(ctx, a, args) }()
	return func() int {
		cancel()
		return <-code
	}
}

func TestExitCodesOfTheFleet(t *testing.T) {
	s := newStand(t)
	for kind, want := range map[string]int{
		admin.KindNotFound: 4, admin.KindExists: 1, admin.KindInvalid: 2, admin.KindRefused: 6, admin.KindRejected: 1, admin.KindUnavailable: 3,
		admin.KindUnknownOutcome: 7, admin.KindOverloaded: 1, admin.KindUnhealthy: 5, admin.KindForbidden: 1, admin.KindInternal: 1,
	} {
		s.node.Do(func(n *admintest.Node) {
			n.Fail["*"] = admintest.Failure{Text: "it went wrong", What: kind, Try: "do this"}
		})
		for _, line := range []string{"status", "status -o json", "call orders add 1", "query orders get", "node undrain a", "group show orders", "events", "events -f"} {
			code, out, errs := s.run(strings.Fields(line)...)
			if code != want || out != "" || errs != "fleetctl: it went wrong\n  try: do this\n" {
				t.Errorf("%s with %s: exit %d, want %d; stdout %q, stderr %q", line, kind, code, want, out, errs)
			}
		}
	}
	s.node.Do(func(n *admintest.Node) { n.Fail["*"] = errors.New("no kind\nand two lines") })
	if code, _, errs := s.run("status"); code != 1 || !strings.Contains(errs, "fleetctl: no kind and two lines\n") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestNoServerIsExit3(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	s := newStand(t)
	for _, line := range []string{"status", "node ls", "node drain a", "group add new --type counter", "group rm orders -y", "call orders add 1", "query orders get", "events", "doctor"} {
		code, out, errs := s.run(append(strings.Fields(line), "--addr", nobody)...)
		if code != 3 || out != "" || !strings.Contains(errs, nobody) || !strings.Contains(errs, "try: ") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", line, code, out, errs)
		}
	}
}

func TestTimeOfARequest(t *testing.T) {
	s := newStand(t)
	hold := make(chan struct{})
	defer close(hold)
	s.node.Do(func(n *admintest.Node) { n.Hold = hold })
	if code, _, errs := s.run("call", "orders", "add", "1", "--timeout", "20ms"); code != 7 {
		t.Errorf("a change: exit %d, %q", code, errs)
	}
	if code, _, errs := s.run("status", "--timeout", "20ms"); code != 3 {
		t.Errorf("a look: exit %d, %q", code, errs)
	}
}

func TestInterruptIsExit130(t *testing.T) {
	s := newStand(t)
	hold := make(chan struct{})
	defer close(hold)
	s.node.Do(func(n *admintest.Node) { n.Hold = hold })
	for line, asked := range map[string]string{"status": "Status", "call orders add 1": "CallJSON"} {
		errs := newStream()
		stop := s.background(io.Discard, errs, strings.Fields(line)...)
		if err := s.node.AwaitCall(t.Context(), asked); err != nil {
			t.Fatal(err)
		}
		if code := stop(); code != 130 {
			t.Errorf("%s: exit %d, %q", line, code, errs.text.String())
		}
	}
}

func TestUsageIsExit2(t *testing.T) {
	s := newStand(t)
	for line, says := range map[string]string{
		"nonsense":                             "nonsense",
		"statsu":                               "do you mean status?",
		"node":                                 "node needs a command",
		"node shwo a":                          "show",
		"node show":                            "NODE",
		"node show a b":                        `"b"`,
		"status --nonsense":                    "nonsense",
		"status x":                             `"x"`,
		"status -o yaml":                       "table or json",
		"status --timeout 0s":                  "--timeout",
		"status --cert x":                      "--key",
		"status --addr :x":                     "host:port",
		"status --token-file /nonexist":        "--token-file",
		"status --watch --interval 0s":         "--interval",
		"group add new":                        "--type",
		"group add --type counter":             "NAME",
		"group add new --type c --replicas 0":  "--replicas",
		"group add new --replicas three":       "three",
		"group transfer orders":                "--to",
		"group transfer orders b":              "NAME --to NODE",
		"group ls --limit -1":                  "--limit",
		"group recover orders --confirm order": "--confirm",
		"call orders":                          "OP",
		"call orders add 1 2":                  `"2"`,
		"call orders add one":                  "not JSON",
		"query orders get --local --stale 1s":  "exclude",
		"query orders get --stale x":           "stale",
		"node drain a --wait-timeout -1s":      "--wait-timeout",
		"completion tcsh":                      "tcsh",
		"completion":                           "SHELL",
	} {
		code, out, errs := s.run(strings.Fields(line)...)
		if code != 2 || out != "" || !strings.Contains(errs, says) || !strings.Contains(errs, "\n  try: ") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", line, code, out, errs)
		}
	}
	for in, says := range map[string]string{"": "stdin is empty", " \n": "stdin is empty", "{": "not JSON"} {
		s.in = in
		if code, out, errs := s.run("call", "orders", "add", "-"); code != 2 || out != "" || !strings.Contains(errs, says) {
			t.Errorf("stdin %q: exit %d, stdout %q, stderr %q", in, code, out, errs)
		}
	}
	if code, _, _ := s.run("group", "show", ""); code != 2 {
		t.Errorf("an empty name: exit %d", code)
	}
	s.asked()
}

func TestHelpIsNoError(t *testing.T) {
	s := newStand(t)
	for _, line := range []string{"", "--help", "group add --help", "help node"} {
		if out := s.ok(strings.Fields(line)...); !strings.Contains(out, "fleetctl") {
			t.Errorf("%q: %s", line, out)
		}
	}
}
