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
