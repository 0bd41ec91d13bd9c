package placement

import (
	"cmp"
	"slices"
)

// chooseLeaders keeps every preferred leader that can stay and finds one for
// the others: members on active nodes below their share first (those that lead
// almost nothing before the others), then the best score, which is the choice of
// rendezvous hashing.
func (l *ledger) chooseLeaders() {
	l.divideLeaders()
	var open []int32
	for g := range l.groups {
		e := &l.groups[g]
		if e.frozen {
			continue
		}
		leader := e.leader
		e.leader = none
		if leader != none && l.nodes[leader].State.stays() && e.has(leader) {
			l.lead(int32(g), leader)
		} else {
			open = append(open, int32(g))
		}
	}
	for _, g := range open {
		if n := l.leaderFor(&l.groups[g]); n != none {
			l.lead(g, n)
		}
	}
}

func (l *ledger) leaderFor(e *groupEntry) int32 {
	const never = 5 // draining and dead nodes
	rank := func(n *nodeEntry) int {
		switch n.State {
		case Active:
			return n.share.fill()
		case Suspect:
			return 3
		case Joining:
			return 4
		}
		return never
	}
	chosen, chosenRank := none, never
	for _, i := range e.members {
		r := rank(&l.nodes[i])
		if r < chosenRank || r == chosenRank && r < never && score(e.hash, l.nodes[i].hash) > score(e.hash, l.nodes[chosen].hash) {
			chosen, chosenRank = i, r
		}
	}
	return chosen
}

// balanceLeaders moves preferred leaders from and to nodes that are outside
// their bounds, directly or through a chain of groups, until all are inside or
// nothing helps. It ends for the reason that balance ends.
func (l *ledger) balanceLeaders() {
	for {
		stuck := make([]bool, len(l.nodes))
		changed := false
		for {
			n, over := l.worst(shareOf, l.leaders, stuck)
			if n == none {
				break
			}
			if l.passLead(n, over) {
				changed = true
			} else {
				stuck[n] = true
			}
		}
		if !changed {
			return
		}
	}
}

// pass is a step of a chain: the lead of group goes from one node to the next.
type pass struct {
	node, group int32
	back        int32 // the node reached before, towards the start
}

// passLead takes one leader from start (over) or gives it one, by the shortest
// chain to a node for which that is a gain. Nodes between keep their number.
func (l *ledger) passLead(start int32, over bool) bool {
	reached := make([]pass, len(l.nodes))
	for i := range reached {
		reached[i].node = none
	}
	reached[start] = pass{node: start, group: none, back: none}
	layer := []int32{start}
	for len(layer) > 0 {
		var next []int32
		for _, n := range layer {
			steps := l.stepsFrom(n, over, reached)
			for _, s := range steps {
				reached[s.node] = s
				next = append(next, s.node)
			}
		}
		slices.Sort(next)
		if end := l.chainEnd(start, over, next); end != none {
			l.follow(reached, end, over)
			return true
		}
		layer = next
	}
	return false
}

// stepsFrom lists the nodes not yet reached that could take a lead from n
// (over), or give it one, each with the group of the best score there.
func (l *ledger) stepsFrom(n int32, over bool, reached []pass) []pass {
	best := make(map[int32]pass)
	offer := func(node, g int32) {
		if reached[node].node != none || l.nodes[node].State != Active {
			return
		}
		to := n
		if over {
			to = node
		}
		known, found := best[node]
		a, b := score(l.groups[g].hash, l.nodes[to].hash), uint64(0)
		if found {
			b = score(l.groups[known.group].hash, l.nodes[to].hash)
		}
		if !found || a > b || a == b && g < known.group {
			best[node] = pass{node: node, group: g, back: n}
		}
	}
	if over {
		for _, g := range l.nodes[n].leads {
			for _, m := range l.groups[g].members {
				offer(m, g)
			}
		}
	} else {
		for _, g := range l.nodes[n].hosted {
			if e := &l.groups[g]; !e.frozen && e.leader != none && e.leader != n {
				offer(e.leader, g)
			}
		}
	}
	steps := make([]pass, 0, len(best))
	for _, s := range best {
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b pass) int { return cmp.Compare(a.node, b.node) })
	return steps
}

// chainEnd is the node among those just reached where the gain is greatest,
// none if there is no gain.
func (l *ledger) chainEnd(start int32, over bool, nodes []int32) int32 {
	end := none
	for _, n := range nodes {
		from, to := l.nodes[start].share, l.nodes[n].share
		if !over {
			from, to = to, from
		}
		if !gains(from, to, 1) {
			continue
		}
		if end == none || over && l.nodes[n].share.lower(l.nodes[end].share) ||
			!over && l.nodes[end].share.lower(l.nodes[n].share) {
			end = n
		}
	}
	return end
}

func (l *ledger) follow(reached []pass, end int32, over bool) {
	for s := reached[end]; s.back != none; s = reached[s.back] {
		from, to := s.back, s.node
		if !over {
			from, to = to, from
		}
		l.lead(s.group, to)
		l.groups[s.group].because(Lead, l.nodes[from].ID, l.nodes[to].ID)
	}
}
