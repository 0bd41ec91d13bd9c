package placement

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

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

// setNode enters a node, or what has changed of it.
func (l *ledger) setNode(node Node) {
	n := l.slotOf(node.ID)
	e := &l.nodes[n]
	if e.known && e.Node == node {
		return
	}
	reopen := !e.known || e.State != node.State || e.Zone != node.Zone
	l.stale = true
	l.changeNode(n, reopen, func(e *nodeEntry) {
		e.Node, e.known, e.zone = node, true, l.zoneOf(node.Zone)
	})
}

func (l *ledger) removeNode(id ident.NodeID) {
	n, ok := l.byID[id]
	if !ok || !l.nodes[n].known {
		return
	}
	l.stale = true
	l.changeNode(n, true, func(e *nodeEntry) {
		e.Node, e.known, e.counts = Node{ID: id}, false, false
		e.zone, e.rank, e.seat = none, none, none
		e.load, e.share = account{}, account{}
	})
	l.forget(n)
}

func (l *ledger) changeNode(n int32, reopen bool, change func(*nodeEntry)) {
	mentions := l.nodes[n].mentions
	if reopen {
		for _, g := range mentions {
			l.closeGroup(g)
		}
	}
	change(&l.nodes[n])
	if reopen {
		for _, g := range mentions {
			l.openGroup(g)
		}
	}
}

// setGroup enters a group, or what has changed of it. The record is kept: its
// slices must not be changed afterwards.
func (l *ledger) setGroup(group Group) {
	g, known := l.groupByID[group.ID]
	if known {
		if l.groups[g].Group.equal(&group) {
			l.groups[g].Epoch = group.Epoch
			return
		}
		l.dropRecord(g)
	} else {
		g = l.newGroupSlot()
		l.groupByID[group.ID] = g
	}
	e := &l.groups[g]
	if !known || e.Name != group.Name {
		e.hash = hashGroup(group.Name)
	}
	e.Group, e.price = group, group.cost()
	l.costs[e.replicas()] += e.price
	l.prices[e.price]++
	for _, ids := range [][]ident.NodeID{e.Members, e.Voters} {
		for _, id := range ids {
			l.mention(g, id)
		}
	}
	if e.Leader != 0 {
		l.mention(g, e.Leader)
	}
	l.openGroup(g)
}

func (l *ledger) newGroupSlot() int32 {
	if last := len(l.freeGroups) - 1; last >= 0 {
		g := l.freeGroups[last]
		l.freeGroups = l.freeGroups[:last]
		return g
	}
	l.groups = append(l.groups, groupEntry{leader: none})
	return int32(len(l.groups) - 1)
}

func (l *ledger) mention(g int32, id ident.NodeID) {
	n := l.slotOf(id)
	e := &l.groups[g]
	if !slices.Contains(e.mentioned, n) {
		e.mentioned = append(e.mentioned, n)
		l.nodes[n].mentions = append(l.nodes[n].mentions, g)
	}
}

// dropRecord takes out a group's record and all that follows from it.
func (l *ledger) dropRecord(g int32) {
	l.closeGroup(g)
	e := &l.groups[g]
	for _, n := range e.mentioned {
		l.nodes[n].mentions = without(l.nodes[n].mentions, g)
		l.forget(n)
	}
	e.mentioned = e.mentioned[:0]
	if l.costs[e.replicas()] -= e.price; l.costs[e.replicas()] == 0 {
		delete(l.costs, e.replicas())
	}
	if l.prices[e.price]--; l.prices[e.price] == 0 {
		delete(l.prices, e.price)
	}
}

func (l *ledger) removeGroup(id ident.GroupID) {
	g, ok := l.groupByID[id]
	if !ok {
		return
	}
	l.dropRecord(g)
	delete(l.groupByID, id)
	l.groups[g] = groupEntry{leader: none}
	l.freeGroups = append(l.freeGroups, g)
}
