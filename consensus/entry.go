package consensus

import "strconv"

// EntryKind says what the data of an entry is.
type EntryKind uint8

const (
	// EntryCommand carries a caller's bytes.
	EntryCommand EntryKind = 0
	// EntryConfig carries an encoded Configuration.
	EntryConfig EntryKind = 1
	// EntryEmpty carries nothing. A new leader appends one, because only by
	// committing an entry of its own term does it learn what is committed.
	EntryEmpty EntryKind = 2
)

// String names the kind in lower case.
func (k EntryKind) String() string {
	switch k {
	case EntryCommand:
		return "command"
	case EntryConfig:
		return "config"
	case EntryEmpty:
		return "empty"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Entry is one place in the log. Data is shared and must never be changed.
type Entry struct {
	Index, Term uint64
	Kind        EntryKind
	Data        []byte
}

// entryOverhead is what an entry is taken to cost beside its data, in bytes,
// wherever a bound in bytes is kept.
const entryOverhead = 16

func entrySize(e *Entry) uint64 { return uint64(len(e.Data)) + entryOverhead }

// HardState is what a member must find again after a restart.
type HardState struct {
	Term uint64
	// Vote is who got this member's vote in Term, 0 if nobody did.
	Vote MemberID
	// Commit may be behind what was committed: it is found again by the protocol.
	Commit uint64
}

// SnapshotMeta says what a snapshot stands for: the state after Index, and
// the configuration in force there, which the entry at ConfigIndex brought.
type SnapshotMeta struct {
	Index, Term uint64
	Config      Configuration
	ConfigIndex uint64
}

// Clone returns a copy that shares nothing with the original.
func (s SnapshotMeta) Clone() SnapshotMeta {
	s.Config = s.Config.Clone()
	return s
}

// Role is the part that a member plays in its term.
type Role uint8

const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

// String names the role in lower case.
func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case PreCandidate:
		return "pre-candidate"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	}
	return "role(" + strconv.Itoa(int(r)) + ")"
}
