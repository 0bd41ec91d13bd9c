package placement

import (
	"cmp"
	"slices"
)

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

// scale has the active nodes by how full they are, emptiest first.
type scale struct {
	l     *ledger
	of    func(*nodeEntry) *account
	order []int32
	place []int32 // by slot

	// Pairs of nodes between which no group may move, while end and over stay the
	// same: the version of the giving node for which that was found out, plus one.
	end     int32
	over    bool
	barred  []uint64 // by slot of the other node
	touched []int32
}

func loadOf(n *nodeEntry) *account  { return &n.load }
func shareOf(n *nodeEntry) *account { return &n.share }

func (l *ledger) newScale(of func(*nodeEntry) *account) *scale {
	s := &scale{l: l, of: of, order: slices.Clone(l.active), place: make([]int32, len(l.nodes)), end: none, barred: make([]uint64, len(l.nodes))}
	slices.SortFunc(s.order, s.compare)
	for at, n := range s.order {
		s.place[n] = int32(at)
	}
	return s
}

func (s *scale) compare(i, j int32) int {
	a, b := s.of(&s.l.nodes[i]), s.of(&s.l.nodes[j])
	switch {
	case a.lower(*b):
		return -1
	case b.lower(*a):
		return 1
	}
	return cmp.Compare(s.l.nodes[i].rank, s.l.nodes[j].rank)
}

// changed puts a node, of which alone the account has changed, where it belongs.
func (s *scale) changed(n int32) {
	at := int(s.place[n])
	for ; at > 0 && s.compare(n, s.order[at-1]) < 0; at-- {
		s.order[at] = s.order[at-1]
		s.place[s.order[at]] = int32(at)
	}
	for ; at+1 < len(s.order) && s.compare(s.order[at+1], n) < 0; at++ {
		s.order[at] = s.order[at+1]
		s.place[s.order[at]] = int32(at)
	}
	s.order[at], s.place[n] = n, int32(at)
}

// worst is the node furthest above its bounds, or if there is none the one
// furthest below; over tells which.
func (s *scale) worst(stuck []bool) (node int32, over bool) {
	for _, n := range slices.Backward(s.order) {
		if !stuck[n] && s.of(&s.l.nodes[n]).above() {
			return n, true
		}
	}
	for _, n := range s.order {
		if !stuck[n] && s.of(&s.l.nodes[n]).under() {
			return n, false
		}
	}
	return none, false
}

// other is the i-th node with which n, which is too full (over) or too empty,
// should exchange something, the best first.
func (s *scale) other(i int, over bool) int32 {
	if over {
		return s.order[i]
	}
	return s.order[len(s.order)-1-i]
}

// bars tells whether it is known that no group may move between n and other.
func (s *scale) bars(n, other int32, over bool) bool {
	if s.end != n || s.over != over {
		for _, t := range s.touched {
			s.barred[t] = 0
		}
		s.end, s.over, s.touched = n, over, s.touched[:0]
	}
	return s.barred[other] == s.giver(n, other, over).version+1
}

func (s *scale) bar(n, other int32, over bool) {
	s.barred[other] = s.giver(n, other, over).version + 1
	s.touched = append(s.touched, other)
}

func (s *scale) giver(n, other int32, over bool) *nodeEntry {
	if over {
		return &s.l.nodes[n]
	}
	return &s.l.nodes[other]
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
		g := l.pick(from, to, func(cost int64) bool { return gains(l.nodes[from].load, l.nodes[to].load, cost) })
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
