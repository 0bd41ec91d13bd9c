package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Recover makes a group that lost its quorum for good serve again. Of the members
// that can be reached it takes the one with the most complete log and adds the
// group anew, under its name and another GroupID, with the state that this member
// has. Acknowledged commands that no reachable member had are lost, and members
// that return later are deleted; so the fleet never does this by itself, it is
// refused while the group has a quorum, and confirm must be the group's name. The
// state may have at most 4 MiB.
func (n *Node) Recover(ctx context.Context, name, confirm string) error {
	fail := func(err error) error { return fmt.Errorf("fleet: recover group %q: %w", name, err) }
	if confirm != name {
		return fail(fmt.Errorf("acknowledged commands may be lost: confirm with the group's name, not %q: %w", confirm, ErrRefused))
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Recover: name}); err != nil {
		return fail(err)
	}
	if err := n.awaitServing(ctx, name); err != nil {
		return fmt.Errorf("fleet: group %q was recovered, but does not serve yet: %w", name, err)
	}
	return nil
}

func (n *Node) recoverHere(ctx context.Context, c *catalogue.Machine, name string) error {
	g, err := n.groupNow(ctx, name)
	if err != nil {
		return err
	}
	survivor, missing, err := n.survivor(ctx, g)
	if err != nil {
		return err
	}
	if missing*2 < len(g.Configured) {
		return fmt.Errorf("%d of %d members can be reached, which is a quorum: it needs no recovery, only time or a look at its status: %w", len(g.Configured)-missing, len(g.Configured), ErrRefused)
	}
	n.log.Warn("recovering a group without a quorum", "group", name, "group_id", g.ID, "survivor", survivor, "missing", missing)
	s, err := n.salvage(ctx, g.ID, survivor)
	if err != nil {
		return fmt.Errorf("salvage the state of the member on node %s: %w", survivor, err)
	}
	keep := &catalogue.Archive{Name: g.Name, Type: g.Type, Config: g.Config, State: s.State, Group: g.ID, Term: s.Term, Index: s.Index}
	if _, err := n.propose(ctx, &catalogue.RemoveGroup{Name: name, IfID: g.ID, Keep: keep}); err != nil {
		return err
	}
	n.events.add(view.Event{Kind: "group_recovered", Group: name, Detail: fmt.Sprintf("from the member on node %s at index %d; %d members were unreachable", survivor, s.Index, missing)})
	return n.addHere(ctx, &addRequest{Name: name, Type: g.Type, Replicas: g.Replicas, Config: g.Config, Restore: true})
}

// survivor finds the reachable member with the most complete log, and counts those
// that cannot be reached.
func (n *Node) survivor(ctx context.Context, g *catalogue.Group) (best ident.NodeID, missing int, err error) {
	var most memberReport
	for _, m := range g.Configured {
		r, err := n.reportOf(ctx, g.ID, m.Node)
		if err != nil {
			missing++
			continue
		}
		if best == 0 || r.moreComplete(most) {
			best, most = m.Node, r
		}
	}
	if best == 0 {
		return 0, missing, fmt.Errorf("none of its members can be reached: there is nothing to recover from: %w", ErrRefused)
	}
	return best, missing, nil
}

// moreComplete tells whether a log has more of what was acknowledged than another, as
// elections decide it: a later term first, for a long log of an old term may have
// been replaced since.
func (r memberReport) moreComplete(than memberReport) bool {
	if r.LastTerm != than.LastTerm {
		return r.LastTerm > than.LastTerm
	}
	return r.Last > than.Last
}

// reportOf asks one node for what its member knows.
func (n *Node) reportOf(ctx context.Context, g ident.GroupID, node ident.NodeID) (memberReport, error) {
	if node == n.id {
		return n.memberStatus(ctx, g)
	}
	var r memberReport
	b, err := n.ask(ctx, node, appendGroup(nil, opStatus, g, nil))
	if err != nil {
		return r, err
	}
	return r, decodeBody(b, &r)
}

func (n *Node) salvage(ctx context.Context, g ident.GroupID, node ident.NodeID) (group.Salvaged, error) {
	if node == n.id {
		return n.salvageHere(ctx, g)
	}
	var s group.Salvaged
	b, err := n.ask(ctx, node, appendGroup(nil, opSalvage, g, nil))
	if err != nil {
		return s, err
	}
	return s, decodeBody(b, &s)
}

// salvageHere stops this node's member and returns its state. One that the catalogue
// cannot keep is refused; the member had no quorum to serve with, and serves again
// after a restart of the node.
func (n *Node) salvageHere(ctx context.Context, g ident.GroupID) (group.Salvaged, error) {
	s, err := n.host.Salvage(ctx, g)
	if err == nil && len(s.State) > catalogue.MaxState {
		err = errors.Join(ErrRefused, fmt.Errorf("the state has %d bytes, more than the %d that can be recovered", len(s.State), catalogue.MaxState))
	}
	return s, err
}
