package placement_test

import (
	"fmt"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A node dies: its member is replaced by one in the same zone, and the groups
// that it had nothing of stay as they are.
func ExamplePlan() {
	nodes := []placement.Node{
		{ID: 1, Zone: "a", State: placement.Dead},
		{ID: 2, Zone: "a", State: placement.Active},
		{ID: 3, Zone: "b", State: placement.Active},
		{ID: 4, Zone: "c", State: placement.Active},
	}
	groups := []placement.Group{
		{ID: 2, Name: "orders", Replicas: 3, Members: []ident.NodeID{1, 3, 4}, Leader: 1},
		{ID: 3, Name: "stock", Replicas: 3, Members: []ident.NodeID{2, 3, 4}, Leader: 2},
	}
	for _, t := range placement.Plan(placement.Input{Nodes: nodes, Groups: groups}).Targets {
		fmt.Println(t.Group, t.Members, t.Reason)
	}
	// Output:
	// 0000000000000002 [0000000000000002 0000000000000003 0000000000000004] repair: dead node 0000000000000001 (zone "a") is replaced by active node 0000000000000002 (zone "a")
}

// A planner is told of changes. It does not take its plan for granted: what was
// committed is told to it too.
func ExamplePlanner() {
	p := placement.NewPlanner(placement.Policy{})
	for i, zone := range []string{"a", "b", "c"} {
		p.SetNode(placement.Node{ID: ident.NodeID(i + 1), Zone: zone, Weight: 1, State: placement.Active})
	}
	orders := placement.Group{ID: 2, Name: "orders", Replicas: 3}
	p.SetGroup(orders)
	for _, t := range p.Plan().Targets {
		orders.Members, orders.Leader, orders.Epoch = t.Members, t.Leader, t.Epoch
		p.SetGroup(orders)
	}
	fmt.Println(len(p.Plan().Targets), "targets are left")

	p.SetNode(placement.Node{ID: 4, Zone: "c", Weight: 1, State: placement.Active})
	p.SetNode(placement.Node{ID: 3, Zone: "c", Weight: 1, State: placement.Draining})
	for _, m := range p.Plan().Moves {
		if m.Kind == placement.Drain {
			fmt.Println(m.Kind, m.From, "to", m.To)
		}
	}
	out := p.WhatIf(placement.Change{ZonesDown: []string{"a"}})
	fmt.Println(out.LosesQuorum.Count, "group without quorum,", out.LosesSpread.Count, "in fewer zones, if zone a fails")
	// Output:
	// 0 targets are left
	// drain 0000000000000003 to 0000000000000004
	// 0 group without quorum, 1 in fewer zones, if zone a fails
}
