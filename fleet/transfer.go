package fleet

import (
	"context"
	"fmt"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/placement"
)

// TransferLeader hands a group's leadership to its member on a node, named by name
// or id, and returns when that one leads.
func (n *Node) TransferLeader(ctx context.Context, name, to string) error {
	fail := func(err error) error {
		return fmt.Errorf("fleet: transfer group %q to node %q: %w", name, to, err)
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	node, err := n.findNode(ctx, to)
	if err != nil {
		return fail(err)
	}
	err = n.atLeader(ctx, name, func(ctx context.Context, route cache.Route) error {
		r := transferRequest{route.Group, node.ID}
		if route.Leader == n.id {
			return n.transferHere(ctx, r)
		}
		_, err := n.ask(ctx, route.Leader, encodeRequest(opTransfer, r))
		return err
	})
	if err != nil {
		return fail(err)
	}
	return nil
}

// transferHere hands over a leadership that this node's member has, and makes the
// new leader the preferred one, so that it stays.
func (n *Node) transferHere(ctx context.Context, r transferRequest) error {
	c := n.catalogue.Load()
	if c != nil {
		if g, ok := c.GroupByID(r.Group); ok && g.Preferred != r.To {
			if _, member := memberOn(g.Target, r.To); !member {
				return fmt.Errorf("group %q has no member on node %s: %w", g.Name, r.To, group.ErrInvalidArgument)
			}
			change := catalogue.Target{Group: g.ID, IfEpoch: g.Epoch, Preferred: r.To,
				Cause: catalogue.Cause{Kind: placement.Lead, Text: "an operator has node " + r.To.String() + " lead"}}
			if g.Settled != g.Epoch && g.Cause.Kind != placement.Lead {
				change.Cause = g.Cause // its members are on the move, and that is why
			}
			for _, m := range g.Target {
				change.Members = append(change.Members, m.Node)
			}
			set := &catalogue.SetTargets{Targets: []catalogue.Target{change}}
			result, err := n.propose(ctx, set)
			if err != nil {
				return err
			}
			if outcomes, err := set.Result(result); err != nil {
				return err
			} else if outcomes[0].Err != nil {
				// The planner was quicker: look at what it wants, and try again.
				return fmt.Errorf("group %q: its target has just changed: %w", g.Name, group.ErrTransferring)
			}
		}
	}
	if err := n.outcome(ctx, func(done func(error)) { n.host.Transfer(r.Group, r.To, done) }); err != nil {
		return err
	}
	if info, ok := n.host.Info(r.Group); ok && c != nil {
		n.events.add(view.Event{Kind: "leader_transferred", Node: namesOf(c.Nodes()).of(r.To), Group: info.Name, Detail: "by an operator, from node " + n.cfg.Name})
	}
	return nil
}

// giveLeadershipAway hands every leadership of this node to another member before
// the node closes, so that callers wait for a transfer and not for a timeout.
func (n *Node) giveLeadershipAway() {
	if n.host == nil || n.ctx.Err() != nil {
		return
	}
	ctx, cancel := exec.WithTimeout(n.ctx, n.exec, leaveTimeout)
	defer cancel()
	waiting := 0
	infos := n.host.Infos()
	done := make(chan error, len(infos))
	for _, info := range infos {
		// Sleeping groups too: their callers would wait for an election as well.
		if info.Leader != n.id || info.Failed != nil {
			continue
		}
		s, err := n.host.Status(ctx, info.Group)
		if err != nil {
			continue
		}
		t := target{voters: s.Core.Config.Voters}
		if to, ok := successor(&s.Core, t, n.id, n.hears); ok {
			waiting++
			n.host.Transfer(info.Group, to, func(err error) { done <- err })
		}
	}
	for ; waiting > 0; waiting-- {
		if _, err := exec.Await(ctx, n.exec, done); err != nil {
			return
		}
	}
}
