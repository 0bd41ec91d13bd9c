package placement

import "slices"

// journal remembers the groups that a plan has changed, as they were before, so
// that the plan can be taken back: it is only a proposal until it is committed
// and comes back as changes of groups.
type journal struct {
	open  bool
	plan  uint64 // grows with every plan; the number is in groupEntry.touched
	notes []note
}

type note struct {
	group         int32
	members       []int32
	leader        int32
	leading       bool
	cause         cause
	dead, leaving []int32
}

func (l *ledger) beginPlan() {
	l.journal.open = true
	l.journal.plan++
	l.journal.notes = l.journal.notes[:0]
	l.infeasible, l.few = nil, make(map[int]*Reason)
}

// note remembers a group before it changes for the first time in a plan.
func (l *ledger) note(g int32) {
	e := &l.groups[g]
	if !l.journal.open || e.touched == l.journal.plan {
		return
	}
	e.touched = l.journal.plan
	l.journal.notes = append(l.journal.notes, note{g, slices.Clone(e.members), e.leader, e.leading, e.cause, slices.Clone(e.dead), slices.Clone(e.leaving)})
}

// undoPlan takes back what was changed since beginPlan.
func (l *ledger) undoPlan() {
	l.journal.open = false
	for i := range l.journal.notes {
		was := &l.journal.notes[i]
		g, e := was.group, &l.groups[was.group]
		l.unlead(g)
		for _, n := range slices.Clone(e.members) {
			if !slices.Contains(was.members, n) {
				l.take(g, n)
			}
		}
		for _, n := range was.members {
			if !e.has(n) {
				l.put(g, n)
			}
		}
		e.cause, e.dead, e.leaving = was.cause, was.dead, was.leaving
		if was.leading {
			l.lead(g, was.leader)
		} else {
			e.leader = was.leader
			l.leaderless.set(g, !e.frozen)
		}
	}
	clear(l.journal.notes) // let go of the slices
	l.journal.notes = l.journal.notes[:0]
}
