package placement

import (
	"math"
	"slices"
)

// chooseLeaders keeps every preferred leader that can stay and finds one for
// the others: members on active nodes below their share first (those that lead
// almost nothing before the others), then the best score, which is the choice of
// rendezvous hashing.
func (l *ledger) chooseLeaders() {
	l.divideLeaders()
	open := make([]int32, 0, len(l.leaderless.slots))
	for _, g := range slices.Clone(l.leaderless.slots) {
		if e := &l.groups[g]; l.mayLead(e, e.leader) {
			l.lead(g, e.leader) // its member went and came back
		} else {
			open = append(open, g)
		}
	}
	slices.SortFunc(open, l.compareGroups)
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
			if n.gets() {
				return n.share.fill()
			}
			return 3
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

// polishLeaders brings leaders nearer to what is fair than their bounds ask for,
// but only by groups whose members the plan changes, or which had no leader:
// there a change of leader costs hardly anything. What is settled stays.
func (l *ledger) polishLeaders() {
	tight := bounds{permille: l.leaders.permille / 2}
	for _, n := range l.active {
		tight.set(&l.nodes[n].share)
	}
	l.evenLeaders(func(g int32) bool { return l.groups[g].touched == l.journal.plan }, polishTries)
	for _, n := range l.active {
		l.leaders.set(&l.nodes[n].share)
	}
}

// polishTries is how many nodes may be found that cannot be helped before
// polishing ends: each costs a search over all groups that may change.
const polishTries = 4

// balanceLeaders moves preferred leaders from and to nodes that are outside
// their bounds, directly or through a chain of groups, until all are inside or
// nothing helps. It ends for the reason that balance ends.
func (l *ledger) balanceLeaders() {
	l.evenLeaders(func(int32) bool { return true }, math.MaxInt)
}

// evenLeaders passes leads of groups that may change until all nodes are inside
// their bounds, nothing helps, or so many nodes could not be helped.
func (l *ledger) evenLeaders(may func(g int32) bool, tries int) {
	s := l.newScale(shareOf)
	for {
		stuck := make([]bool, len(l.nodes))
		changed := false
		for {
			n, over := s.worst(stuck)
			if n == none {
				break
			}
			if end := l.passLead(n, over, may); end != none {
				s.changed(n)
				s.changed(end)
				changed = true
				continue
			}
			stuck[n] = true
			if tries--; tries == 0 {
				return
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

// search is the scratch space of a search for a chain, by slot of a node.
type search struct {
	round   uint64
	reached []uint64 // the round in which the node was reached
	offered []uint64 // the step in which it was offered last
	step    uint64
	pass    []pass
}

// passLead takes one leader from start (over) or gives it one, by the shortest
// chain to a node for which that is a gain, and returns that node. Nodes between
// keep their number.
func (l *ledger) passLead(start int32, over bool, may func(g int32) bool) int32 {
	s := &l.search
	if len(s.pass) < len(l.nodes) {
		*s = search{round: s.round, step: s.step, reached: make([]uint64, len(l.nodes)), offered: make([]uint64, len(l.nodes)), pass: make([]pass, len(l.nodes))}
	}
	s.round++
	s.reached[start] = s.round
	s.pass[start] = pass{node: start, group: none, back: none}
	for layer := []int32{start}; len(layer) > 0; {
		var next []int32
		for _, n := range layer {
			next = l.stepsFrom(n, over, may, next)
		}
		if end := l.chainEnd(start, over, next); end != none {
			l.follow(end, over)
			return end
		}
		slices.SortFunc(next, func(a, b int32) int { return int(l.nodes[a].rank - l.nodes[b].rank) })
		layer = next
	}
	return none
}

// stepsFrom adds the nodes not yet reached that could take a lead from n
// (over), or give it one, each with the group of the best score there.
func (l *ledger) stepsFrom(n int32, over bool, may func(g int32) bool, next []int32) []int32 {
	s := &l.search
	s.step++
	first := len(next)
	offer := func(node, g int32) {
		if s.reached[node] == s.round || !l.nodes[node].gets() {
			return
		}
		if s.offered[node] != s.step {
			s.offered[node] = s.step
			s.pass[node] = pass{node: node, group: g, back: n}
			next = append(next, node)
			return
		}
		to := n
		if over {
			to = node
		}
		known := s.pass[node].group
		a, b := score(l.groups[g].hash, l.nodes[to].hash), score(l.groups[known].hash, l.nodes[to].hash)
		if a > b || a == b && l.compareGroups(g, known) < 0 {
			s.pass[node].group = g
		}
	}
	if over {
		for _, g := range l.nodes[n].leads {
			if may(g) {
				for _, m := range l.groups[g].members {
					offer(m, g)
				}
			}
		}
	} else {
		for _, g := range l.nodes[n].hosted {
			if e := &l.groups[g]; e.leading && e.leader != n && may(g) {
				offer(e.leader, g)
			}
		}
	}
	for _, node := range next[first:] {
		s.reached[node] = s.round
	}
	return next
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
		if end == none {
			end = n
			continue
		}
		a, b := l.nodes[n].share, l.nodes[end].share
		if !over {
			a, b = b, a
		}
		if a.lower(b) || !b.lower(a) && l.nodes[n].rank < l.nodes[end].rank {
			end = n
		}
	}
	return end
}

func (l *ledger) follow(end int32, over bool) {
	for step := l.search.pass[end]; step.back != none; step = l.search.pass[step.back] {
		from, to := step.back, step.node
		if !over {
			from, to = to, from
		}
		l.lead(step.group, to)
		l.groups[step.group].because(Lead, l.nodes[from].ID, l.nodes[to].ID)
	}
}
