package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
	"github.com/raftfleet/raftfleet/internal/ident"
)

func TestTablesArePipedWithTabs(t *testing.T) {
	s := newStand(t)
	since := "2026-01-02T03:04:05Z"
	for line, want := range map[string]string{
		"node ls": "NAME\tID\tZONE\tSTATE\tALIVE\tMEMBERS\tLEADERS\tADDR\tREASON\n" +
			"a\t0000000000000010\tz1\tactive\tyes\t2\t1\t127.0.0.1:7100\t\n" +
			"b\t0000000000000011\tz2\tactive\tyes\t2\t0\t127.0.0.1:7101\t\n" +
			"c\t0000000000000012\tz3\tactive\tyes\t2\t0\t127.0.0.1:7102\t\n",
		"group ls --no-headers": "orders\t0000000000000002\tcounter\t3\ta\ta b c\ta b c\n" +
			"stock\t0000000000000003\tkv\t3\t\ta b c\ta b c\n",
		"group ls --no-headers --prefix s": "stock\t0000000000000003\tkv\t3\t\ta b c\ta b c\n",
		"group ls --no-headers --limit 1":  "orders\t0000000000000002\tcounter\t3\ta\ta b c\ta b c\n",
		"events": "SEQ\tTIME\tKIND\tNODE\tGROUP\tDETAIL\n" +
			"1\t" + since + "\tnode_joined\ta\t\tin zone z1\n2\t2026-01-02T03:04:06Z\tgroup_added\t\torders\tcounter, 3 replicas\n",
		"events --after 1 --no-headers": "2\t2026-01-02T03:04:06Z\tgroup_added\t\torders\tcounter, 3 replicas\n",
	} {
		if got := s.ok(strings.Fields(line)...); got != want {
			t.Errorf("%s:\n%swant\n%s", line, got, want)
		}
	}
	for line, want := range map[string][]string{
		"status":                          {"fleet\t00000000000f1ee7\n", "without leader\t1\n", "catalogue leader\ta\n", "no_leader\tstock\tno leader for 12s\tsee fleetctl group show stock\t\n"},
		"node show b":                     {"name\tb\n", "since\t" + since + "\n", "orders\tleader\tyes\n"},
		"node show " + "0000000000000012": {"name\tc\n"},
		"group show orders":               {"leader\ta\n", "term\t4\n", "b\tz2\t2\tvoter\t16\t1\tok\t\n"},
	} {
		got := s.ok(strings.Fields(line)...)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in\n%s", line, w, got)
			}
		}
	}
}

func TestTablesOnATerminal(t *testing.T) {
	s := newStand(t)
	s.terminal = true
	out := s.ok("node", "ls")
	if !strings.Contains(out, "\x1b[32mactive\x1b[0m") || strings.Contains(out, "\t") {
		t.Errorf("%q", out)
	}
	if out := s.ok("group", "ls"); !strings.Contains(out, "no leader") {
		t.Errorf("%q", out)
	}
	if out := s.ok("node", "show", "a"); !strings.Contains(out, "\n alive ") || !strings.Contains(out, "\x1b[32mactive\x1b[0m") {
		t.Errorf("%q", out)
	}
	for name, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		s.env[name] = value
		if out := s.ok("node", "ls"); strings.Contains(out, "\x1b") || !strings.Contains(out, "active") {
			t.Errorf("%s: %q", name, out)
		}
		delete(s.env, name)
	}
}

func TestTextOfTheFleetDoesNotCommandTheTerminal(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.EventLog[0].Detail = "a\tb\n\x1b[2Jc\u202e" })
	for _, args := range [][]string{{"events"}, {"events", "--after", "0"}} {
		if out := s.ok(args...); !strings.Contains(out, "a b  [2Jc \n") {
			t.Errorf("%q", out)
		}
	}
}

func TestJSONIsWhatTheFleetSays(t *testing.T) {
	s := newStand(t)
	check := func(line string, got, want any) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.ok(append(strings.Fields(line), "-o", "json")...)), got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !reflect.DeepEqual(reflect.ValueOf(got).Elem().Interface(), want) {
			t.Errorf("%s:\n%+v, want\n%+v", line, reflect.ValueOf(got).Elem().Interface(), want)
		}
	}
	check("status", &view.Status{}, s.node.Fleet)
	check("node ls", &[]view.Node{}, s.node.Fleet.Nodes)
	check("events", &[]view.Event{}, s.node.EventLog)
	g := s.node.Groups[0]
	g.Problems = []view.Problem{}
	check("group show orders", &view.GroupStatus{}, g)

	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s.ok("group", "show", "orders", "-o", "json")), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"name", "group_id", "type", "replicas", "leader", "term", "members", "target"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("group show has no field %s", name)
		}
	}
	s.node.Do(func(n *admintest.Node) { n.Groups = nil })
	if out := s.ok("group", "ls", "-o", "json"); out != "[]\n" {
		t.Errorf("no groups: %q", out)
	}
}

func TestARecoveredGroupShowsIt(t *testing.T) {
	s := newStand(t)
	if out := s.ok("group", "show", "orders"); strings.Contains(out, "recovered") {
		t.Errorf("%s", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Groups[0].Recovered = "2026-01-02 03:04:05: through node a" })
	if out := s.ok("group", "show", "orders"); !strings.Contains(out, "recovered\t2026-01-02 03:04:05: through node a\n") {
		t.Errorf("%s", out)
	}
}

func TestAllPagesOfGroups(t *testing.T) {
	s := newStand(t)
	const count = 2345
	s.node.Do(func(n *admintest.Node) {
		n.Groups = nil
		for i := range count {
			n.Groups = append(n.Groups, view.GroupStatus{Name: fmt.Sprintf("g%05d", i), GroupID: ident.GroupID(i + 2)})
		}
	})
	lines := strings.Split(strings.TrimSpace(s.ok("group", "ls", "--no-headers")), "\n")
	if len(lines) != count || !slices.IsSorted(lines) {
		t.Errorf("%d groups", len(lines))
	}
	if n := strings.Count(s.ok("group", "ls", "--no-headers", "--limit", "1500"), "\n"); n != 1500 {
		t.Errorf("%d groups within the limit", n)
	}
}

func TestWatchGoesOnUntilInterrupted(t *testing.T) {
	s := newStand(t)
	for _, line := range []string{"status -w", "node ls --watch", "group ls --watch -o json"} {
		out := newStream()
		stop := s.background(out, io.Discard, append(strings.Fields(line), "--interval", "1ms")...)
		out.await(t, "z1", 3*btoi(strings.HasPrefix(line, "node") || strings.HasPrefix(line, "status")))
		out.await(t, "orders", 3*btoi(strings.HasPrefix(line, "group")))
		if code := stop(); code != 130 {
			t.Errorf("%s: exit %d", line, code)
		}
	}
}

func TestEventsAreFollowed(t *testing.T) {
	for _, format := range []string{"table", "json"} {
		s := newStand(t)
		out := newStream()
		stop := s.background(out, io.Discard, "events", "-f", "-o", format)
		if err := s.node.AwaitCall(t.Context(), "Events 2 true"); err != nil {
			t.Fatal(err)
		}
		s.node.Do(func(n *admintest.Node) {
			n.EventLog = append(n.EventLog, view.Event{Seq: 3, Time: admintest.Began, Kind: "leader_changed", Group: "orders", Detail: "news"})
		})
		out.await(t, "news", 1)
		if code := stop(); code != 130 {
			t.Errorf("exit %d", code)
		}
		lines := strings.Split(strings.TrimSpace(out.text.String()), "\n")
		if len(lines) != 3 {
			t.Errorf("%q", lines)
		}
		for _, l := range lines {
			if json.Valid([]byte(l)) != (format == "json") {
				t.Errorf("%s: %q", format, l)
			}
		}
	}
}

func TestDoctor(t *testing.T) {
	s := newStand(t)
	code, out, errs := s.run("doctor")
	if code != 5 || !strings.Contains(out, "no_leader stock\tfailed\tno leader for 12s\tsee fleetctl group show stock\n") || !strings.Contains(errs, "2 of 11 checks failed") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	s.node.Do(func(n *admintest.Node) { n.Fleet.Problems, n.Fleet.GroupsWithoutLeader = nil, 0 })
	if out := s.ok("doctor"); strings.Contains(out, "failed") {
		t.Errorf("%s", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Fleet.Nodes[1].State, n.Fleet.Nodes[1].Alive = "dead", false })
	if code, out, _ := s.run("doctor"); code != 5 || !strings.Contains(out, "node b\tfailed\tdead") || !strings.Contains(out, "forget b") {
		t.Errorf("exit %d\n%s", code, out)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Fleet.Nodes[1].State, n.Fleet.Catalogue.Leader, n.ReadyError = "inactive", "", errors.New("it drains")
	})
	code, out, _ = s.run("doctor", "-o", "json")
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	bad := []string{}
	for _, c := range d.Checks {
		if !c.OK {
			bad = append(bad, c.Name)
		}
	}
	if code != 5 || d.Healthy || strings.Join(bad, " ") != "ready catalogue" {
		t.Errorf("exit %d, %v", code, bad)
	}
}

func TestAddress(t *testing.T) {
	s := newStand(t)
	right := s.env["FLEET_ADDR"]
	s.env["FLEET_ADDR"] = "127.0.0.1:1"
	s.ok("status", "--addr", right)
	s.ok("status", "--addr", "http://"+right)
	if code, _, errs := s.run("status"); code != 3 || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestToken(t *testing.T) {
	s := newStandWith(t, admin.Options{Token: "s3cret"})
	if code, _, errs := s.run("status"); code != 1 || !strings.Contains(errs, "token is missing") {
		t.Errorf("without: exit %d, %s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok("status", "--token-file", file)
	s.env["FLEET_TOKEN"] = "s3cret"
	s.ok("status")
}

func TestCompletion(t *testing.T) {
	s := newStand(t)
	for _, shell := range shells {
		if out := s.ok("completion", shell); !strings.Contains(out, "fleetctl") {
			t.Errorf("%s: %s", shell, out)
		}
	}
	for line, want := range map[string]string{"__complete group show o": "orders\n", "__complete node drain ": "a\nb\nc\n", "__complete group transfer orders --to ": "a\nb\nc\n"} {
		args := strings.Split(line, " ")
		code, out, _ := s.run(args...)
		if code != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("%s: exit %d, %q", line, code, out)
		}
	}
}

func TestVersion(t *testing.T) {
	s := newStand(t)
	if out := s.ok("version"); !strings.HasPrefix(out, "fleetctl ") {
		t.Error(out)
	}
	if out := s.ok("version", "-o", "json"); !json.Valid([]byte(out)) {
		t.Error(out)
	}
}
