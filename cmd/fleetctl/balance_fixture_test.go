package main

import (
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

// busy is a fleet of seven nodes in three zones of which one just came, so that members
// move there; c2 is drained.
func busy(n *admintest.Node) {
	at := admintest.Began
	b := &n.Balancing
	b.State = view.Balance{
		State: view.BalanceMoving, Why: "4 groups of at most 4 on the move, 96 left, at 11.9 a minute about 8m4s", Planner: "a1", At: at,
		Moving: 4, MoveLimit: 4, Left: 96, Done: 119, DoneIn: 600, PerMinute: 11.9, ETA: 484, Rests: at.Add(4 * time.Minute),
		Queue: []view.BalanceQueue{{Cause: "drain", Groups: 12}, {Cause: "balance", Groups: 80}, {Cause: "lead", Groups: 9}},
		Holds: []view.BalanceHold{{Hold: "full", Groups: 78, Means: "as many groups move already as may"}, {Hold: "after_members", Groups: 9, Means: "leaders follow when the members have moved"},
			{Hold: "resting", Groups: 2, Means: "it moved, or failed to move, a short while ago"}},
	}
	b.Moves = []view.Move{
		{Group: "stock/eu", Cause: "balance", Reason: "node b1 has more than its share", From: []string{"b1"}, To: []string{"b3"}, Step: "wait until the new member answers", Lag: 9120,
			Since: at, Age: 1450, Blocked: "the member on node b3 does not answer", Failures: 2, Leader: "a1"},
		{Group: "orders", Cause: "drain", Reason: "node c2 is draining", From: []string{"c2"}, To: []string{"c1"}, Step: "let the new member catch up", Lag: 311, Since: at, Age: 12.4, Leader: "b1"},
		{Group: "carts", Cause: "drain", Reason: "node c2 is draining", From: []string{"c2"}, To: []string{"c1"}, Step: "remove the member on node c2", Since: at, Age: 3, Leader: "a1"},
	}
	b.Plan = nil
	for i := range 80 {
		p := view.PlannedMove{Group: fmt.Sprintf("g%02d", i), Cause: "balance", Reason: "node b1 has more than its share", From: []string{"b1"}, To: []string{"b3"}, Leader: "a1"}
		if i == 1 {
			p.Held = "it rests until 03:08:05"
		}
		b.Plan = append(b.Plan, p)
	}
	b.Skew = busySkew()
}

func busySkew() view.Skew {
	return view.Skew{
		MemberMax: 1.3, LeaderMax: 1.06, FewGroups: 0, FewZones: 2,
		Nodes: []view.SkewNode{
			{Node: "a1", Zone: "z1", State: "active", Weight: 1, Members: 51, Share: 50, Ratio: 1.02, Leaders: 18, LeaderShare: 17, LeaderRatio: 1.06},
			{Node: "a2", Zone: "z1", State: "active", Weight: 1, Members: 49, Share: 50, Ratio: 0.98, Leaders: 17, LeaderShare: 17, LeaderRatio: 1},
			{Node: "b1", Zone: "z2", State: "active", Weight: 1, Members: 52, Share: 40, Ratio: 1.3, Leaders: 17, LeaderShare: 17, LeaderRatio: 1},
			{Node: "b2", Zone: "z2", State: "active", Weight: 1, Members: 44, Share: 40, Ratio: 1.1, Leaders: 17, LeaderShare: 17, LeaderRatio: 1},
			{Node: "b3", Zone: "z2", State: "active", Weight: 1, Members: 4, Share: 20, Ratio: 0.2, Leaders: 0, LeaderShare: 15.8},
			{Node: "c1", Zone: "z3", State: "active", Weight: 2, Members: 88, Share: 100, Ratio: 0.88, Leaders: 16, LeaderShare: 17, LeaderRatio: 0.94},
			{Node: "c2", Zone: "z3", State: "draining", Weight: 1, Members: 12, Share: 0, Leaders: 3},
		},
		Zones: []view.SkewZone{
			{Zone: "z1", Nodes: 2, Weight: 2, Members: 100, Share: 100, Ratio: 1, Leaders: 35},
			{Zone: "z2", Nodes: 3, Weight: 3, Members: 100, Share: 100, Ratio: 1, Leaders: 34},
			{Zone: "z3", Nodes: 2, Weight: 2, Members: 100, Share: 100, Ratio: 1, Leaders: 19},
		},
	}
}

// risky is what happens when zone z3 goes down.
func risky() view.Outcome {
	before := busySkew()
	after := view.Skew{MemberMax: 1.01, LeaderMax: 1.02, FewGroups: 3, FewZones: 102}
	after.Nodes = append(after.Nodes, before.Nodes[:5]...)
	for i, m := range []int{60, 60, 60, 60, 60} {
		after.Nodes[i].Members, after.Nodes[i].Share, after.Nodes[i].Ratio = m, 60, 1
		after.Nodes[i].Leaders = 20
	}
	after.Zones = append(after.Zones, before.Zones[:2]...)
	after.Zones[0].Members, after.Zones[0].Share, after.Zones[0].Ratio = 120, 120, 1
	after.Zones[1].Members, after.Zones[1].Share, after.Zones[1].Ratio = 180, 180, 1
	o := view.Outcome{Groups: 100, MembersMoved: 100, LeadersMoved: 19, ETA: 504, Before: before, After: after, QuorumsLost: 1, SpreadsLost: 99, LoseQuorum: []string{"pair"}}
	for i := range 20 {
		o.Moves = append(o.Moves, view.PlannedMove{Group: fmt.Sprintf("g%02d", i), Cause: "repair", Reason: "node c1 is dead", From: []string{"c1"}, To: []string{"a2"}, Leader: "a1"})
		o.LoseSpread = append(o.LoseSpread, fmt.Sprintf("g%02d", i))
	}
	o.Problems = []view.Problem{{Kind: "infeasible", Thing: "pair", Reason: "most voters of the group are on dead or unknown nodes: it is left as it is until they return or it is recovered by hand", Remedy: "bring the missing nodes back; if they never return: fleetctl group recover pair"}}
	return o
}
