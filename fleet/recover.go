package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Recover makes a group that lost its quorum for good serve again. It asks every node
// that may host a member, takes the one with the most complete log of those that are in
// the group's newest known configuration, and replaces the group by one with the state
// that this member has, under its name and another GroupID. Acknowledged commands that
// no reachable member had are lost, and members that return later are deleted; so the
// fleet never does this by itself, and confirm must be the group's name.
//
// ErrRefused is returned where the group is led, where a majority of the voters of that
// configuration (of both halves, while it changes) is there, where a node is alive and
// does not say what it has, and for a state of more than 4 MiB. A Recover that fails
// changes nothing: the member that it asked for its state serves on. One whose outcome
// is unknown, as when the process was killed, can be repeated: it replaced the group, or
// did not. What is archived under the name is neither used nor changed.
func (n *Node) Recover(ctx context.Context, name, confirm string) error {
	fail := func(err error) error { return fmt.Errorf("fleet: recover group %q: %w", name, err) }
	if confirm != name {
		return fail(fmt.Errorf("acknowledged commands may be lost: confirm with the group's name, not %q: %w", confirm, ErrRefused))
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Recover: name, Through: n.cfg.Name}); err != nil {
		return fail(err)
	}
	if err := n.awaitServing(ctx, name); err != nil {
		return fmt.Errorf("fleet: group %q was recovered, but does not serve yet: %w", name, err)
	}
	return nil
}

// salvageApart is for how long the member whose state was read is kept apart at most:
// longer than it takes to commit what came of it.
const salvageApart = time.Minute

func (n *Node) recoverHere(ctx context.Context, name, through string) error {
	g, err := n.groupNow(ctx, name)
	if err != nil {
		return err
	}
	c := n.catalogue.Load()
	if c == nil {
		return errNobodyToAsk // it is being replaced
	}
	ns := namesOf(c.Nodes())
	found := n.survey(ctx, g)
	if err := ctx.Err(); err != nil {
		return err // who did not answer may have
	}
	from, err := found.survivor(ns)
	if err != nil {
		return err
	}
	// Before the survivor is touched: a group that has no place cannot be added.
	members, preferred, err := n.chooseMembers(c, &addRequest{Name: name, Replicas: g.Replicas})
	if err != nil {
		return err
	}
	told := fmt.Sprintf("recovered by an operator through node %s, from the member on node %s; not reached: %s", through, ns.of(from.node), orNone(found.missing(ns)))
	n.log.Warn("a group without a quorum is being recovered", "group", name, "group_id", g.ID, "how", told)
	return n.replace(ctx, g, from, &catalogue.RecoverGroup{Members: members, Preferred: preferred, Text: told})
}

// replace has the group replaced by one with the state of the survivor. Where that
// fails the survivor goes on as before.
func (n *Node) replace(ctx context.Context, g *catalogue.Group, from candidate, r *catalogue.RecoverGroup) error {
	s, err := n.salvage(ctx, g.ID, from)
	if err == nil {
		r.Name, r.IfID, r.State = g.Name, g.ID, s.State
		r.Text = cut(fmt.Sprintf("%s; it was group %s at index %d of term %d", r.Text, g.ID, s.Index, s.Term), catalogue.MaxReason)
		_, err = n.propose(ctx, r)
		if err == nil {
			n.events.add(view.Event{Kind: "group_recovered", Group: g.Name, Detail: r.Text})
			return nil
		}
		if undecided(err) {
			// It may still be done: the survivor stays apart for as long as that can take.
			return fmt.Errorf("it is not known whether the group was replaced; recover it again if it does not serve: %w", err)
		}
	}
	n.rejoin(ctx, g.ID, from.node)
	return err
}

// undecided tells whether a command of the catalogue may have been carried out although
// it ended with err.
func undecided(err error) bool {
	var refused *catalogue.Refusal
	return !errors.As(err, &refused) && !errors.Is(err, group.ErrInvalidArgument) && group.OutcomeOf(err) == group.Unknown
}

// cut shortens a text to so many bytes, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// salvage gets the state of the survivor, which is kept apart from then on.
func (n *Node) salvage(ctx context.Context, g ident.GroupID, from candidate) (group.Salvaged, error) {
	s, err := n.salvageFrom(ctx, g, from.node)
	switch {
	case err != nil:
		return s, fmt.Errorf("salvage the state of the member on node %s: %w", from.node, err)
	case s.Leader != 0 && s.Leader != from.report.Leader:
		return s, fmt.Errorf("the member on node %s follows node %s by now: look at the group again: %w", from.node, s.Leader, ErrRefused)
	}
	return s, nil
}

func (n *Node) salvageFrom(ctx context.Context, g ident.GroupID, node ident.NodeID) (group.Salvaged, error) {
	if node == n.id {
		return n.salvageHere(ctx, g)
	}
	var s group.Salvaged
	b, err := n.askFor(ctx, node, appendGroup(nil, opSalvage, g, nil), serveTimeout)
	if err != nil {
		return s, err
	}
	return s, decodeBody(b, &s)
}

func (n *Node) salvageHere(ctx context.Context, g ident.GroupID) (group.Salvaged, error) {
	if g == ident.Catalogue {
		return group.Salvaged{}, fmt.Errorf("the catalogue cannot be recovered: %w", ErrRefused)
	}
	s, err := n.host.Salvage(ctx, g, catalogue.MaxState, salvageApart)
	if errors.Is(err, group.ErrStateTooLarge) || errors.Is(err, group.ErrNoSalvage) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return s, err
}

// rejoin lets the survivor of a recovery that failed take part again. Where it is not
// reached it does so by itself a little later.
func (n *Node) rejoin(ctx context.Context, g ident.GroupID, node ident.NodeID) {
	if node == n.id {
		n.host.Rejoin(g)
		return
	}
	ctx, cancel := exec.WithTimeout(context.WithoutCancel(ctx), n.exec, askTimeout)
	defer cancel()
	if _, err := n.ask(ctx, node, appendGroup(nil, opRejoin, g, nil)); err != nil {
		n.log.Warn("a member that was kept apart for a recovery could not be told that it failed; it takes part again by itself", "group_id", g, "peer", node, "within", salvageApart, "error", err)
	}
}
