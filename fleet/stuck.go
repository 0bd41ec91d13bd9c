package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A move can be stuck although every node lives: the new node lacks the group's
// type, or its member failed. It would hold its place among the moves for ever, so
// it is given up after Config.PurgeAfter, and the group rests for as long, longer
// each time.
type stuckMove struct {
	epoch uint64
	since time.Time
	times int
	rest  time.Time // no new target before
}

// unstick gives other targets to groups whose moves are stuck.
func (p *planRun) unstick(ctx context.Context, c *catalogue.Machine, nodes []catalogue.Node, now time.Time) {
	patience := p.n.cfg.PurgeAfter
	if now.Sub(p.stuckLook) < patience/20 {
		return
	}
	p.stuckLook = now
	back := p.givenUp(c, nodes, patience, now)
	if len(back) == 0 {
		return
	}
	for _, t := range back {
		if g, ok := c.GroupByID(t.Group); ok {
			p.n.events.add(view.Event{Kind: "move_failed", Group: g.Name, Detail: "stuck for " + patience.String() + ": given up for now; see the members of the group for the reason"})
		}
	}
	if _, err := p.n.propose(ctx, &catalogue.SetTargets{Targets: back}); err != nil {
		p.n.log.Warn("stuck moves could not be given up", "moves", len(back), "error", err)
	}
}

// givenUp are the targets of groups whose moves took longer than patience.
func (p *planRun) givenUp(c *catalogue.Machine, nodes []catalogue.Node, patience time.Duration, now time.Time) (back []catalogue.Target) {
	unsettled := make(map[ident.GroupID]bool)
	for _, g := range c.Groups("", c.NumGroups()) {
		if g.Settled == g.Epoch {
			continue
		}
		unsettled[g.ID] = true
		m := p.moves[g.ID]
		if m == nil {
			m = &stuckMove{}
			p.moves[g.ID] = m
		}
		switch {
		case m.epoch != g.Epoch:
			m.epoch, m.since = g.Epoch, now
		case now.Sub(m.since) > patience && !hopeless(g, nodes): // a hopeless one is replanned
			m.times++
			m.since, m.rest = now, now.Add(patience<<min(m.times, 5))
			if t, ok := backTo(g, nodes); ok {
				back = append(back, t)
			}
		}
	}
	for id, m := range p.moves {
		if !unsettled[id] && now.After(m.rest) {
			delete(p.moves, id)
		}
	}
	return back
}

// backTo is what a group has, as a target. Where a node of it was given up meanwhile
// there is no way back: others than the new ones, which do not come about, take the
// place; false where there are none.
func backTo(g *catalogue.Group, nodes []catalogue.Node) (catalogue.Target, bool) {
	t := catalogue.Target{Group: g.ID, IfEpoch: g.Epoch}
	for _, m := range g.Configured {
		if gaveUp(m.Node, nodes) {
			continue
		}
		t.Members = append(t.Members, m.Node)
		if m.Node == g.Preferred {
			t.Preferred = g.Preferred
		}
	}
	if len(t.Members) == len(g.Configured) {
		return t, true
	}
	least := len(t.Members)
	in := placement.Input{Groups: []placement.Group{{
		ID: g.ID, Name: g.Name, Replicas: g.Replicas, Leader: t.Preferred, Cost: 1, Members: t.Members, Voters: g.ConfiguredNodes(),
	}}}
	for _, known := range nodes {
		state := known.State
		if slices.Contains(g.TargetNodes(), known.ID) && !slices.Contains(t.Members, known.ID) {
			state = placement.Dead // for this group
		}
		in.Nodes = append(in.Nodes, placement.Node{ID: known.ID, Zone: known.Zone, Weight: known.Weight, State: state})
	}
	for _, other := range placement.Plan(in).Targets {
		if other.Group == g.ID && len(other.Members) > least {
			t.Members, t.Preferred = other.Members, other.Leader
			return t, true
		}
	}
	return t, false
}

// rests tells whether a group whose move was stuck is to be left alone.
func (p *planRun) rests(id ident.GroupID, now time.Time) bool {
	m := p.moves[id]
	return m != nil && now.Before(m.rest)
}
