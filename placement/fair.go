package placement

import (
	"maps"
	"slices"
)

// divideMembers sets every node's fair number of members and its bounds. Groups
// that want the same number of members have the same fair division, so it is
// worked out once for each such number.
func (l *ledger) divideMembers() {
	for z := range l.zones {
		zone := &l.zones[z]
		zone.size, zone.weight, zone.nodes = 0, 0, zone.nodes[:0]
	}
	for _, i := range l.order {
		n := &l.nodes[i]
		n.load.fair = 0
		n.counts = n.State == Active || n.State == Suspect || n.State == Joining && n.load.have > 0
		if n.counts {
			z := &l.zones[n.zone]
			z.size++
			z.weight += n.weight()
			z.nodes = append(z.nodes, i)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(l.costs)) {
		l.divideGroup(n, uint64(l.costs[n]))
	}
	for _, i := range l.order {
		l.members.set(&l.nodes[i].load)
	}
}

// divideGroup adds the fair parts of all groups of n members, which cost so
// much together.
func (l *ledger) divideGroup(n int, cost uint64) {
	weights := make([]uint64, len(l.zones))
	total := 0
	for i, z := range l.zoneOrder {
		weights[i] = l.zones[z].weight
		total += l.zones[z].size
	}
	n = min(n, total)
	limit := l.zoneLimit(n)
	low, high := make([]uint64, len(weights)), make([]uint64, len(weights))
	for i, z := range l.zoneOrder {
		size := l.zones[z].size
		high[i] = uint64(min(limit, size)) * cost * unit
		if l.policy.MaxPerZone == 0 {
			low[i] = uint64(min(limit-1, size)) * cost * unit
		}
	}
	for i, quota := range divide(uint64(n)*cost*unit, weights, low, high) {
		zone := &l.zones[l.zoneOrder[i]]
		weights, all := make([]uint64, zone.size), make([]uint64, zone.size)
		for i, node := range zone.nodes {
			weights[i], all[i] = l.nodes[node].weight(), cost*unit
		}
		for i, part := range divide(quota, weights, make([]uint64, zone.size), all) {
			l.nodes[zone.nodes[i]].load.fair += part
		}
	}
}

// zoneLimit is how many of a group's n members a zone may have: under strict
// spread the least number that leaves room for all, else the policy's number,
// or the least above it that leaves room.
func (l *ledger) zoneLimit(n int) int {
	limit := max(l.policy.MaxPerZone, 1)
	for ; ; limit++ {
		room, grows := 0, false
		for z := range l.zones {
			room += min(limit, l.zones[z].size)
			grows = grows || l.zones[z].size > limit
		}
		if room >= n || !grows {
			return limit
		}
	}
}

// divideLeaders sets every node's fair number of leaders: by weight, to each at
// most what it hosts.
func (l *ledger) divideLeaders() {
	hosted := make([]uint64, len(l.order))
	for i, n := range l.order {
		if node := &l.nodes[n]; node.counts {
			hosted[i] = uint64(node.live) * unit
		}
	}
	l.divideLeads(uint64(l.led)*unit, hosted)
}

// divideLeads divides so many leaders among the nodes in their order.
func (l *ledger) divideLeads(total uint64, hosted []uint64) {
	weights := make([]uint64, len(hosted))
	for i, n := range l.order {
		if hosted[i] > 0 {
			weights[i] = l.nodes[n].weight()
		}
	}
	for i, part := range divide(total, weights, make([]uint64, len(weights)), hosted) {
		share := &l.nodes[l.order[i]].share
		share.fair = part
		l.leaders.set(share)
	}
}
