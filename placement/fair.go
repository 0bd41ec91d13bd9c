package placement

import (
	"fmt"
	"maps"
	"slices"
)

// divideMembers sets every node's fair number of members. Groups that want the
// same number of members have the same fair division, so it is worked out once
// for each such number; costs has what all groups of a number cost together.
func (l *ledger) divideMembers(costs map[int]int64) {
	for i := range l.nodes {
		n := &l.nodes[i]
		n.counts = n.State == Active || n.State == Suspect || n.State == Joining && n.load.have > 0
		if n.counts {
			z := &l.zones[n.zone]
			z.size++
			z.weight += n.weight()
			z.nodes = append(z.nodes, int32(i))
		}
	}
	for _, n := range slices.Sorted(maps.Keys(costs)) {
		l.divideGroup(n, uint64(costs[n]))
	}
}

// divideGroup adds the fair parts of all groups of n members, which cost so
// much together.
func (l *ledger) divideGroup(n int, cost uint64) {
	weights := make([]uint64, len(l.zones))
	total := 0
	for z := range l.zones {
		weights[z] = l.zones[z].weight
		total += l.zones[z].size
	}
	n = min(n, total)
	limit := l.zoneLimit(n)
	low, high := make([]uint64, len(weights)), make([]uint64, len(weights))
	for z := range l.zones {
		size := l.zones[z].size
		high[z] = uint64(min(limit, size)) * cost * unit
		if l.policy.MaxPerZone == 0 {
			low[z] = uint64(min(limit-1, size)) * cost * unit
		}
	}
	for z, quota := range divide(uint64(n)*cost*unit, weights, low, high) {
		zone := &l.zones[z]
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

// divideLeaders sets every node's fair number of leaders.
func (l *ledger) divideLeaders() {
	var total uint64
	hosted := make([]uint64, len(l.nodes))
	for g := range l.groups {
		e := &l.groups[g]
		if e.frozen {
			continue
		}
		led := false
		for _, n := range e.members {
			if l.nodes[n].counts {
				hosted[n] += unit
				led = true
			}
		}
		if led {
			total += unit
		}
	}
	l.divideLeads(total, hosted)
}

// divideLeads divides so many leaders by weight, to each node at most what it
// hosts.
func (l *ledger) divideLeads(total uint64, hosted []uint64) {
	weights := make([]uint64, len(l.nodes))
	for i := range l.nodes {
		if hosted[i] > 0 {
			weights[i] = l.nodes[i].weight()
		}
	}
	for i, part := range divide(total, weights, make([]uint64, len(weights)), hosted) {
		l.nodes[i].share.fair = part
	}
}

// reportZones says which zones are used more than their weight, and whether the
// policy's limit had to be exceeded.
func (l *ledger) reportZones() {
	var weight, fair uint64
	inZone := make([]uint64, len(l.zones))
	for i := range l.nodes {
		if n := &l.nodes[i]; n.counts {
			weight += n.weight()
			fair += n.load.fair
			inZone[n.zone] += n.load.fair
		}
	}
	for z := range l.zones {
		zone := &l.zones[z]
		if zone.weight == 0 {
			continue
		}
		share, _ := mulDiv(fair, zone.weight, weight)
		if !l.members.above(account{have: int64(inZone[z] / unit), fair: max(share, 1)}) || inZone[z] < share+unit {
			continue
		}
		times, _ := mulDiv(inZone[z], 100, max(share, 1))
		l.infeasible = append(l.infeasible, Reason{Kind: ZoneSkew, Zone: zone.name,
			Text: fmt.Sprintf("zone %q has %s: spread gives it %d.%02d × its share", zone.name,
				plural(zone.size, "node"), times/100, times%100)})
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
