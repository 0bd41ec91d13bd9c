package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestWhatIfScreen(t *testing.T) {
	s := onTerminal(t, func(n *admintest.Node) { n.Balancing.Outcome = risky() })
	s.screen("balance whatif --zone-down z3 --limit 2", `
if zone z3 is down: 100 groups would change, 100 members and 19 leaders would move, for about 8m24s at the rate of the last moves
beware: 1 group would have no quorum, 99 groups would be in fewer zones, 3 more groups would have too few members

 FLEET                                    NOW   THEN
 nodes                                    6     5
 most members on a node, times its share  1.30  1.01
 most leaders on a node, times its share  1.06  1.02
 groups with too few members              0     3
 groups in too few zones                  2     102

 ZONE  NODES  NODES THEN  MEMBERS  MEMBERS THEN  RATIO  RATIO THEN
 z1    2      2           100      120           1.00   1.00
 z2    3      3           100      180           1.00   1.00
 z3    2      0           100      0             1.00   -

 NODE THAT CHANGES  ZONE  STATE THEN  MEMBERS  MEMBERS THEN  RATIO   RATIO THEN  LEADERS  LEADERS THEN
 c1                 z3    gone        88       0             0.88 !  -           16       0
 b3                 z2    active      4        60            0.20 !  1.00        0        20
… and 5 more: --all shows them

 WITHOUT A QUORUM
 pair

 IN FEWER ZONES
 g00, g01
… and 97 more: --all shows them

 GROUP  CAUSE   FROM  TO  LEADER  REASON
 g00    repair  c1    a2  a1      node c1 is dead
 g01    repair  c1    a2  a1      node c1 is dead
… and 98 more: --all shows them

 PROBLEM     THING  REASON                                                                                                                   REMEDY                                                                           SINCE
 infeasible  pair   most voters of the group are on dead or unknown nodes: it is left as it is until they return or it is recovered by hand  bring the missing nodes back; if they never return: fleetctl group recover pair  -
`)
	// The node tells the first of them only: the rest is counted, and not promised.
	if out := s.ok("balance", "whatif", "--zone-down", "z3", "--all"); !strings.Contains(out, "… and 80 more\n") || strings.Contains(out, "--all") {
		t.Errorf("%s", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Balancing.Outcome = view.Outcome{Before: busySkew(), After: busySkew()} })
	s.screen("balance whatif --weight a=1", `
if node a has weight 1: nothing would move

 FLEET                                    NOW   THEN
 nodes                                    6     6
 most members on a node, times its share  1.30  1.30
 most leaders on a node, times its share  1.06  1.06
 groups with too few members              0     0
 groups in too few zones                  2     2

 ZONE  NODES  NODES THEN  MEMBERS  MEMBERS THEN  RATIO  RATIO THEN
 z1    2      2           100      100           1.00   1.00
 z2    3      3           100      100           1.00   1.00
 z3    2      2           100      100           1.00   1.00
`)
}

// Sixty groups are not sixty lines, wherever they are printed.
func TestWhatIfListsGroupsInLines(t *testing.T) {
	o := view.Outcome{SpreadsLost: 60}
	for i := range 60 {
		o.LoseSpread = append(o.LoseSpread, fmt.Sprintf("group-%02d", i))
	}
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.Balancing.Outcome = o })
	for _, s.terminal = range []bool{false, true} {
		out := s.ok("balance", "whatif", "--remove", "a", "--all")
		at := strings.Index(out, "IN FEWER ZONES")
		if at < 0 {
			t.Fatalf("%s", out)
		}
		lines := strings.Split(strings.TrimSpace(out[at:]), "\n")
		if len(lines) != 7 || !strings.HasSuffix(strings.TrimSpace(lines[1]), ", group-09,") || !strings.HasSuffix(strings.TrimSpace(lines[6]), ", group-59") {
			t.Errorf("%q", lines)
		}
	}
}

// What keeps the moves from being made is said before how many there would be to make.
func TestWhatIfSaysWhatWouldHoldTheMoves(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Balancing.Outcome = risky()
		n.Balancing.Outcome.Held = "all 2 nodes of zone z3 are gone"
	})
	if out := s.ok("balance", "whatif", "--zone-down", "z3"); !strings.HasPrefix(out, "if zone z3 is down\t100 groups would change, 100 members and 19 leaders would move, but that would be held: all 2 nodes of zone z3 are gone\n") {
		t.Errorf("%s", out)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Balancing.Outcome = view.Outcome{Held: "the only voter of the catalogue is gone: a", QuorumsLost: 3, LoseQuorum: []string{"catalogue", "g", "h"}}
	})
	out := s.ok("balance", "whatif", "--remove", "a")
	if !strings.HasPrefix(out, "if node a is gone\tnothing would move: the only voter of the catalogue is gone: a\nbeware\tthe catalogue would have no quorum, 2 groups would have no quorum\n") {
		t.Errorf("%s", out)
	}
	if !strings.Contains(out, "\nmost leaders on a node, times its share\t\t\n") { // nobody has a share
		t.Errorf("%s", out)
	}
}

func TestWhatIfAsksWhatItWasTold(t *testing.T) {
	s := newStand(t)
	for line, want := range map[string]struct {
		asked view.WhatIf
		first string
	}{
		"--remove a --remove b":          {view.WhatIf{Remove: []string{"a", "b"}}, "if nodes a, b are gone"},
		"--drain b --zone-down z9":       {view.WhatIf{Drain: []string{"b"}, ZoneDown: []string{"z9"}}, "if node b is drained and zone z9 is down"},
		"--add z4":                       {view.WhatIf{Add: []view.WhatIfNode{{Zone: "z4", Weight: 1, Count: 1}}}, "if 1 node of weight 1 comes in zone z4"},
		"--add rack:7:2x3 --add rack2:4": {view.WhatIf{Add: []view.WhatIfNode{{Zone: "rack:7", Weight: 2, Count: 3}, {Zone: "rack2", Weight: 4, Count: 1}}}, "if 3 nodes of weight 2 come in zone rack:7 and 1 node of weight 4 comes in zone rack2"},
		"--weight c=4 --weight a=2":      {view.WhatIf{Weights: map[string]int{"a": 2, "c": 4}}, "if node a has weight 2 and node c has weight 4"},
	} {
		out := s.ok(append([]string{"balance", "whatif"}, strings.Fields(line)...)...)
		if !strings.HasPrefix(out, want.first+"\tnothing would move\n") {
			t.Errorf("%s: %s", line, out)
		}
		if got := s.node.Balancing.Asked; !reflect.DeepEqual(got, want.asked) {
			t.Errorf("%s: asked %+v", line, got)
		}
	}
	if code, _, errs := s.run("balance", "whatif", "--remove", "x"); code != 4 || !strings.Contains(errs, `"x"`) {
		t.Errorf("exit %d, %q", code, errs)
	}
	s.asked() // changes: none
}

func TestADrainOnTrial(t *testing.T) {
	before := busySkew()
	after := busySkew()
	after.Nodes[2].State, after.Nodes[2].Members, after.Nodes[2].Share, after.Nodes[2].Ratio, after.Nodes[2].Leaders = "draining", 2, 0, 0, 0
	after.Nodes[3].Members, after.Nodes[3].Share, after.Nodes[3].Ratio, after.Nodes[3].Leaders = 94, 96, 0.98, 34
	s := onTerminal(t, func(n *admintest.Node) {
		n.Fleet.Nodes[1].Name = "b1"
		n.Balancing.Outcome = view.Outcome{
			Moves:  []view.PlannedMove{{Group: "orders", Cause: "drain", Reason: "node b1 is draining", From: []string{"b1"}, To: []string{"b2"}, Leader: "b2"}},
			Groups: 50, MembersMoved: 50, LeadersMoved: 17, Before: before, After: after, SpreadsLost: 1, LoseSpread: []string{"stock/eu"},
			Problems: []view.Problem{{Kind: "infeasible", Thing: "b1", Reason: "node b1 is draining but holds members that no active node can take", Remedy: "activate another node; or take the drain back: fleetctl node undrain b1"}},
		}
	})
	s.screen("node drain b1 --dry-run", `
drain b1: 50 groups would change, 50 members and 17 leaders would move; for how long is not known: nothing moved lately
beware: 2 members cannot leave node b1: node b1 is draining but holds members that no active node can take
beware: 1 group would be in fewer zones

 IN FEWER ZONES
 stock/eu

 GROUP   CAUSE  FROM  TO  LEADER  REASON
 orders  drain  b1    b2  b2      node b1 is draining
… and 49 more: --all shows them

 FLEET                                    NOW   THEN
 nodes                                    6     5
 most members on a node, times its share  1.30  1.30
 most leaders on a node, times its share  1.06  1.06
 groups with too few members              0     0
 groups in too few zones                  2     2

 ZONE  NODES  NODES THEN  MEMBERS  MEMBERS THEN  RATIO  RATIO THEN
 z1    2      2           100      100           1.00   1.00
 z2    3      3           100      100           1.00   1.00
 z3    2      2           100      100           1.00   1.00

 NODE THAT CHANGES  ZONE  STATE THEN  MEMBERS  MEMBERS THEN  RATIO   RATIO THEN  LEADERS  LEADERS THEN
 b1                 z2    draining    52       2             1.30 !  -           17       0
 b2                 z2    active      44       94            1.10 !  0.98        17       34

 PROBLEM     THING  REASON                                                              REMEDY                                                                   SINCE
 infeasible  b1     node b1 is draining but holds members that no active node can take  activate another node; or take the drain back: fleetctl node undrain b1  -
`)
	if got := s.node.Balancing.Asked; !reflect.DeepEqual(got, view.WhatIf{Drain: []string{"b1"}}) {
		t.Errorf("asked %+v", got)
	}
	s.asked() // no drain
	if code, _, _ := s.run("node", "drain", "x", "--dry-run"); code != 4 {
		t.Errorf("exit %d", code)
	}
	s.node.Do(func(n *admintest.Node) { n.Balancing.Outcome.Problems = nil })
	if out := s.ok("node", "drain", "b1", "--dry-run"); !strings.Contains(out, "2 members cannot leave node b1: no other node can take them") {
		t.Errorf("%s", out)
	}
}
