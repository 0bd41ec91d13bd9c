package placement

import "slices"

// openGroup enters what a group has and may keep, from its record and the states
// of the nodes that the record names. closeGroup takes it all out again. Whatever
// changes a record or a node's state does so between the two.
func (l *ledger) openGroup(g int32) {
	e := &l.groups[g]
	e.leader, e.leading, e.cause, e.standing = none, false, cause{}, 0
	e.dead, e.leaving = nil, nil
	e.frozen = !l.hasQuorum(&e.Group)
	l.frozen.set(g, e.frozen)
	for _, id := range e.Members {
		n := l.byID[id]
		node := &l.nodes[n]
		switch {
		case !node.known:
			e.because(Repair, id, 0)
		case e.has(n) || slices.Contains(e.dead, n) || slices.Contains(e.leaving, n):
		case e.frozen || node.State.stays():
			l.put(g, n)
		case node.State == Dead:
			e.dead = append(e.dead, n)
		default:
			e.leaving = append(e.leaving, n)
		}
	}
	l.sortByID(e.dead)
	l.sortByID(e.leaving)
	if !e.frozen {
		l.dismissJoining(g, e)
	}
	l.needy.set(g, !e.frozen && (len(e.members) != e.replicas() || e.cause.kind != 0 || len(e.dead)+len(e.leaving) > 0))
	if e.Leader != 0 {
		if n := l.byID[e.Leader]; l.nodes[n].known {
			e.leader = n
		}
	}
	if l.mayLead(e, e.leader) {
		l.lead(g, e.leader)
	} else {
		l.leaderless.set(g, !e.frozen)
	}
}

func (l *ledger) closeGroup(g int32) {
	l.unlead(g)
	e := &l.groups[g]
	for len(e.members) > 0 {
		l.take(g, e.members[len(e.members)-1])
	}
	for _, s := range []*slotSet{&l.needy, &l.leaderless, &l.crowded, &l.frozen} {
		s.set(g, false)
	}
}

// mayLead tells whether a node that leads e may go on.
func (l *ledger) mayLead(e *groupEntry, n int32) bool {
	return n != none && !e.frozen && l.nodes[n].State.stays() && e.has(n)
}

func (l *ledger) sortByID(slots []int32) {
	slices.SortFunc(slots, func(a, b int32) int {
		if l.nodes[a].ID < l.nodes[b].ID {
			return -1
		}
		return 1
	})
}

// dismissJoining takes members that e has too many of from joining nodes, which
// are the first to lose one, before what is fair is worked out: a joining node
// counts there only while it holds something.
func (l *ledger) dismissJoining(g int32, e *groupEntry) {
	for i := len(e.members) - 1; i >= 0 && len(e.members) > e.replicas(); i-- {
		if n := e.members[i]; l.nodes[n].State == Joining {
			l.take(g, n)
			e.because(Resize, l.nodes[n].ID, 0)
		}
	}
}

// hasQuorum tells whether most of the voters are on nodes that live. Without,
// any other member would only hide what was lost.
func (l *ledger) hasQuorum(g *Group) bool {
	voters := g.Voters
	if len(voters) == 0 {
		voters = g.Members
	}
	total, alive := 0, 0
	for i, id := range voters {
		if slices.Contains(voters[:i], id) {
			continue
		}
		total++
		if node := &l.nodes[l.byID[id]]; node.known && node.State.votes() {
			alive++
		}
	}
	return total == 0 || 2*alive > total
}
