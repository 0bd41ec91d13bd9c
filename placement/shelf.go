package placement

import "math"

// seat is what the choice of a node for a new member reads of it. In a fleet that
// is filled from nothing that choice looks at all nodes for each member; so
// seats are small, and those that cannot be chosen are not looked at: they lie on
// shelves, for each zone one for each degree of fullness.
type seat struct {
	hash uint64
	node int32
}

// fillShelves puts every active node's seat where it belongs.
func (l *ledger) fillShelves() {
	for z := range l.zones {
		for fill := range l.zones[z].shelves {
			l.zones[z].shelves[fill] = l.zones[z].shelves[fill][:0]
		}
	}
	for _, n := range l.active {
		l.sit(n, int32(l.nodes[n].load.fill()))
	}
}

func (l *ledger) sit(n, fill int32) {
	node := &l.nodes[n]
	shelf := &l.zones[node.zone].shelves[fill]
	node.fill, node.seat = fill, int32(len(*shelf))
	*shelf = append(*shelf, seat{node.hash, n})
}

// refill puts a node's seat on another shelf when its load asks for that. Outside
// of a plan shelves may be out of date: refresh fills them.
func (l *ledger) refill(n int32) {
	node := &l.nodes[n]
	if !l.journal.open || node.fill == none {
		return
	}
	fill := int32(node.load.fill())
	if fill == node.fill {
		return
	}
	shelf := &l.zones[node.zone].shelves[node.fill]
	last := (*shelf)[len(*shelf)-1]
	(*shelf)[node.seat] = last
	l.nodes[last.node].seat = node.seat
	*shelf = (*shelf)[:len(*shelf)-1]
	l.sit(n, fill)
}

// candidate is the active node that should have e's next member, in a zone that
// has at most so many of them, none if there is none: least-used zone first, then
// nodes below their fair number (the almost empty before the others), then the
// best score. Where the policy limits a zone's members instead of spreading them,
// only zones at their limit come later, and less-used zones go before scores.
func (l *ledger) candidate(e *groupEntry, roomiest int32) int32 {
	use := l.zoneUse(e)
	limit := int32(min(l.policy.MaxPerZone, maxSlack))
	crowdOf := func(z int) int32 {
		if limit > 0 {
			return max(0, use[z]+1-limit)
		}
		return use[z]
	}
	for crowd := int32(-1); ; {
		next := int32(math.MaxInt32)
		for z := range use {
			if c := crowdOf(z); c > crowd && c < next && use[z] <= roomiest && l.zones[z].active > 0 {
				next = c
			}
		}
		if next == math.MaxInt32 {
			return none
		}
		crowd = next
		for fill := range fills {
			var best choice
			for z := range use {
				if use[z] <= roomiest && crowdOf(z) == crowd {
					best = l.bestOn(l.zones[z].shelves[fill], e, use[z], best)
				}
			}
			if best.found {
				return best.node
			}
		}
	}
}

// choice is the best seat so far.
type choice struct {
	found     bool
	node, use int32
	score     uint64
}

// bestOn goes on with the choice among the seats of a zone with so many of e's
// members.
func (l *ledger) bestOn(shelf []seat, e *groupEntry, use int32, best choice) choice {
	if best.found && use > best.use {
		return best
	}
	for i := range shelf {
		s := &shelf[i]
		points := score(e.hash, s.hash)
		if best.found && use == best.use && (points < best.score || points == best.score && l.nodes[s.node].ID > l.nodes[best.node].ID) {
			continue
		}
		if !e.has(s.node) { // last, as hardly any is better
			best = choice{true, s.node, use, points}
		}
	}
	return best
}
