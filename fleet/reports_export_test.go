package fleet

import (
	"context"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/planner"
)

// GiveLeadershipAway is what a node does first when it closes.
func (n *Node) GiveLeadershipAway() { n.giveLeadershipAway() }

// WaitsToGiveWay counts the groups that are led here and wait for their preferred leader.
func (n *Node) WaitsToGiveWay() int {
	w := &n.mover.wayGivers
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waits)
}

// LookAt has the mover look at a group now, as after a change.
func (n *Node) LookAt(ctx context.Context, name string) {
	if g, ok := n.catalogue.Load().Group(name); ok {
		n.moveOne(ctx, g.ID)
	}
}

// StepOf is what a group's leader here would do next.
func (n *Node) StepOf(ctx context.Context, name string) (string, error) {
	g, ok := n.catalogue.Load().Group(name)
	if !ok {
		return "", ErrNoGroup
	}
	r, err := n.memberStatus(ctx, g.ID)
	return r.Step, err
}

// CarryOut does what the planner decided.
func (n *Node) CarryOut(ctx context.Context, targets ...catalogue.Target) error {
	r := planRun{n: n}
	return r.carryOut(ctx, n.catalogue.Load(), &planner.Decision{Targets: targets, Report: &planner.Report{}})
}
