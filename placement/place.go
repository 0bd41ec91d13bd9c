package placement

import (
	"maps"

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
	l := newEmptyLedger(nodes, policy)
	for i := range l.nodes {
		n := &l.nodes[i]
		n.load.have, n.share.have = max(census.Members[n.ID], 0), max(census.Leaders[n.ID], 0)
	}
	group.Members, group.Voters, group.Leader = nil, nil, 0
	l.openGroups([]Group{group})
	costs := maps.Clone(census.Groups)
	if costs == nil {
		costs = make(map[int]int64, 1)
	}
	costs[group.replicas()] += group.cost()
	l.divideMembers(costs)
	l.repair()

	var total uint64
	for _, groups := range costs {
		total += uint64(max(groups, 0)) * unit
	}
	hosted := make([]uint64, len(l.nodes))
	for i := range l.nodes {
		if l.nodes[i].counts {
			hosted[i] = uint64(l.nodes[i].load.have) * unit
		}
	}
	l.divideLeads(total, hosted)
	e := &l.groups[0]
	l.lead(0, l.leaderFor(e))
	return l.target(e)
}
