package placement

import (
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Census is what a fleet has, counted. It is kept up to date with every change
// of a target, so that a new group can be placed without counting.
type Census struct {
	Groups  map[int]int64          // groups (times cost) by members wanted
	Members map[ident.NodeID]int64 // members (times cost) by node of the target
	Leaders map[ident.NodeID]int64 // preferred leaders by node
}

// Place gives one new group its members and preferred leader, as Plan would
// with all groups in its input: of groups that are placed one after another
// hardly any has to move afterwards. It is false when no node is active. The group's Members, Leader and Voters do not count.
//
// It costs some microseconds for each node, whatever the number of groups.
func Place(nodes []Node, census Census, group Group, policy Policy) (Target, bool) {
	l := newLedger(policy, len(nodes), 1)
	for _, n := range canonicalNodes(nodes) {
		l.setNode(n)
		node := &l.nodes[l.byID[n.ID]]
		node.load.have, node.share.have = max(census.Members[n.ID], 0), max(census.Leaders[n.ID], 0)
	}
	group.Members, group.Voters, group.Leader = nil, nil, 0
	l.setGroup(group)
	var total uint64
	for replicas, cost := range census.Groups {
		l.costs[max(replicas, 1)] += max(cost, 0)
		total += uint64(max(cost, 0)) * unit
	}
	total += uint64(group.cost()) * unit
	l.refresh()
	l.beginPlan()
	l.repair()

	hosted := make([]uint64, len(l.order))
	for i, n := range l.order {
		if node := &l.nodes[n]; node.counts {
			hosted[i] = uint64(node.load.have) * unit
		}
	}
	l.divideLeads(total, hosted)
	e := &l.groups[0]
	l.lead(0, l.leaderFor(e))
	return l.target(e)
}
