package placement

// balance moves members from and to nodes that are outside their bounds, until
// all are inside or nothing helps. It tells whether anything moved.
//
// Every move makes the sum of have²/fair smaller, so it ends. It goes round
// once more after a round that moved something: what did not help before may
// help now, and a plan made from the result finds nothing left to do.
func (l *ledger) balance() bool {
	moved := false
	b := l.newScale(loadOf)
	for {
		stuck := make([]bool, len(l.nodes))
		changed := false
		for {
			n, over := b.worst(stuck)
			if n == none {
				break
			}
			if l.relieve(b, n, over) {
				changed = true
			} else {
				stuck[n] = true
			}
		}
		if !changed {
			return moved
		}
		moved = true
	}
}

// relieve makes one move that takes a member from n (over) or gives it one.
func (l *ledger) relieve(s *scale, n int32, over bool) bool {
	for i := range s.order {
		other := s.other(i, over)
		if other == n {
			break // those behind are as full as n, or fuller, and no gain
		}
		from, to := n, other
		if !over {
			from, to = other, n
		}
		if l.members.grain == 0 && (!gains(l.nodes[from].load, l.nodes[to].load, 1) || s.bars(n, other, over)) {
			continue
		}
		g := none
		if l.members.grain == 0 {
			g = s.next(from, to, other)
		} else {
			g = l.pick(from, to, func(cost int64) bool { return gains(l.nodes[from].load, l.nodes[to].load, cost) })
		}
		if g != none {
			l.shift(s, g, from, to)
			return true
		}
		if l.members.grain == 0 {
			s.bar(n, other, over)
		}
	}
	return l.moveOver(s, n, over)
}

func (l *ledger) shift(s *scale, g, from, to int32) {
	l.take(g, from)
	l.put(g, to)
	e := &l.groups[g]
	e.because(Balance, l.nodes[from].ID, l.nodes[to].ID)
	for _, n := range e.members {
		l.nodes[n].version++
	}
	l.nodes[to].gained++
	s.changed(from)
	s.changed(to)
}

// pick chooses which group's member goes from one node to another: one that the
// source does not lead, then the best score at the destination.
func (l *ledger) pick(from, to int32, may func(cost int64) bool) int32 {
	chosen, chosenLed, chosenScore := none, false, uint64(0)
	hash := l.nodes[to].hash
	for _, g := range l.nodes[from].hosted {
		e := &l.groups[g]
		if e.Resting {
			continue
		}
		led := e.leader == from
		if chosen != none && led && !chosenLed {
			continue
		}
		points := score(e.hash, hash)
		better := chosen == none || chosenLed && !led || points > chosenScore || points == chosenScore && l.compareGroups(g, chosen) < 0
		if better && may(e.price) && l.mayMove(e, from, to) {
			chosen, chosenLed, chosenScore = g, led, points
		}
	}
	return chosen
}
