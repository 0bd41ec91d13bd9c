package fleet

import (
	"context"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
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

// unstick sets the targets of stuck moves back to what their groups have.
func (p *planRun) unstick(ctx context.Context, c *catalogue.Machine, now time.Time) {
	patience := p.n.cfg.PurgeAfter
	if now.Sub(p.stuckLook) < patience/20 {
		return
	}
	p.stuckLook = now
	unsettled := make(map[ident.GroupID]bool)
	var back []catalogue.Target
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
		case now.Sub(m.since) > patience:
			m.times++
			m.since, m.rest = now, now.Add(patience<<min(m.times, 5))
			back = append(back, backTo(g))
			p.n.events.add(view.Event{Kind: "move_failed", Group: g.Name, Detail: "stuck for " + patience.String() + ": given up for now; see the members of the group for the reason"})
		}
	}
	for id, m := range p.moves {
		if !unsettled[id] && now.After(m.rest) {
			delete(p.moves, id)
		}
	}
	if len(back) == 0 {
		return
	}
	if _, err := p.n.propose(ctx, &catalogue.SetTargets{Targets: back}); err != nil {
		p.n.log.Warn("stuck moves could not be given up", "moves", len(back), "error", err)
	}
}

// backTo is what a group has, as a target.
func backTo(g *catalogue.Group) catalogue.Target {
	t := catalogue.Target{Group: g.ID, IfEpoch: g.Epoch}
	for _, m := range g.Configured {
		t.Members = append(t.Members, m.Node)
		if m.Node == g.Preferred {
			t.Preferred = g.Preferred
		}
	}
	return t
}

// rests tells whether a group whose move was stuck is to be left alone.
func (p *planRun) rests(id ident.GroupID, now time.Time) bool {
	m := p.moves[id]
	return m != nil && now.Before(m.rest)
}
