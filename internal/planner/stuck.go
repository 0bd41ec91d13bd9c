package planner

import (
	"maps"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A move can be stuck although every node lives: the new node lacks the group's type,
// its member failed, or it is too slow for what is written. It would hold its place
// among the moves for ever. So it is given up when it has made no progress for
// Limits.StuckAfter, and the group rests for as long, twice as long each time.

// look is what was seen of a move that is late.
type look struct {
	epoch uint64
	at    time.Time // of the last look
	since time.Time // without progress
	lag   uint64
	known bool // lag is
}

const (
	// firstLook of Limits.StuckAfter is when a move is looked at for the first time, and
	// lookEvery of it how often from then on.
	firstLook = 2
	lookEvery = 8
	// fairLooks are as many looks as a planner that began anew has at a move before it
	// gives it up: the first to compare with, and one that nobody may answer.
	fairLooks = 3
	// mostDoublings bounds how long a group rests: 32 times as long as the first time.
	mostDoublings = 5
)

// unstick looks at the moves that are late, and takes back those that are stuck.
func (p *Planner) unstick(d *decision) {
	patience := d.limits.StuckAfter
	for id := range p.looks {
		if g := p.book.moving[id]; g == nil || g.Epoch != p.looks[id].epoch {
			delete(p.looks, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.book.moving)) {
		g := p.book.moving[id]
		began := time.Unix(0, g.Since)
		if first := began.Add(patience / firstLook); first.After(d.log) {
			d.byLog(first)
			continue
		}
		l, seen := p.looks[id]
		if !seen {
			l = look{epoch: g.Epoch, since: began}
			// What an earlier planner saw of a move's progress is not known: so there must be
			// time to see some, however old the move is.
			if least := p.began.Add(fairLooks*patience/lookEvery - patience); l.since.Before(least) {
				l.since = least
			}
		}
		if d.lacksQuorum(g) {
			l.since = d.log // it could make none
		}
		if lag, ok := d.Lag[id]; ok {
			if l.known && lag < l.lag {
				l.since = d.log
			}
			if !l.known || lag < l.lag {
				l.lag, l.known = lag, true
			}
		}
		if seen && !l.since.Add(patience).After(d.log) && d.pause == nil && !d.hopeless(g) { // a hopeless one is replanned
			d.giveUp(g)
			delete(p.looks, id)
			continue
		}
		if next := l.at.Add(patience / lookEvery); !next.After(d.log) {
			l.at = d.log
			d.Inspect = append(d.Inspect, id)
		}
		d.byLog(l.at.Add(patience / lookEvery))
		if p.looks == nil {
			p.looks = make(map[ident.GroupID]look)
		}
		p.looks[id] = l
	}
}

// giveUp sets a group's target back to what it has. Where a node of that was given up
// meanwhile there is no way back: others than the new ones, which do not come about,
// take the place. Where there are none, the move stays as it is.
func (d *decision) giveUp(g *catalogue.Group) {
	t := catalogue.Target{Group: g.ID, IfEpoch: g.Epoch, Back: true,
		Rest:  int64(d.limits.StuckAfter) << min(g.Failures, mostDoublings),
		Cause: catalogue.Cause{Kind: g.Cause.Kind, Text: "the move was stuck for " + d.limits.StuckAfter.String() + " and is given up for now"}}
	for _, m := range g.Configured {
		if d.gaveUp(m.Node) {
			continue
		}
		t.Members = append(t.Members, m.Node)
		if m.Node == g.Preferred {
			t.Preferred = g.Preferred
		}
	}
	if len(t.Members) < len(g.Configured) {
		least := len(t.Members)
		from := placementGroup(g)
		from.Members, from.Leader = t.Members, t.Preferred
		next, ok := d.planOne(from, func(id ident.NodeID) bool {
			return slices.Contains(g.TargetNodes(), id) && !slices.Contains(t.Members, id)
		})
		if !ok || len(next.Members) <= least {
			return
		}
		t.Members, t.Preferred = next.Members, next.Leader
	}
	if len(t.Members) > 0 {
		d.target(t)
	}
}

// planOne is what placement would have one group change to, if some nodes were dead.
func (d *decision) planOne(g placement.Group, dead func(ident.NodeID) bool) (placement.Target, bool) {
	in := placement.Input{Nodes: placementNodes(d.nodes, d.log.UnixNano(), d.limits.TrustAfter), Groups: []placement.Group{g}, Policy: d.limits.policy()}
	for i := range in.Nodes {
		if dead(in.Nodes[i].ID) {
			in.Nodes[i].State = placement.Dead
		}
	}
	for _, t := range placement.Plan(in).Targets {
		if t.Group == g.ID {
			return t, true
		}
	}
	return placement.Target{}, false
}

// replaceDamaged gives groups targets without members whose data is damaged: such a
// member never serves again. The group's leader goes there by its usual steps, so
// nothing is removed before the new member has caught up and a majority without the
// damaged one answers.
func (d *decision) replaceDamaged(b *book) {
	if d.pause != nil || len(d.Damaged) == 0 {
		return
	}
	members, _ := d.onTheMove(b)
	room := d.limits.MovesFor(len(d.nodes)) - members - len(d.Targets)
	for _, id := range slices.Sorted(maps.Keys(d.Damaged)) {
		if room <= 0 {
			return
		}
		bad, g := d.Damaged[id], b.groups[id]
		switch {
		case g == nil || d.taken[id] || g.Settled != g.Epoch || d.rests(g, placement.Repair):
			continue // gone, or on the move, or tried lately
		case 2*len(bad) >= len(g.Configured) || d.lacksQuorum(g):
			continue // without a majority it cannot change its members
		}
		at := slices.IndexFunc(bad, func(m catalogue.Member) bool { return slices.Contains(g.Target, m) })
		if at < 0 {
			continue // it left
		}
		if t, ok := d.without(g, bad[at].Node); ok {
			d.target(t)
			room--
		}
	}
}

// without is a group's target with another node in the place of one; false where there
// is none, since a group is not made smaller.
func (d *decision) without(g *catalogue.Group, node ident.NodeID) (catalogue.Target, bool) {
	t, ok := d.planOne(placementGroup(g), func(id ident.NodeID) bool { return id == node })
	if !ok || len(t.Members) < len(g.Target) || slices.Contains(t.Members, node) {
		return catalogue.Target{}, false
	}
	t.Reason = placement.Reason{Kind: placement.Repair, Text: "the data of its member on node " + node.String() + " is damaged"}
	return d.newTarget(g, t), true
}
