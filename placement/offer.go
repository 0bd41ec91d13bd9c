package placement

// offers are the groups of which one node could give a member to another, the
// one that pick would choose first. They save going through all groups of the
// giver for every single move.
type offers struct {
	heap    []offer
	skipped []offer // that may not move as things are; all of them go before heap
	gained  uint64  // of the giver: it has got no group since
}

type offer struct {
	group  int32
	led    bool
	points uint64
}

// before is the order in which pick chooses.
func (l *ledger) before(a, b *offer) bool {
	switch {
	case a.led != b.led:
		return b.led
	case a.points != b.points:
		return a.points > b.points
	}
	return l.compareGroups(a.group, b.group) < 0
}

// next is the group of which a member should go from one node to another, one of
// which is the node to help and other the other; none if no group may. It is
// what pick says, where all groups cost the same, and it is to be moved.
func (s *scale) next(from, to, other int32) int32 {
	o := s.offers[other]
	if o == nil || o.gained != s.l.nodes[from].gained {
		o = s.l.offer(from, to)
		s.offers[other] = o
		s.touched = append(s.touched, other)
	}
	for i := 0; i < len(o.skipped); {
		g := o.skipped[i].group
		e := &s.l.groups[g]
		gone := !e.has(from)
		movable := !gone && s.l.mayMove(e, from, to)
		if !gone && !movable {
			i++
			continue
		}
		o.skipped = append(o.skipped[:i], o.skipped[i+1:]...)
		if movable {
			return g
		}
	}
	for len(o.heap) > 0 {
		first := s.l.popOffer(o)
		if e := &s.l.groups[first.group]; !e.has(from) {
			continue
		} else if s.l.mayMove(e, from, to) {
			return first.group
		}
		o.skipped = append(o.skipped, first)
	}
	return none
}

func (l *ledger) offer(from, to int32) *offers {
	giver, hash := &l.nodes[from], l.nodes[to].hash
	o := &offers{gained: giver.gained, heap: make([]offer, 0, len(giver.hosted))}
	for _, g := range giver.hosted {
		if e := &l.groups[g]; !e.Resting {
			o.heap = append(o.heap, offer{g, e.leader == from, score(e.hash, hash)})
		}
	}
	for i := len(o.heap)/2 - 1; i >= 0; i-- {
		l.sink(o.heap, i)
	}
	return o
}

func (l *ledger) popOffer(o *offers) offer {
	first, last := o.heap[0], len(o.heap)-1
	o.heap[0] = o.heap[last]
	o.heap = o.heap[:last]
	l.sink(o.heap, 0)
	return first
}

// sink puts the offer at i below those that go before it.
func (l *ledger) sink(heap []offer, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && l.before(&heap[child+1], &heap[child]) {
			child++
		}
		if !l.before(&heap[child], &heap[i]) {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}
