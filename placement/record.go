package placement

import (
	"cmp"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// setNode enters a node, or what has changed of it.
func (l *ledger) setNode(node Node) {
	n := l.slotOf(node.ID)
	e := &l.nodes[n]
	if e.known && e.Node == node {
		return
	}
	reopen := !e.known || e.State != node.State || e.Returned != node.Returned || e.Zone != node.Zone
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
		e.zone, e.rank, e.fill = none, none, none
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

// update enters all that an input has, and takes out what it does not have.
func (l *ledger) update(in Input) {
	nodes := canonicalNodes(in.Nodes)
	for _, n := range nodes {
		l.setNode(n)
	}
	for id, n := range l.byID {
		if _, found := slices.BinarySearchFunc(nodes, id, func(n Node, id ident.NodeID) int { return cmp.Compare(n.ID, id) }); l.nodes[n].known && !found {
			l.removeNode(id)
		}
	}
	groups := canonicalGroups(in.Groups)
	for _, g := range groups {
		l.setGroup(g)
	}
	if len(l.groupByID) == len(groups) {
		return
	}
	for id := range l.groupByID {
		if _, found := slices.BinarySearchFunc(groups, id, func(g Group, id ident.GroupID) int { return cmp.Compare(g.ID, id) }); !found {
			l.removeGroup(id)
		}
	}
}
