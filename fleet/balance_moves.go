package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
)

// Moves tells, oldest first, of the groups that do not have their target yet: what
// moves where, why, and what each is waiting for. At most limit, or all when it is 0.
func (n *Node) Moves(ctx context.Context, limit int) ([]view.Move, error) {
	return seen(ctx, n, viewRequest{Moves: &listRequest{Limit: limit}}, func(ctx context.Context, c *catalogue.Machine) ([]view.Move, error) {
		var moving []*catalogue.Group
		for _, g := range c.Groups("", 0) {
			if g.Settled != g.Epoch {
				moving = append(moving, g)
			}
		}
		slices.SortFunc(moving, func(a, b *catalogue.Group) int {
			return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Name, b.Name))
		})
		if limit > 0 {
			moving = moving[:min(limit, len(moving))]
		}
		ns := namesOf(c.Nodes())
		out := make([]view.Move, len(moving))
		return out, n.each(len(moving), inspectParallel, func(i int) error {
			r, leads := n.askMembers(ctx, moving[i])
			out[i] = n.viewMove(moving[i], r, leads, ns)
			return nil
		})
	})
}

func (n *Node) viewMove(g *catalogue.Group, r memberReport, leads bool, ns names) view.Move {
	v := view.Move{Group: g.Name, Cause: kindName(g.Cause.Kind), Reason: ns.in(g.Cause.Text), Since: time.Unix(0, g.Since).UTC(),
		Age: n.exec.Now().Sub(time.Unix(0, g.Since)).Seconds(), Failures: g.Failures}
	v.From, v.To = difference(g.ConfiguredNodes(), g.TargetNodes(), ns)
	if !leads {
		v.Blocked = "no node says that it leads the group"
		return v
	}
	v.Leader, v.Step = ns.of(r.Leader), ns.in(r.Step)
	if r.Waits {
		v.Blocked = v.Step
	}
	for _, m := range r.Members {
		if _, wanted := memberOn(g.Target, m.Node); wanted && m.Role == "learner" {
			v.Lag = max(v.Lag, m.Lag)
			if m.Unresponsive {
				v.Blocked = fmt.Sprintf("the member on node %s does not answer", ns.of(m.Node))
			}
		}
	}
	return v
}

// difference tells which nodes leave and which come.
func difference(from, to []ident.NodeID, ns names) (leave, come []string) {
	leave, come = []string{}, []string{}
	for _, id := range from {
		if !slices.Contains(to, id) {
			leave = append(leave, ns.of(id))
		}
	}
	for _, id := range to {
		if !slices.Contains(from, id) {
			come = append(come, ns.of(id))
		}
	}
	return leave, come
}

// Plan tells what is wanted and not begun, in the order in which it would begin: at
// most limit changes, or all when it is 0. It is worked out from this node's copy of
// the catalogue; what the planner holds back, and why, says Balance.
func (n *Node) Plan(ctx context.Context, limit int) ([]view.PlannedMove, error) {
	return seen(ctx, n, viewRequest{Plan: &listRequest{Limit: limit}}, func(_ context.Context, c *catalogue.Machine) ([]view.PlannedMove, error) {
		ns, holder := namesOf(c.Nodes()), planner.HolderOf(c, n.cfg.limits(), n.exec.Now(), n.hears)
		out := []view.PlannedMove{}
		for _, t := range planner.Placement(c, n.cfg.limits(), n.exec.Now()).Plan().Targets {
			g, ok := c.GroupByID(t.Group)
			if !ok {
				continue // removed meanwhile
			}
			if limit > 0 && len(out) == limit {
				break
			}
			v := view.PlannedMove{Group: g.Name, Cause: t.Reason.Kind.String(), Reason: ns.in(t.Reason.Text), Leader: ns.of(t.Leader)}
			v.From, v.To = difference(g.TargetNodes(), t.Members, ns)
			v.Held = heldBack(holder, g, t.Reason.Kind, false)
			out = append(out, v)
		}
		return out, nil
	})
}
