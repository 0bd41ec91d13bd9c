package planner

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// kill says of a node that it will not return.
func (f *fleet) kill(id ident.NodeID) {
	f.t.Helper()
	f.apply(&catalogue.SetNodeState{ID: id, To: placement.Dead, Reason: "forgotten"})
}

// Groups that were to get another leader when that one's node is lost begin to move
// their members then: no more of them at once than may.
func TestGroupsThatWaitForALostLeaderMoveWithinTheLimit(t *testing.T) {
	f := newFleet(t, 5, 1, 40)
	f.finish()
	waiting := 0
	for _, g := range f.c.Groups("", 0) {
		if member, ok := g.MemberOn(1); ok && g.Preferred != member.Node {
			f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: g.TargetNodes(), Preferred: 1,
				Cause: catalogue.Cause{Kind: placement.Lead, Text: "it should lead"}}}})
			waiting++
		}
	}
	limit := f.limits.MovesFor(5)
	if waiting <= limit {
		t.Fatalf("%d groups wait for another leader, %d moves are allowed", waiting, limit)
	}
	f.kill(1)
	if f.do(); f.moving() != limit {
		t.Fatalf("%d groups move, %d may", f.moving(), limit)
	}
	f.finish()
	if n := f.loads()[1]; n != 0 {
		t.Errorf("the lost node should still have %d members", n)
	}
}

// A group that no node can have keeps its target, and does not keep others from theirs:
// the catalogue refuses a target without members with all that comes with it.
func TestAGroupThatNoNodeCanHaveStopsNoOther(t *testing.T) {
	f := newFleet(t, 3, 1, 0)
	f.apply(&catalogue.AddGroup{Name: "alone", Type: "t", Replicas: 1, Members: []ident.NodeID{1}, Preferred: 1})
	f.apply(&catalogue.AddGroup{Name: "other", Type: "t", Replicas: 3, Members: []ident.NodeID{1, 2, 3}, Preferred: 2})
	f.settle()
	f.finish()
	g := f.group("alone")
	f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: []ident.NodeID{2}, Preferred: 2,
		Cause: catalogue.Cause{Kind: placement.Drain, Text: "node 1 is drained"}}}})
	for _, id := range []ident.NodeID{1, 3} {
		f.apply(&catalogue.SetNodeState{ID: id, To: placement.Draining, Reason: "drained"})
	}
	f.kill(2)
	for range 5 {
		f.after(time.Minute)
		for _, target := range f.do().Targets { // commits all of them, or fails
			if target.Group == g.ID {
				t.Fatalf("%+v", target)
			}
		}
	}
	if o := f.group("other"); o.Preferred == 2 {
		t.Errorf("the other group is to have %v, led by the node that is lost", o.Target)
	}
}
