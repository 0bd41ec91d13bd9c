package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestCallPrintsItsResultAndNothingElse(t *testing.T) {
	s := newStand(t)
	s.in = " 40\n"
	for _, c := range []struct{ line, out, asked string }{
		{"call orders add 1", "1\n", "CallJSON orders add 1 "},
		{"call orders add -1", "0\n", "CallJSON orders add -1 "},
		{"call orders add -2 -o json", "-2\n", "CallJSON orders add -2 "},
		{"call orders add -- -1", "-3\n", "CallJSON orders add -1 "},
		{"call orders add - --command-id 5-7", "37\n", "CallJSON orders add 40 5-7"},
		{"query orders get", "37\n", "QueryJSON orders get  false 0s"},
		{"query orders get null --local", "37\n", "QueryJSON orders get null true 0s"},
		{"query orders get --stale 2s -o json", "37\n", "QueryJSON orders get  false 2s"},
	} {
		if out := s.ok(strings.Fields(c.line)...); out != c.out {
			t.Errorf("%s: %q", c.line, out)
		}
		s.asked(strings.TrimSpace(c.asked))
	}
	if code, out, errs := s.run("call", "nothing", "add", "1"); code != 4 || out != "" || !strings.Contains(errs, `"nothing"`) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

// Where nobody can be asked, what cannot lose data goes on, and what can needs a flag.
func TestChangesInAScript(t *testing.T) {
	s := newStand(t)
	for _, c := range []struct {
		line  string
		code  int
		asked string
	}{
		{"group add new --type counter", 0, "AddGroup new counter 3 false"},
		{"group add new --type counter", 1, "AddGroup new counter 3 false"},
		{"group add old --restore -y", 0, "AddGroup old  3 true"},
		{"group transfer orders --to b", 0, "TransferLeader orders b"},
		{"group transfer orders --to x", 4, "TransferLeader orders x"},
		{"node drain b", 0, "Drain b"},
		{"node drain x", 4, "Drain x"},
		{"node drain b --no-wait", 0, "Drain b"},
		{"node undrain b", 0, "Undrain b"},
		{"group rm new", 2, ""},
		{"group rm new -y", 0, "RemoveGroup new false"},
		{"group rm new --yes", 4, "RemoveGroup new false"},
		{"group rm old --keep -y", 0, "RemoveGroup old true"},
		{"group recover stock", 2, ""},
		{"group recover stock --confirm stoc", 2, ""},
		{"group recover stock --confirm stock", 0, "RecoverGroup stock stock"},
		{"node forget c", 2, ""},
		{"node forget c -y", 6, "ForgetNode c false"},
		{"node forget c -y --force", 0, "ForgetNode c true"},
		{"node forget c -y --force", 4, "ForgetNode c true"},
	} {
		code, out, errs := s.run(strings.Fields(c.line)...)
		if code != c.code || (out == "") != (code != 0) || (errs == "") != (code == 0) {
			t.Errorf("%s: exit %d, want %d; stdout %q, stderr %q", c.line, code, c.code, out, errs)
		}
		if c.asked == "" {
			s.asked()
		} else {
			s.asked(c.asked)
		}
	}
	if out := s.ok("group", "add", "more", "--type", "kv", "--replicas", "2", "-o", "json"); !json.Valid([]byte(out)) {
		t.Errorf("%q", out)
	}
}

func TestChangesAskOnATerminal(t *testing.T) {
	s := newStand(t)
	s.terminal = true
	for _, c := range []struct {
		line, in string
		code     int
		asked    string
	}{
		{"group transfer orders --to b", "n\n", 1, ""},
		{"group transfer orders --to b", "\n", 1, ""},
		{"group transfer orders --to b", "", 1, ""},
		{"group transfer orders --to b", "y\n", 0, "TransferLeader orders b"},
		{"group transfer orders --to c -y", "", 0, "TransferLeader orders c"},
		{"group add new --type kv", "YES", 0, "AddGroup new kv 3 false"},
		{"node forget c --force", "no\n", 1, ""},
		{"group rm orders", "y\n", 1, ""},
		{"group rm orders", "orders\n", 0, "RemoveGroup orders false"},
		{"group recover stock", "y\n", 1, ""},
		{"group recover stock", "stock\n", 0, "RecoverGroup stock stock"},
	} {
		s.in = c.in
		code, out, errs := s.run(strings.Fields(c.line)...)
		if code != c.code {
			t.Errorf("%s with %q: exit %d, want %d; stdout %q, stderr %q", c.line, c.in, code, c.code, out, errs)
		}
		if code != 0 && !strings.Contains(errs, "nothing was changed") {
			t.Errorf("%s: stderr %q", c.line, errs)
		}
		if c.asked == "" {
			s.asked()
		} else {
			s.asked(c.asked)
		}
	}
}

func TestInterruptAtAQuestion(t *testing.T) {
	s := newStand(t)
	s.terminal = true
	in, typed := io.Pipe()
	defer typed.Close()
	errs := newStream()
	a := s.app(io.Discard, errs)
	a.in = in
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- execute(ctx, a, []string{"group", "rm", "orders"}) }()
	errs.await(t, "Type its name", 1)
	cancel()
	if c := <-code; c != 130 {
		t.Errorf("exit %d, %q", c, errs.text.String())
	}
	s.asked()
}

func TestDrainWaitsAndShowsHowFarItIs(t *testing.T) {
	steps := []view.DrainProgress{{Members: 2, Leaders: 1}, {Members: 1, Moved: 1, Blocked: []string{"stock: no quorum"}}, {Moved: 2, Done: true}}
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.Drains = steps })
	if out := s.ok("node", "drain", "b"); out != "node b is drained, 2 moved\n" {
		t.Errorf("%q", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Drains = steps })
	var p view.DrainProgress
	if err := json.Unmarshal([]byte(s.ok("node", "drain", "b", "-o", "json")), &p); err != nil || !p.Done || p.Moved != 2 {
		t.Errorf("%+v %v", p, err)
	}
	s.terminal = true
	s.node.Do(func(n *admintest.Node) { n.Drains = steps })
	code, out, errs := s.run("node", "drain", "b", "-y")
	if code != 0 || out != "node b is drained, 2 moved\n" || !strings.Contains(errs, "2 members and 1 leader to go") || !strings.Contains(errs, "1 blocked (stock: no quorum)") || !strings.HasSuffix(errs, "\r\x1b[2K") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

// A node that was not asked from the beginning does not know how many have moved.
func TestADrainCountsWhatMovedForItself(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Drains = []view.DrainProgress{{Members: 7}, {Members: 4}, {Done: true}}
	})
	if out := s.ok("node", "drain", "b"); out != "node b is drained, 7 moved\n" {
		t.Errorf("%q", out)
	}
}

// All members that are left are counted, and few reasons named: a pause is one for all.
// What leaves later is waited for.
func TestADrainEndsWhenAllThatIsLeftIsStuck(t *testing.T) {
	s := newStand(t)
	drains := func(p view.DrainProgress) {
		s.node.Do(func(n *admintest.Node) { n.Drains = []view.DrainProgress{p} })
	}
	paused := []string{"60 groups: moves are paused by ann: switch"}
	drains(view.DrainProgress{Members: 60, Stuck: 60, Blocked: paused})
	if code, _, errs := s.run("node", "drain", "b"); code != 5 || !strings.Contains(errs, "cannot end: 60 members are still on it; blocked: "+paused[0]) {
		t.Errorf("exit %d, %q", code, errs)
	}
	for _, p := range []view.DrainProgress{
		{Members: 61, Stuck: 60, Blocked: append(paused, make([]string, 20)...)},
		{Members: 1, Later: []string{"stock: its move failed (2 times so far)"}},
	} {
		drains(p)
		if code, _, errs := s.run("node", "drain", "b", "--wait-timeout", "40ms"); code != 5 || !strings.Contains(errs, "the drain goes on; blocked: "+slices.Concat(p.Blocked, p.Later)[0]) {
			t.Errorf("exit %d, %q", code, errs)
		}
	}
}

// All members left, and the node still is needed to decide anything.
func TestADrainTellsOfTheVoteThatIsLeft(t *testing.T) {
	s := newStand(t)
	s.terminal = true
	s.node.Do(func(n *admintest.Node) { n.Drains = []view.DrainProgress{{Members: 2}, {Votes: true, Moved: 2}} })
	code, _, errs := s.run("node", "drain", "b", "-y", "--wait-timeout", "40ms")
	if code != 5 || !strings.Contains(errs, "draining b: 2 moved, the catalogue needs its vote") || !strings.Contains(errs, "not drained after 40ms: the catalogue needs its vote until others have it; the drain goes on") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestADrainTellsOfAPause(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.Balancing.State.Pause = &view.BalancePause{By: "ann", Reason: "switch"} })
	code, _, errs := s.run("node", "drain", "b", "--no-wait")
	if code != 0 || errs != "note: moves are paused by ann: switch; its members stay until fleetctl balance resume\n" {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestDrainThatDoesNotEnd(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Drains = []view.DrainProgress{{Members: 1, Blocked: []string{"stock: no quorum"}}}
	})
	// All that is left is blocked: it does not wait for what cannot come.
	if code, out, errs := s.run("node", "drain", "b"); code != 5 || out != "" || !strings.Contains(errs, "cannot end: 1 member is still on it; blocked: stock: no quorum") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Drains = []view.DrainProgress{{Members: 2, Blocked: []string{"stock: no quorum"}}}
	})
	code, out, errs := s.run("node", "drain", "b", "--wait-timeout", "30ms")
	if code != 5 || out != "" || !strings.Contains(errs, "the drain goes on; blocked: stock: no quorum") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	stop := s.background(io.Discard, io.Discard, "node", "drain", "b")
	if err := s.node.AwaitCall(t.Context(), "DrainProgress"); err != nil {
		t.Fatal(err)
	}
	if code := stop(); code != 130 {
		t.Errorf("exit %d", code)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Fail["DrainProgress"] = admintest.Failure{Text: "no leader", What: admin.KindUnavailable}
		n.Calls = nil
	})
	if code, _, _ := s.run("node", "drain", "b"); code != 3 {
		t.Errorf("exit %d", code)
	}
	looks := 0
	for _, c := range s.node.Called() {
		if strings.HasPrefix(c, "DrainProgress") {
			looks++
		}
	}
	if looks != drainPatience+1 {
		t.Errorf("%d looks", looks)
	}
}
