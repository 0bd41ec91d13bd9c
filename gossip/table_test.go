package gossip

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

var at = time.Unix(1_000_000, 0)

func joined(t *table, node ident.NodeID, started uint64, fleet ident.FleetID) string {
	name := processName(node, started)
	t.join(name, started, Meta{Node: node, Fleet: fleet}, fmt.Sprint("addr", started), at)
	return name
}

func TestTableALivingProcessStandsForTheNode(t *testing.T) {
	for _, order := range [][]uint64{{1, 2}, {2, 1}} {
		tab := newTable("")
		for _, started := range order {
			joined(&tab, 7, started, 0)
		}
		if p := tab.current(7); p.started != 2 {
			t.Errorf("joined in order %v: process %d stands for the node, want the later", order, p.started)
		}
		tab.leave(processName(7, 2), at)
		if p := tab.current(7); p.started != 1 || !p.member.Alive {
			t.Errorf("joined in order %v: the later died: %+v", order, p.member)
		}
		tab.leave(processName(7, 1), at.Add(1))
		if p := tab.current(7); p == nil || p.member.Alive || len(tab.nodes[7]) != 1 || !p.member.Since.Equal(at.Add(1)) {
			t.Errorf("joined in order %v: both died: %+v", order, p)
		}
		joined(&tab, 7, 1, 0)
		if p := tab.current(7); p.started != 1 || len(tab.nodes[7]) != 1 || len(tab.byName) != 1 {
			t.Errorf("a living process must win over a dead one: %+v", p)
		}
	}
}

func TestTableLeavingMayComeLate(t *testing.T) {
	tab := newTable("")
	name := joined(&tab, 7, 1, 0)
	if tab.leaving(name) {
		t.Error("a living process did not leave yet")
	}
	tab.leave(name, at)
	if !tab.leaving(name) || !tab.current(7).member.Left || tab.leaving(name) {
		t.Error("late word of leaving was not noted once")
	}
}

func TestTableForeign(t *testing.T) {
	tab := newTable("")
	joined(&tab, 1, 1, 0)
	joined(&tab, 2, 1, 10)
	joined(&tab, 3, 1, 20)
	dead := joined(&tab, 4, 1, 20)
	tab.leave(dead, at)
	if names := tab.markForeign(0); len(names) != 0 {
		t.Errorf("nobody is foreign to a fresh node: %v", names)
	}
	if names := tab.markForeign(10); len(names) != 1 || names[0] != processName(3, 1) {
		t.Errorf("marked %v, want the living one", names)
	}
	if all := tab.members(); len(all) != 2 || all[0].Node != 1 || all[1].Node != 2 {
		t.Errorf("listed: %+v", all)
	}
	tab.leave(processName(3, 1), at)
	if len(tab.byName) != 2 {
		t.Errorf("a foreign process that died is kept: %v", tab.byName)
	}
}

func TestTableIsBounded(t *testing.T) {
	tab := newTable("")
	for i := range deadLimit + 10 {
		name := joined(&tab, ident.NodeID(i+1), 1, 0)
		tab.leave(name, at.Add(time.Duration(i)))
	}
	if len(tab.nodes) != deadLimit || len(tab.byName) != deadLimit {
		t.Errorf("%d nodes, %d processes, want %d", len(tab.nodes), len(tab.byName), deadLimit)
	}
	if tab.current(1) != nil || tab.current(deadLimit+10) == nil {
		t.Error("dropped others than those gone longest")
	}
}

func TestRefusalsAreSaidOnceAMinute(t *testing.T) {
	now := at
	r := newRefusals(func() time.Time { return now })
	if !r.due("a") || r.due("a") || !r.due("b") {
		t.Error("want once for each address")
	}
	now = now.Add(refusalPause)
	if !r.due("a") || r.due("a") {
		t.Error("want once more after a minute")
	}
	for i := range 2 * refusalLimit {
		r.due(fmt.Sprint(i))
	}
	if len(r.said) > refusalLimit {
		t.Errorf("%d addresses remembered, limit %d", len(r.said), refusalLimit)
	}
	now = now.Add(refusalPause)
	if !r.due("c") {
		t.Error("a full list never empties")
	}
}

func TestLogLines(t *testing.T) {
	for _, c := range []struct {
		line  string
		level slog.Level
		text  string
	}{
		{"[DEBUG] memberlist: Stream connection from=1", slog.LevelDebug, "Stream connection from=1"},
		{"[INFO] memberlist: Marking x as failed", slog.LevelInfo, "Marking x as failed"},
		{"[WARN] memberlist: Refuting", slog.LevelWarn, "Refuting"},
		{"[ERR] memberlist: Decrypt packet failed", slog.LevelError, "Decrypt packet failed"},
		{"[ERR] Failed to shutdown transport", slog.LevelError, "Failed to shutdown transport"},
		{"[WARN] memberlist: Got ping for unexpected node 'x'", slog.LevelDebug, "Got ping for unexpected node 'x'"},
		{"[ODD] thing", slog.LevelInfo, "[ODD] thing"},
		{"Err: Could not", slog.LevelInfo, "Err: Could not"},
		{"", slog.LevelInfo, ""},
	} {
		if level, text := parseLine(c.line); level != c.level || text != c.text {
			t.Errorf("%q: %v %q", c.line, level, text)
		}
	}
	var log lineLog
	var suspects []string
	w := &logWriter{to: log.logger(), suspects: func(name string) { suspects = append(suspects, name) }}
	w.logger().Print("[INFO] memberlist: Suspect n has failed, no acks received")
	w.logger().Print("[ERR] memberlist: something")
	w.quiet.Store(true)
	w.logger().Print("[ERR] memberlist: use of closed network connection")
	if len(suspects) != 1 || suspects[0] != "n" {
		t.Errorf("suspects: %v", suspects)
	}
	if len(log.lines) != 2 || log.count("level=ERROR msg=something source=memberlist") != 1 {
		t.Errorf("lines: %q", log.lines)
	}
}
