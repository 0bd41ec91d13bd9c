package explore

import (
	"fmt"

	"github.com/raftfleet/raftfleet/consensus"
)

// message returns what arrives by an action, nil where it is another.
func (x *search) message(a action) *consensus.Message {
	if a.kind() != deliver {
		return nil
	}
	return &x.messages[a.of()]
}

// hear notes the highest round that a member has heard of its leader since it
// follows it. It counts where groups sleep.
func (m *member) hear(before *member, arrived *consensus.Message) {
	if m.core.SleepTicks() == 0 || m.role != consensus.Follower || m.core.Leader() == 0 {
		return
	}
	if before.core.Leader() == m.core.Leader() && before.term == m.term {
		m.heard = before.heard
	}
	if arrived != nil && arrived.Term == m.term && arrived.From == m.core.Leader() {
		m.heard = max(m.heard, arrived.Context)
	}
}

// brokenRule returns the rule of good conduct that a member broke in a step: what
// nobody's data depends on, but whether a group comes to rest.
func (x *search) brokenRule(before, after *member, a action, out *outcome) string {
	broken := func(what string) string { return fmt.Sprintf("member %v %s", after.id, what) }
	if err := after.core.Check(); err != nil {
		return err.Error()
	}
	if a.kind() == wake && before.core.Leader() != 0 && !x.says(out, consensus.MsgWakeUp) {
		return broken("wakes and does not tell its leader")
	}
	m := x.message(a)
	if m == nil || before.role != consensus.Follower {
		return ""
	}
	follows := after.role == consensus.Follower
	switch m.Kind {
	case consensus.MsgPreVote:
		if follows && !before.core.Asleep() && after.core.Patience() > before.core.Patience() {
			return broken("waits longer because somebody asks whether an election could be won")
		}
	case consensus.MsgVote:
		if follows && !before.core.Asleep() && len(out.grants) == 0 && after.core.Patience() > before.core.Patience() {
			return broken("waits longer because of a vote that it does not give")
		}
		if m.Context != campaignForced && before.core.Leader() != 0 && after.term > before.term {
			return broken("leaves a leader that it hears for one who asks for its vote")
		}
	case consensus.MsgTimeoutNow:
		if m.Term >= before.term && after.role == consensus.PreCandidate {
			return broken("is asked to take over, and asks the others first")
		}
	case consensus.MsgSleep:
		if after.core.Asleep() && !before.core.Asleep() && before.core.Leader() == m.From && before.term == m.Term && m.Context < before.heard {
			return broken("falls asleep for a leader that has spoken since")
		}
	}
	return ""
}

func (x *search) says(out *outcome, kind consensus.MessageKind) bool {
	for _, n := range out.sent {
		if x.messages[n].Kind == kind {
			return true
		}
	}
	return false
}

// readsSee: a read may be answered from what was committed when it was asked for, or
// later.
func (x *search) readsSee(next *world, reads []consensus.ReadReady) string {
	for _, r := range reads {
		if asked := next.asked[r.ID-1]; r.Index < uint64(asked) {
			return fmt.Sprintf("read %d is answered at index %d, %d was committed before it was asked for", r.ID, r.Index, asked)
		}
	}
	return ""
}

// sleepIsDue: a leader asks its group to sleep when all members have all.
func (x *search) sleepIsDue(next *world, i int, sent []uint32) string {
	leader := x.members[next.members[i]]
	for _, n := range sent {
		m := &x.messages[n]
		if m.Kind != consensus.MsgSleep {
			continue
		}
		for j := range x.scope.voters() {
			if other := x.members[next.members[j]]; other.durable.sum(m.Index) != leader.memory.sum(m.Index) {
				return fmt.Sprintf("member %v asks to sleep at %d, which member %v does not have", leader.id, m.Index, other.id)
			}
		}
	}
	return ""
}
