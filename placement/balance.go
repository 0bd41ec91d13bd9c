package placement

import (
	"fmt"
	"slices"
)

// chainEnds is how many of the emptiest (or fullest) nodes are tried as the far
// end of a move over a third node.
const chainEnds = 8

// balance moves members from and to nodes that are outside their bounds, until
// all are inside or nothing helps. It tells whether anything moved.
//
// Every move makes the sum of have²/fair smaller, so it ends. It goes round
// once more after a round that moved something: what did not help before may
// help now, and a plan made from the result finds nothing left to do.
func (l *ledger) balance() bool {
	moved := false
	for {
		stuck := make([]bool, len(l.nodes))
		changed := false
		for {
			n, over := l.worst(loadOf, l.members, stuck)
			if n == none {
				break
			}
			if l.relieve(n, over) {
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

// worst is the node furthest above its bounds, or if there is none the one
// furthest below; over tells which.
func (l *ledger) worst(of func(*nodeEntry) account, b bounds, stuck []bool) (node int32, over bool) {
	fullest, emptiest := none, none
	for _, i := range l.active {
		if stuck[i] {
			continue
		}
		a := of(&l.nodes[i])
		if b.above(a) && (fullest == none || of(&l.nodes[fullest]).lower(a)) {
			fullest = i
		}
		if b.under(a) && (emptiest == none || a.lower(of(&l.nodes[emptiest]))) {
			emptiest = i
		}
	}
	if fullest != none {
		return fullest, true
	}
	return emptiest, false
}

// relieve makes one move that takes a member from n (over) or gives it one.
func (l *ledger) relieve(n int32, over bool) bool {
	others := l.byFill(l.active, loadOf)
	if !over {
		slices.Reverse(others)
	}
	for _, other := range others {
		from, to := n, other
		if !over {
			from, to = other, n
		}
		if other != n && l.move(from, to) {
			return true
		}
	}
	return l.moveOver(n, over, others)
}

func (l *ledger) move(from, to int32) bool {
	g := l.pick(from, to, func(cost int64) bool { return gains(l.nodes[from].load, l.nodes[to].load, cost) })
	if g == none {
		return false
	}
	l.shift(g, from, to)
	return true
}

func (l *ledger) shift(g, from, to int32) {
	l.take(g, from)
	l.put(g, to)
	l.groups[g].because(Balance, l.nodes[from].ID, l.nodes[to].ID)
}

// pick chooses which group's member goes from one node to another: one that the
// source does not lead, then the best score at the destination.
func (l *ledger) pick(from, to int32, may func(cost int64) bool) int32 {
	chosen, chosenLed, chosenScore := none, false, uint64(0)
	if l.members.grain == 0 && !may(1) {
		return none // all groups cost 1
	}
	hash := l.nodes[to].hash
	for _, g := range l.nodes[from].hosted {
		e := &l.groups[g]
		led := e.leader == from
		if chosen != none && led && !chosenLed {
			continue
		}
		points := score(e.hash, hash)
		better := chosen == none || chosenLed && !led || points > chosenScore || points == chosenScore && g < chosen
		if better && may(e.cost()) && l.mayMove(e, from, to) {
			chosen, chosenLed, chosenScore = g, led, points
		}
	}
	return chosen
}

// moveOver makes two moves at once where no single one is allowed: one group's
// member from the full node to a third one, another group's of the same cost
// from there to the empty node. The third node has as many as before.
func (l *ledger) moveOver(n int32, over bool, others []int32) bool {
	for _, end := range others[:min(len(others), chainEnds)] {
		from, to := n, end
		if !over {
			from, to = end, n
		}
		if end != n && l.movePair(from, to, others) {
			return true
		}
	}
	return false
}

func (l *ledger) movePair(from, to int32, thirds []int32) bool {
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
				l.shift(first, from, third)
				l.shift(second, third, to)
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
		costs = append(costs, l.groups[g].cost())
	}
	slices.Sort(costs)
	return slices.Compact(costs)
}

// reportBounds says which nodes stay outside their bounds.
func (l *ledger) reportBounds(kind Kind, what string, of func(*nodeEntry) account, b bounds) {
	for _, i := range l.active {
		a := of(&l.nodes[i])
		if !b.above(a) && !b.under(a) {
			continue
		}
		l.infeasible = append(l.infeasible, Reason{Kind: kind, From: l.nodes[i].ID, Zone: l.nodes[i].Zone,
			Text: fmt.Sprintf("node %s has %d %s, its fair number is %d.%02d, and no move is allowed that would help",
				l.nodes[i].ID, a.have, what, a.fair/unit, a.fair%unit*100/unit)})
	}
}
