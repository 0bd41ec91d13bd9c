package placement

import (
	"cmp"
	"slices"
)

// scale has the active nodes by how full they are, emptiest first.
type scale struct {
	l     *ledger
	of    func(*nodeEntry) *account
	order []int32
	place []int32 // by slot

	// What is known of moves between one node, which is too full (over) or too
	// empty, and each other, as long as that node is the one to help. By slot of the
	// other node: the version of the giving node for which no group may move, plus
	// one, and the groups that may.
	end     int32
	over    bool
	barred  []uint64
	offers  []*offers
	touched []int32
}

func loadOf(n *nodeEntry) *account  { return &n.load }
func shareOf(n *nodeEntry) *account { return &n.share }

func (l *ledger) newScale(of func(*nodeEntry) *account) *scale {
	s := &scale{l: l, of: of, order: slices.Clone(l.active), place: make([]int32, len(l.nodes)), end: none,
		barred: make([]uint64, len(l.nodes)), offers: make([]*offers, len(l.nodes))}
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
			s.barred[t], s.offers[t] = 0, nil
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
