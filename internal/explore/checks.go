package explore

import (
	"fmt"

	"github.com/raftfleet/raftfleet/consensus"
)

// Invariants names what is checked after each step.
var Invariants = []string{
	"election safety",
	"one vote in a term, crashes included",
	"log matching",
	"state machine safety",
	"leader completeness, also of whoever could win an election",
	"committed is durable on a quorum of the active configuration",
	"adjacent configurations overlap",
	"one uncommitted change at most, also among those who could win an election",
	"term, commit and applied only grow",
	"a member's own state is sound",
	"a read sees what was committed before",
	"nobody leaves a leader that it hears for one who asks, nor waits longer for it",
	"who is asked to take over does",
	"a group sleeps when all have all, and who wakes says so",
}

// brokenAlone returns the promise that a member broke by itself in a step.
func brokenAlone(before, after *member, a action) string {
	broken := func(format string, args ...any) string {
		return fmt.Sprintf("member %v: %s", after.id, fmt.Sprintf(format, args...))
	}
	crashed := a.kind() == crash
	switch {
	case after.disk.state.Term < before.disk.state.Term:
		return broken("its disk goes from term %d back to %d", before.disk.state.Term, after.disk.state.Term)
	case crashed && after.term < before.disk.state.Term, !crashed && after.term < before.term:
		return broken("term goes from %d back to %d", before.term, after.term)
	case crashed && after.commit < before.disk.state.Commit, !crashed && after.commit < before.commit:
		return broken("commit goes from %d back to %d", before.commit, after.commit)
	case !crashed && after.applied < before.applied:
		return broken("applied goes from %d back to %d", before.applied, after.applied)
	case after.applied > after.commit || after.commit > after.memory.last():
		return broken("applied %d, commit %d, log up to %d", after.applied, after.commit, after.memory.last())
	case after.core.ConfigIndex() != after.memory.inForce().index:
		return broken("the configuration of index %d is in force, its log says that of %d", after.core.ConfigIndex(), after.memory.inForce().index)
	}
	configs := after.memory.configs
	for i := 1; i < len(configs); i++ {
		if !configs[i-1].voters.overlap(configs[i].voters) {
			return broken("adjacent configurations %s and %s do not overlap", configs[i-1].text, configs[i].text)
		}
	}
	if after.role == consensus.Leader {
		open := 0
		for _, c := range configs {
			if c.index > after.commit {
				open++
			}
		}
		if open > 1 {
			return broken("leads with %d uncommitted changes", open)
		}
	}
	return ""
}

// judge checks what concerns several members or the past, and brings the
// history of the next world up to date. Member i is the one that acted.
func (x *search) judge(w, next *world, i int, out *outcome) string {
	before, after := x.members[w.members[i]], x.members[next.members[i]]
	h := x.histories[w.history]
	for _, broken := range []string{
		h.addVotes(after, out.grants),
		x.addCommits(&h, next, before, after),
		h.addLeader(before, after),
		x.logsMatch(next, i),
		x.readsSee(next, out.reads),
		x.sleepIsDue(next, i, out.sent),
	} {
		if broken != "" {
			return broken
		}
	}
	next.history = x.numberHistory(&h)
	return x.lookAhead(next, &h)
}

// addVotes: nobody votes twice in a term, on its disk or in its answers.
func (h *history) addVotes(m *member, grants []grant) string {
	cast := func(term uint64, to consensus.MemberID) string {
		known := &h.votes[m.id-1][term]
		if *known != 0 && *known != uint8(to) {
			return fmt.Sprintf("member %v votes for %d and for %v in term %d", m.id, *known, to, term)
		}
		*known = uint8(to)
		return ""
	}
	if s := m.disk.state; s.Vote != 0 {
		if broken := cast(s.Term, s.Vote); broken != "" {
			return broken
		}
	}
	for _, g := range grants {
		if broken := cast(g.term, g.to); broken != "" {
			return broken
		}
	}
	return ""
}

// addLeader: a term has one leader, and a new leader has all that is committed.
func (h *history) addLeader(before, after *member) string {
	if after.role != consensus.Leader || before.role == consensus.Leader && before.term == after.term {
		return ""
	}
	known := &h.leaders[after.term]
	if *known != 0 && *known != uint8(after.id) {
		return fmt.Sprintf("election safety: members %d and %v both lead term %d", *known, after.id, after.term)
	}
	*known = uint8(after.id)
	for index := h.committed; index > 0; index-- {
		if uint64(h.in[index-1]) >= after.term {
			continue // it leads a term that was over before that was committed
		}
		if after.memory.sum(index) != h.sums[index-1] {
			return fmt.Sprintf("leader completeness: member %v leads term %d without what is committed up to %d", after.id, after.term, index)
		}
		break
	}
	return ""
}

// addCommits: what a member takes for committed is what all others do, and is
// first known to a leader, when it is on the disks of a quorum.
func (x *search) addCommits(h *history, next *world, before, after *member) string {
	for index := uint64(1); index <= min(after.commit, h.committed); index++ {
		if after.memory.sum(index) != h.sums[index-1] {
			return fmt.Sprintf("state machine safety: member %v takes another entry %d for committed", after.id, index)
		}
	}
	if after.commit <= h.committed {
		return ""
	}
	// A configuration that came with this very commit was not asked.
	config := after.memory.configAt(after.commit)
	if before.role == consensus.Leader && before.term == after.term && before.memory.inForce().index > after.commit {
		config = before.memory.inForce()
	}
	have := uint8(0)
	for j := range x.scope.Members {
		if x.members[next.members[j]].durable.sum(after.commit) == after.memory.sum(after.commit) {
			have |= 1 << j
		}
	}
	if !config.voters.agree(have) {
		return fmt.Sprintf("durability: member %v commits %d, which is on the disks %03b of %s", after.id, after.commit, have, config.text)
	}
	for index := h.committed + 1; index <= after.commit; index++ {
		h.sums[index-1], h.in[index-1] = after.memory.sum(index), uint8(after.term)
	}
	h.committed = after.commit
	return ""
}

// logsMatch: where two logs have an entry of the same index and term, they are
// the same up to there.
func (x *search) logsMatch(next *world, i int) string {
	m := x.members[next.members[i]]
	for j := range x.scope.Members {
		other := x.members[next.members[j]]
		if j == i {
			continue
		}
		for _, a := range [...]*logView{&m.memory, &m.durable} {
			for _, b := range [...]*logView{&other.memory, &other.durable} {
				for at := min(a.last(), b.last()); at > 0; at-- {
					if a.terms[at-1] != b.terms[at-1] {
						continue
					}
					if a.sums[at-1] != b.sums[at-1] {
						return fmt.Sprintf("log matching: members %v and %v differ before entry %d of term %d", m.id, other.id, at, a.terms[at-1])
					}
					break
				}
			}
		}
	}
	return ""
}

// lookAhead finds who could win an election with what is in memory or on disk
// now: all of them have what is committed, and all of them together know of one
// uncommitted change at most.
func (x *search) lookAhead(next *world, h *history) string {
	open := uint64(0) // the sum of the log up to the uncommitted change
	for i := range x.scope.Members {
		m := x.members[next.members[i]]
		for _, l := range [...]*logView{&m.memory, &m.durable} {
			lacks := l.sum(h.committed) != h.sums[h.committed-1]
			change := l.inForce()
			if !lacks && change.index <= h.committed || !x.couldWin(next, i, l) {
				continue
			}
			if lacks {
				return fmt.Sprintf("leader completeness: member %v could win an election without what is committed up to %d", m.id, h.committed)
			}
			if sum := l.sum(change.index); open != 0 && sum != open {
				return fmt.Sprintf("uncommitted changes: two members with different ones could win an election, one of them %v with %s of %d", m.id, change.text, change.index)
			} else {
				open = sum
			}
		}
	}
	return ""
}

// couldWin reports whether a member with this log would get the votes of a
// quorum of its configuration, if those that have lost something by a crash, or
// may yet, are asked at the moment that suits it best.
func (x *search) couldWin(next *world, i int, l *logView) bool {
	yes := uint8(1) << i
	for j := range x.scope.Members {
		m := x.members[next.members[j]]
		if atLeast(l, &m.memory) || atLeast(l, &m.durable) {
			yes |= 1 << j
		}
	}
	return l.inForce().voters.agree(yes)
}

// atLeast reports whether log a is as up to date as b (paper 5.4.1).
func atLeast(a, b *logView) bool {
	return a.lastTerm() > b.lastTerm() || a.lastTerm() == b.lastTerm() && a.last() >= b.last()
}
