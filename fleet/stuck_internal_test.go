package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A move that is stuck goes back to what the group has. Where a node of that was
// given up meanwhile, another takes the place, and not one that did not come about.
func TestAStuckMoveGoesBackToNodesThatExist(t *testing.T) {
	const patience = time.Minute
	for _, c := range []struct {
		name   string
		lost   func(apply func(catalogue.Command))
		target []ident.NodeID
		want   []ident.NodeID
	}{
		{"all live", func(func(catalogue.Command)) {}, []ident.NodeID{1, 2, 4}, []ident.NodeID{1, 2, 3}},
		{"one is dead", func(apply func(catalogue.Command)) {
			apply(&catalogue.SetNodeState{ID: 3, To: placement.Dead})
		}, []ident.NodeID{1, 2, 4}, []ident.NodeID{1, 2, 5}},
		{"one was forgotten", func(apply func(catalogue.Command)) {
			apply(&catalogue.SetNodeState{ID: 3, To: placement.Dead})
			apply(&catalogue.ForgetNode{ID: 3, Force: true})
		}, []ident.NodeID{1, 2, 4}, []ident.NodeID{1, 2, 5}},
		{"the target is hopeless", func(apply func(catalogue.Command)) {
			apply(&catalogue.SetNodeState{ID: 4, To: placement.Dead})
		}, []ident.NodeID{1, 2, 4}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat, apply := catalogueOf(t, 5, 1)
			g, _ := cat.Group("g0")
			apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: c.target}}})
			p := planRun{moves: make(map[ident.GroupID]*stuckMove)}
			began := time.Unix(1, 0)
			if got := p.givenUp(cat, cat.Nodes(), patience, began); len(got) != 0 {
				t.Fatalf("given up at once: %v", got)
			}
			c.lost(apply)
			got := p.givenUp(cat, cat.Nodes(), patience, began.Add(patience+1))
			if c.want == nil {
				if len(got) != 0 {
					t.Fatalf("goes to %v", got)
				}
				return
			}
			if len(got) != 1 || !slices.Equal(got[0].Members, c.want) {
				t.Fatalf("goes to %v, want %v", got, c.want)
			}
			apply(&catalogue.SetTargets{Targets: got})
			if g, _ = cat.Group("g0"); !slices.Equal(g.TargetNodes(), c.want) {
				t.Errorf("the catalogue has %v", g.TargetNodes())
			}
		})
	}
}

// A group rests after its move was stuck, but not when it waits for a node that was
// given up.
func TestAGroupThatRestsIsRepaired(t *testing.T) {
	cat, apply := catalogueOf(t, 5, 1)
	g, _ := cat.Group("g0")
	now := time.Unix(1, 0)
	p := planRun{n: &Node{events: newEventLog(time.Now)}, moves: map[ident.GroupID]*stuckMove{g.ID: {rest: now.Add(time.Hour)}}}
	other := placement.Target{Group: g.ID, Members: []ident.NodeID{1, 2, 4}, Reason: placement.Reason{Kind: placement.Repair}}
	if got := p.chosen(cat, cat.Nodes(), []placement.Target{other}, 1, true, now); len(got) != 0 {
		t.Fatalf("it moves while it rests: %v", got)
	}
	apply(&catalogue.SetNodeState{ID: 3, To: placement.Dead})
	if got := p.chosen(cat, cat.Nodes(), []placement.Target{other}, 1, true, now); len(got) != 1 || got[0].IfEpoch != g.Epoch {
		t.Fatalf("a dead member is left as it is: %v", got)
	}
}
