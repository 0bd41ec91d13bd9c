package consensus

import "github.com/raftfleet/raftfleet/consensus/tracker"

// Status is all there is to know of a member, for people and for metrics.
type Status struct {
	ID                   MemberID
	Role                 Role
	Term                 uint64
	Leader, Vote         MemberID
	Commit, Applied      uint64
	LastTerm             uint64 // of the last entry of the log
	First, Last, Durable uint64 // of the log; First is the first entry that can be had
	DurableTerm          uint64 // of the entry at Durable
	Snapshot             uint64 // index of the newest snapshot
	Config               Configuration
	ConfigIndex          uint64
	ChangePending        bool     // the configuration is joint or not committed
	TransferTarget       MemberID // 0: no transfer
	Asleep               bool
	LeaseUntil           int64
	UncommittedBytes     uint64
	LogBytes             uint64
	PendingReads         int
	Members              []MemberStatus // known to a leader that is awake; its own included
}

// MemberStatus is a leader's view of one member.
type MemberStatus struct {
	ID             MemberID
	Match, Next    uint64
	State          tracker.State
	RecentlyActive bool // heard within the last election timeout; its own always
	Inflight       int
	InflightBytes  uint64
	Snapshot       uint64 // index of a snapshot on its way, 0 if none
}

// Status returns a copy of everything.
func (c *Core) Status() Status {
	s := Status{
		ID: c.cfg.ID, Role: c.role, Term: c.state.Term, Leader: c.leader, Vote: c.state.Vote,
		Commit: c.state.Commit, Applied: c.applied,
		LastTerm: c.log.lastTerm(), First: c.log.base + 1, Last: c.log.last, Durable: c.log.durable, Snapshot: c.log.snapIndex,
		Config: c.Configuration().Clone(), ConfigIndex: c.ConfigIndex(),
		ChangePending:  c.Configuration().Joint() || c.ConfigIndex() > c.state.Commit,
		TransferTarget: c.transfer.target, Asleep: c.asleep, LeaseUntil: c.LeaseUntil(),
		UncommittedBytes: c.uncommittedBytes, LogBytes: c.log.memoryBytes, PendingReads: len(c.reads),
	}
	s.DurableTerm, _ = c.log.term(c.log.durable)
	if c.role == Leader {
		for i := range c.peers {
			p := &c.peers[i]
			m := MemberStatus{
				ID: p.id, Match: p.Match, Next: p.Next, State: p.State, RecentlyActive: c.recent(p),
				Inflight: p.Inflights.Count(), InflightBytes: p.Inflights.Bytes(),
			}
			if p.State == tracker.Snapshot {
				m.Snapshot = p.Pending
			}
			s.Members = append(s.Members, m)
		}
	}
	return s
}
