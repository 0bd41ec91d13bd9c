package consensus

import (
	"fmt"
	"strings"
)

// MessageKind says what a message asks or answers.
type MessageKind uint8

const (
	// MsgAppend replicates Entries behind (Index, LogTerm); Commit is the leader's.
	MsgAppend MessageKind = 1 + iota
	// MsgAppendReply: everything up to Index is durable and equal to the leader's
	// log. With Reject, the entry at Index did not match; (HintIndex, HintTerm) is
	// the last place that may.
	MsgAppendReply
	// MsgHeartbeat: the leader lives; Commit, of term LogTerm, is committed.
	// Context is the leader's round.
	MsgHeartbeat
	// MsgHeartbeatReply echoes Context.
	MsgHeartbeatReply
	// MsgPreVote asks: would you vote for me in Term, with my log ending at (Index, LogTerm)?
	MsgPreVote
	// MsgPreVoteReply answers in the Term asked for, or with Reject in its own
	// Term; a refusal tells a commit: (Index, LogTerm) is committed.
	MsgPreVoteReply
	// MsgVote asks for a vote. Context 1: told to by the leader (TimeoutNow).
	MsgVote
	// MsgVoteReply gives the vote, or with Reject does not.
	MsgVoteReply
	// MsgTimeoutNow: the leader asks the receiver to take over at once.
	MsgTimeoutNow
	// MsgSnapshot: a snapshot, of which the body is already safe at the receiver.
	MsgSnapshot
	// MsgSleep: nothing to do; who has the log up to (Index, LogTerm) and knows
	// that Commit is committed may sleep. Context is the leader's round.
	MsgSleep
	// MsgSleepReply: I sleep. It echoes Context.
	MsgSleepReply
	// MsgWakeUp tells a leader that a member of its sleeping group is awake.
	MsgWakeUp

	lastMessageKind = MsgWakeUp
)

var messageKindNames = [...]string{
	MsgAppend: "Append", MsgAppendReply: "AppendReply",
	MsgHeartbeat: "Heartbeat", MsgHeartbeatReply: "HeartbeatReply",
	MsgPreVote: "PreVote", MsgPreVoteReply: "PreVoteReply",
	MsgVote: "Vote", MsgVoteReply: "VoteReply",
	MsgTimeoutNow: "TimeoutNow", MsgSnapshot: "Snapshot",
	MsgSleep: "Sleep", MsgSleepReply: "SleepReply", MsgWakeUp: "WakeUp",
}

// String names the kind as in the Raft thesis.
func (k MessageKind) String() string {
	if k >= 1 && int(k) < len(messageKindNames) {
		return messageKindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Message is what one member says to another. Which fields mean something
// depends on Kind; the others are zero.
type Message struct {
	Kind                MessageKind
	Reject              bool
	From, To            MemberID
	Term                uint64
	Index, LogTerm      uint64
	Commit              uint64
	HintIndex, HintTerm uint64
	Context             uint64
	// Entries follow Index without a gap.
	Entries []Entry
	// Snapshot is set in MsgSnapshot only.
	Snapshot *SnapshotMeta
}

// String gives the message on one line, for tests and for people.
func (m Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v->%v %v term=%d", m.From, m.To, m.Kind, m.Term)
	switch m.Kind {
	case MsgAppend, MsgPreVote, MsgVote, MsgSleep:
		fmt.Fprintf(&b, " log=%d/%d", m.Index, m.LogTerm)
	case MsgAppendReply:
		fmt.Fprintf(&b, " index=%d", m.Index)
	case MsgPreVoteReply:
		if m.Reject {
			fmt.Fprintf(&b, " committed=%d/%d", m.Index, m.LogTerm)
		}
	}
	if m.Commit != 0 {
		fmt.Fprintf(&b, " commit=%d", m.Commit)
	}
	if m.Reject {
		b.WriteString(" reject")
		if m.Kind == MsgAppendReply {
			fmt.Fprintf(&b, " hint=%d/%d", m.HintIndex, m.HintTerm)
		}
	}
	if m.Context != 0 {
		fmt.Fprintf(&b, " context=%d", m.Context)
	}
	if len(m.Entries) > 0 {
		b.WriteString(" entries=[")
		for i, e := range m.Entries {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%d/%d", e.Index, e.Term)
			switch e.Kind {
			case EntryCommand:
				fmt.Fprintf(&b, ":%q", e.Data)
			default:
				fmt.Fprintf(&b, ":%v", e.Kind)
			}
		}
		b.WriteByte(']')
	}
	if m.Snapshot != nil {
		fmt.Fprintf(&b, " snapshot=%d/%d %v", m.Snapshot.Index, m.Snapshot.Term, m.Snapshot.Config)
	}
	return b.String()
}
