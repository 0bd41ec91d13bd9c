package placement

import (
	"fmt"
	"math"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// repair gives every group the members that it lacks and takes those that it
// has too many of.
func (l *ledger) repair() {
	for _, g := range l.canonical(&l.needy) {
		l.note(g)
		l.repairGroup(g, &l.groups[g])
	}
}

func (l *ledger) repairGroup(g int32, e *groupEntry) {
	want := e.replicas()
	resized := len(e.Members) > 0 && len(e.Members) != want
	for len(e.members) > want {
		n := l.surplus(e)
		l.take(g, n)
		e.because(Resize, l.nodes[n].ID, 0)
	}
	for len(e.members) < want {
		n := l.candidate(e, math.MaxInt32)
		if n == none {
			l.lacks(g, e, want)
			break
		}
		l.put(g, n)
		e.because(l.causeOf(e, resized), l.firstLost(e), l.nodes[n].ID)
	}
	if len(e.dead) > 0 {
		e.because(Repair, l.nodes[e.dead[0]].ID, 0)
	}
	if len(e.leaving) > 0 {
		e.because(Drain, l.nodes[e.leaving[0]].ID, 0)
	}
}

func (l *ledger) causeOf(e *groupEntry, resized bool) Kind {
	switch {
	case len(e.Members) == 0:
		return Create
	case len(e.dead) > 0 || e.cause.kind == Repair:
		return Repair
	case len(e.leaving) > 0:
		return Drain
	case resized:
		return Resize
	}
	return Repair
}

// firstLost is the first former member whose place is taken, 0 if none.
func (l *ledger) firstLost(e *groupEntry) ident.NodeID {
	switch {
	case len(e.dead) > 0:
		return l.nodes[e.dead[0]].ID
	case e.cause.from != 0:
		return e.cause.from
	case len(e.leaving) > 0:
		return l.nodes[e.leaving[0]].ID
	}
	return 0
}

// lacks settles a group for which there are too few nodes. Members on dead
// nodes stay as long as they do not outvote the living: their data may return,
// and to drop them would not make the others safer. A member on a draining node
// stays until somebody can take its place: a drain is planned, and what is planned
// does not make a group less safe than it was.
func (l *ledger) lacks(g int32, e *groupEntry, want int) {
	if at := slices.Index(e.leaving, e.leader); at > 0 {
		e.leaving = slices.Insert(slices.Delete(e.leaving, at, at+1), 0, e.leader)
	}
	for len(e.leaving) > 0 && len(e.members) < want {
		stays := e.leaving[0]
		l.put(g, stays)
		e.leaving = e.leaving[1:]
		l.lack(Reason{Kind: Stranded, From: l.nodes[stays].ID, Group: e.ID, Groups: 1,
			Text: fmt.Sprintf("node %s is %s but holds members that no active node can take",
				l.nodes[stays].ID, l.nodes[stays].State)}, -int(l.nodes[stays].rank)-1)
	}
	for alive := len(e.members); len(e.dead) > 0 && len(e.members) < want && 2*alive > len(e.members)+1; {
		l.put(g, e.dead[0])
		e.dead = e.dead[1:]
	}
	l.lack(Reason{Kind: FewNodes, Group: e.ID, Groups: 1,
		Text: fmt.Sprintf("groups want %s, the fleet has %s that may get some",
			plural(want, "member"), plural(len(l.active), "active node"))}, want)
}

// lack counts one more group under the same reason.
func (l *ledger) lack(r Reason, key int) {
	if known := l.few[key]; known != nil {
		known.Groups++
		return
	}
	l.few[key] = &r // the first in canonical order, as repair goes through them
}

// surplus is the member that e should lose first: in the most-used zone, not
// trusted before active, not the leader, on the fullest node, of the worst score.
func (l *ledger) surplus(e *groupEntry) int32 {
	use := l.zoneUse(e)
	worst := none
	for _, i := range e.members {
		if worst == none || l.looser(e, use, i, worst) {
			worst = i
		}
	}
	return worst
}

func (l *ledger) looser(e *groupEntry, use []int32, i, j int32) bool {
	a, b := &l.nodes[i], &l.nodes[j]
	switch {
	case a.gets() != b.gets():
		return !a.gets()
	case use[a.zone] != use[b.zone]:
		return use[a.zone] > use[b.zone]
	case (i == e.leader) != (j == e.leader):
		return j == e.leader
	case b.load.lower(a.load):
		return true
	case a.load.lower(b.load):
		return false
	}
	return score(e.hash, a.hash) < score(e.hash, b.hash)
}
