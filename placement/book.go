package placement

import (
	"cmp"
	"slices"
)

// put gives a group a member and take takes one away. They and lead keep all
// indices, and note the group in the journal first while a plan is made.
func (l *ledger) put(g, n int32) {
	l.note(g)
	e, node := &l.groups[g], &l.nodes[n]
	at, _ := slices.BinarySearchFunc(e.members, n, func(a, b int32) int { return cmp.Compare(l.nodes[a].ID, l.nodes[b].ID) })
	e.members = slices.Insert(e.members, at, n)
	node.hosted = append(node.hosted, g)
	node.load.have += e.price
	l.refill(n)
	l.count(e, node, 1)
	l.lookAtSpread(g, e)
}

func (l *ledger) take(g, n int32) {
	l.note(g)
	e, node := &l.groups[g], &l.nodes[n]
	if e.leading && e.leader == n {
		l.unlead(g)
	}
	at := slices.Index(e.members, n)
	e.members = slices.Delete(e.members, at, at+1)
	node.hosted = without(node.hosted, g)
	node.load.have -= e.price
	l.refill(n)
	l.count(e, node, -1)
	l.lookAtSpread(g, e)
}

// count keeps what the division of leaders is made from.
func (l *ledger) count(e *groupEntry, node *nodeEntry, by int) {
	if e.frozen {
		return
	}
	node.live += by
	if node.known && node.State.stays() {
		before := e.standing
		e.standing += by
		if before == 0 {
			l.led++
		} else if e.standing == 0 {
			l.led--
		}
	}
}

// lookAtSpread keeps the set of groups that spread has to look at.
func (l *ledger) lookAtSpread(g int32, e *groupEntry) {
	e.spreadOf = 0
	crowded := false
	if !e.frozen {
		for i, a := range e.members {
			for _, b := range e.members[:i] {
				crowded = crowded || l.nodes[a].zone == l.nodes[b].zone
			}
		}
	}
	l.crowded.set(g, crowded)
}

// lead makes a member the preferred leader; none leaves the group without one.
func (l *ledger) lead(g, n int32) {
	l.note(g)
	l.unlead(g)
	e := &l.groups[g]
	e.leader = n
	if n != none {
		e.leading = true
		l.nodes[n].leads = append(l.nodes[n].leads, g)
		l.nodes[n].share.have++
	}
	l.leaderless.set(g, n == none && !e.frozen)
}

// unlead takes the lead from the node that has it, and remembers which it was.
func (l *ledger) unlead(g int32) {
	e := &l.groups[g]
	if !e.leading {
		return
	}
	old := &l.nodes[e.leader]
	old.leads = without(old.leads, g)
	old.share.have--
	e.leading = false
	l.leaderless.set(g, true)
}

func without(list []int32, v int32) []int32 {
	at := slices.Index(list, v)
	if at < 0 {
		return list
	}
	list[at] = list[len(list)-1]
	return list[:len(list)-1]
}
