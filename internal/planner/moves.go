package planner

import (
	"maps"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// leadBatch is how many preferred leaders may be set and not yet taken note of. It
// costs a group nothing: the transfers themselves are bounded by Limits.Transfers.
const leadBatch = 64

// replan picks, of what placement would change, what may begin now: the most urgent
// first, and so many as may move at once.
func (p *Planner) replan(d *decision) {
	r := d.report
	members, leads := d.onTheMove(&p.book)
	r.Moving, r.Leading, r.MoveLimit = members, leads, d.limits.MovesFor(len(d.nodes))
	if p.book.plan == nil {
		if p.nextPlan.After(d.Now) && p.last != nil {
			d.by(p.nextPlan)
			r.queued(p.last)
			r.finish(d, &p.done)
			return
		}
		p.worked, p.workedAt = true, d.Now
	}
	plan := p.book.best()
	r.Infeasible = plan.Infeasible
	room, leadRoom := r.MoveLimit-members-len(d.Targets), leadBatch-leads
	stalled := maps.Clone(d.stalled)
	membersLeft := false // a member's move that could begin, and waits for nothing but room or quiet
	for _, t := range plan.Targets {
		g := p.book.groups[t.Group]
		if g == nil || d.taken[t.Group] || len(t.Members) == 0 {
			continue // a group that no node can have stays with what it has
		}
		moves := g.Settled != g.Epoch && g.Cause.Kind != placement.Lead && !stalled[t.Group]
		delete(stalled, t.Group)
		kind := t.Reason.Kind
		lead := kind == placement.Lead
		// A group that waits for a leader that was given up begins to move its members like one at rest.
		begins := !lead && (g.Settled == g.Epoch || g.Cause.Kind == placement.Lead)
		hold := d.hold(g, kind)
		switch {
		case hold != "":
		case lead && membersLeft:
			hold = HeldAfterMembers
		case lead && leadRoom <= 0, begins && room <= 0:
			hold = HeldFull
		}
		if !lead && hold != HeldResting && hold != HeldMoving && hold != HeldNoQuorum {
			membersLeft = true
		}
		r.count(kind, hold, moves)
		if hold != "" {
			continue
		}
		switch {
		case lead:
			leadRoom--
		case begins:
			room--
		}
		d.target(d.newTarget(g, t))
	}
	for range stalled {
		r.stall()
	}
	p.awaitRested(d, plan)
	r.finish(d, &p.done)
}

// awaitRested looks again when the first resting group may move, where a node is not
// balanced: until then that is not what no move can help.
func (p *Planner) awaitRested(d *decision, plan *placement.Result) {
	rested := p.book.rested()
	if rested.IsZero() {
		return
	}
	var helpless []placement.Reason
	for _, reason := range plan.Infeasible {
		if reason.Kind != placement.Unbalanced {
			helpless = append(helpless, reason)
		}
	}
	if len(helpless) < len(plan.Infeasible) {
		d.report.Infeasible = helpless
		d.report.rest(d.local(rested))
		d.byLog(rested)
	}
}

func (d *decision) newTarget(g *catalogue.Group, t placement.Target) catalogue.Target {
	text := t.Reason.Text
	if len(text) > catalogue.MaxReason {
		text = text[:catalogue.MaxReason]
	}
	next := catalogue.Target{Group: t.Group, IfEpoch: g.Epoch, Members: t.Members, Preferred: t.Leader,
		Cause: catalogue.Cause{Kind: t.Reason.Kind, Text: text}}
	if t.Reason.Kind == placement.Balance {
		next.Rest = int64(d.limits.Rest)
	}
	return next
}

// hold says what keeps a group from moving now, whatever room there is.
func (d *decision) hold(g *catalogue.Group, kind placement.Kind) Hold {
	switch {
	case d.pause != nil:
		return HeldPaused
	case d.brake != "" && !asked(kind):
		return HeldBraked
	case d.lacksQuorum(g):
		return HeldNoQuorum
	case g.Settled != g.Epoch && (kind != placement.Repair || !d.hopeless(g)):
		return HeldMoving // one change of a group at a time, unless it can never end
	case d.rests(g, kind):
		return HeldResting
	case !urgent(kind) && d.quietFrom.After(d.log):
		d.byLog(d.quietFrom)
		return HeldRestless
	}
	return ""
}

// rests tells whether a group is left alone. After a move for balance it is, unless
// something urgent comes up. After a move that failed it is too, and longer each time;
// but a member that is missing is not waited for longer than the first time.
func (d *decision) rests(g *catalogue.Group, kind placement.Kind) bool {
	until := time.Unix(0, g.RestUntil)
	switch {
	case g.RestUntil == 0 || (urgent(kind) || kind == placement.Lead) && !g.Back || kind == placement.Repair && d.hopeless(g):
		return false
	case g.Back && kind == placement.Repair:
		if first := time.Unix(0, g.Since).Add(d.limits.StuckAfter); first.Before(until) {
			until = first
		}
	}
	if !until.After(d.log) {
		return false
	}
	d.byLog(until)
	d.report.rest(d.local(until))
	return true
}

// hopeless tells whether a group waits for a node that was given up: its move ends
// only with another target.
func (d *decision) hopeless(g *catalogue.Group) bool {
	return slices.ContainsFunc(g.Target, func(m catalogue.Member) bool { return d.gaveUp(m.Node) })
}

// gaveUp tells whether a node is not listed, or dead.
func (d *decision) gaveUp(id ident.NodeID) bool {
	node, known := d.node(id)
	return !known || node.State == placement.Dead
}

// node finds a node: they are sorted by identifier.
func (d *decision) node(id ident.NodeID) (*catalogue.Node, bool) {
	at, found := slices.BinarySearchFunc(d.nodes, id, func(n catalogue.Node, id ident.NodeID) int {
		switch {
		case n.ID < id:
			return -1
		case n.ID > id:
			return 1
		}
		return 0
	})
	if !found {
		return nil, false
	}
	return &d.nodes[at], true
}

// lacksQuorum tells whether most of a group's voters are not heard. Then no step of a
// move is possible, and to begin one would only hide what is lost.
func (d *decision) lacksQuorum(g *catalogue.Group) bool {
	heard := 0
	for _, m := range g.Configured {
		if d.hears(m.Node) {
			heard++
		}
	}
	return len(g.Configured) > 0 && 2*heard <= len(g.Configured)
}

// onTheMove counts the groups whose target is not reached: those that get other
// members, and those that only get another preferred leader. Those that have no quorum
// wait for their voters, and not for a place among the others.
func (d *decision) onTheMove(b *book) (members, leads int) {
	for id, g := range b.moving {
		switch lead := g.Cause.Kind == placement.Lead; {
		case d.lacksQuorum(g):
			if !lead {
				d.stalled = with(d.stalled, id)
			}
		case lead:
			leads++
		default:
			members++
		}
	}
	return members, leads
}

func with(set map[ident.GroupID]bool, id ident.GroupID) map[ident.GroupID]bool {
	if set == nil {
		set = make(map[ident.GroupID]bool)
	}
	set[id] = true
	return set
}
