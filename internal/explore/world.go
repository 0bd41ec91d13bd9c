package explore

import (
	"encoding/binary"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
)

const (
	maxMembers = 4
	maxTerms   = 8  // of a history
	maxIndex   = 16 // of a history
	maxReads   = 4
)

// world is the state of the whole: numbers of members' states, of the set of
// messages that were sent, and of the history, and how often what is bounded
// has happened.
type world struct {
	members [maxMembers]uint32
	network uint32
	history uint32
	used    [9]uint8
	asked   [maxReads]uint8 // by read: what was committed when it was asked for
}

// What is bounded by number, in world.used.
const (
	usedCommands = iota
	usedChanges
	usedCrashes
	usedBeats
	usedTransfers
	usedReads
	usedTicks
	usedWakes
	usedCampaigns
)

func (w *world) hash() uint64 {
	const m = 0x9e3779b97f4a7c15
	h := uint64(w.network)<<32 | uint64(w.history)
	h = (h ^ h>>29) * m
	for i := 0; i < maxMembers; i += 2 {
		h ^= uint64(w.members[i])<<32 | uint64(w.members[i+1])
		h = (h ^ h>>32) * m
	}
	for _, u := range w.used {
		h = h<<5 ^ h>>59 ^ uint64(u)
	}
	for _, a := range w.asked {
		h = h<<5 ^ h>>59 ^ uint64(a)
	}
	h *= m
	return h ^ h>>31
}

// history is what must be remembered to judge the present.
type history struct {
	leaders [maxTerms]uint8             // by term: who led it
	votes   [maxMembers][maxTerms]uint8 // by member and term: who got its vote
	// The log that is committed: for each index from 1 on the sum up to there, and
	// the term of the leader that committed it.
	committed uint64
	sums      [maxIndex]uint64
	in        [maxIndex]uint8
}

// worlds is the set of all that were seen, numbered in the order of their
// discovery, each with the way to it.
type worlds struct {
	all    []world
	parent []uint32
	by     []action
	actor  []uint8
	slots  []uint32 // open addressing; number + 1
}

// add returns whether the world is new.
func (s *worlds) add(w *world, parent uint32, actor int, by action) bool {
	if 2*(len(s.all)+1) > len(s.slots) {
		s.grow()
	}
	mask := uint64(len(s.slots) - 1)
	for i := w.hash() & mask; ; i = (i + 1) & mask {
		at := s.slots[i]
		if at == 0 {
			s.all = append(s.all, *w)
			s.parent, s.by, s.actor = append(s.parent, parent), append(s.by, by), append(s.actor, uint8(actor))
			s.slots[i] = uint32(len(s.all))
			return true
		}
		if s.all[at-1] == *w {
			return false
		}
	}
}

func (s *worlds) grow() {
	s.slots = make([]uint32, max(1<<16, 2*len(s.slots)))
	mask := uint64(len(s.slots) - 1)
	for n := range s.all {
		i := s.all[n].hash() & mask
		for s.slots[i] != 0 {
			i = (i + 1) & mask
		}
		s.slots[i] = uint32(n + 1)
	}
}

// numberMember gives a state of a member its number.
func (x *search) numberMember(m *member) uint32 {
	key := m.key()
	if n, ok := x.memberNumbers[key]; ok {
		return n
	}
	n := uint32(len(x.members))
	x.members = append(x.members, m)
	x.memberNumbers[key] = n
	return n
}

func (x *search) numberMessage(m *consensus.Message) uint32 {
	x.buffer = consensus.AppendMessage(x.buffer[:0], m)
	if n, ok := x.messageNumbers[string(x.buffer)]; ok {
		return n
	}
	n := uint32(len(x.messages))
	kept := *m
	kept.Entries = slices.Clone(m.Entries)
	x.messages = append(x.messages, kept)
	x.messageNumbers[string(x.buffer)] = n
	return n
}

// numberNetwork gives a sorted set of messages its number.
func (x *search) numberNetwork(set []uint32) uint32 {
	x.buffer = x.buffer[:0]
	for _, m := range set {
		x.buffer = binary.BigEndian.AppendUint32(x.buffer, m)
	}
	if n, ok := x.networkNumbers[string(x.buffer)]; ok {
		return n
	}
	n := uint32(len(x.networks))
	x.networks = append(x.networks, slices.Clone(set))
	x.networkNumbers[string(x.buffer)] = n
	return n
}

func (x *search) numberHistory(h *history) uint32 {
	if n, ok := x.historyNumbers[*h]; ok {
		return n
	}
	n := uint32(len(x.histories))
	x.histories = append(x.histories, *h)
	x.historyNumbers[*h] = n
	return n
}

// network returns the set after a step: with what was sent, and without what the
// scope lets be forgotten.
func (x *search) network(w *world, sent []uint32) uint32 {
	set := append(x.set[:0], x.networks[w.network]...)
	set = append(set, sent...)
	slices.Sort(set)
	set = slices.Compact(set)
	if !x.scope.AllMessages {
		set = slices.DeleteFunc(set, func(n uint32) bool {
			m := &x.messages[n]
			return x.spent(m, x.members[w.members[m.To-1]])
		})
	}
	x.set = set
	return x.numberNetwork(set)
}

// spent reports whether a message can change nothing any more at its receiver,
// not even after a crash, or only say again what was said.
func (x *search) spent(m *consensus.Message, to *member) bool {
	onDisk := to.disk.state
	if m.Term < onDisk.Term {
		return true
	}
	settled := m.Term == onDisk.Term // the receiver will not be in this term anew
	switch m.Kind {
	case consensus.MsgVote:
		return settled && onDisk.Vote != 0
	case consensus.MsgPreVote:
		return settled && onDisk.Vote != 0 && onDisk.Vote != m.From
	case consensus.MsgVoteReply:
		return settled && to.role != consensus.Candidate
	case consensus.MsgPreVoteReply:
		return settled && m.Index <= to.commit
	case consensus.MsgAppendReply, consensus.MsgHeartbeatReply:
		return settled && to.role != consensus.Leader
	case consensus.MsgAppend:
		return settled && m.Commit <= to.commit && m.Index+uint64(len(m.Entries)) <= min(to.commit, to.durable.last())
	}
	return false
}
