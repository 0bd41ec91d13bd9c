package placement

import "slices"

const (
	// chainEnds is how many of the emptiest (or fullest) nodes are tried as the
	// far end of a move over a third node.
	chainEnds = 8
	// chainThirds is how many nodes are tried between the two. In larger fleets
	// hardly any pair of moves is needed, and a search of all would take long.
	chainThirds = 64
)

// moveOver makes two moves at once where no single one is allowed: one group's
// member from the full node to a third one, another group's of the same cost
// from there to the empty node. The third node has as many as before.
func (l *ledger) moveOver(s *scale, n int32, over bool) bool {
	others := make([]int32, 0, chainThirds)
	for i := range min(len(s.order), chainThirds) {
		others = append(others, s.other(i, over))
	}
	for _, end := range others[:min(len(others), chainEnds)] {
		from, to := n, end
		if !over {
			from, to = end, n
		}
		if end != n && l.movePair(s, from, to, others) {
			return true
		}
	}
	return false
}

func (l *ledger) movePair(s *scale, from, to int32, thirds []int32) bool {
	for _, cost := range l.costsOn(from) {
		if !gains(l.nodes[from].load, l.nodes[to].load, cost) {
			continue
		}
		same := func(c int64) bool { return c == cost }
		for _, third := range thirds {
			if third == from || third == to {
				continue
			}
			first := l.pick(from, third, same)
			if first == none {
				continue
			}
			if second := l.pick(third, to, same); second != none {
				l.shift(s, first, from, third)
				l.shift(s, second, third, to)
				return true
			}
		}
	}
	return false
}

// costsOn lists the different costs of the groups that a node hosts.
func (l *ledger) costsOn(n int32) []int64 {
	if l.members.grain == 0 {
		return []int64{1}
	}
	var costs []int64
	for _, g := range l.nodes[n].hosted {
		costs = append(costs, l.groups[g].price)
	}
	slices.Sort(costs)
	return slices.Compact(costs)
}
