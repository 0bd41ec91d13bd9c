package consensus

import (
	"slices"
	"testing"
)

// solo is one member, fed by hand. Its disk is as slow as the test wants.
type solo struct {
	*Core
	t      *testing.T
	out    Output
	writes []Write
}

// newSolo starts member 1 of a group of three, with two entries of term 1
// behind the first snapshot, which are not known to be committed.
func newSolo(t *testing.T, cfg Config, config Configuration) *solo {
	cfg.ID, cfg.ElectionTicks, cfg.HeartbeatTicks = 1, 10, 2
	cfg.Rand = func(int) int { return 0 }
	disk := firstDisk(config)
	disk.state.Term = 2
	disk.log = []Entry{{Index: 2, Term: 2, Data: []byte("a")}, {Index: 3, Term: 2, Data: []byte("b")}}
	core, err := New(cfg, &disk, Start{State: disk.state, Snapshot: disk.snap, LastIndex: 3})
	if err != nil {
		t.Fatal(err)
	}
	return &solo{Core: core, t: t}
}

// take returns what the member says now.
func (s *solo) take() []Message {
	var messages []Message
	for s.HasOutput() {
		s.Output(&s.out)
		messages = append(messages, slices.Clone(s.out.Messages)...)
		if s.out.Write.Ticket != 0 {
			s.writes = append(s.writes, s.out.Write)
		}
		if n := len(s.out.Committed); n > 0 {
			s.Applied(s.out.Committed[n-1].Index)
		}
	}
	return messages
}

// sync completes all writes and returns what the member says then.
func (s *solo) sync() []Message {
	messages := s.take()
	for len(s.writes) > 0 {
		s.Persisted(s.writes[len(s.writes)-1].Ticket)
		s.writes = nil
		messages = append(messages, s.take()...)
	}
	return messages
}

func (s *solo) hear(m Message) []Message {
	s.t.Helper()
	m.To = 1
	if err := s.Step(m); err != nil {
		s.t.Fatal(err)
	}
	return s.take()
}

// lead makes the member leader of the next term, with the others' logs equal.
func (s *solo) lead(others ...MemberID) {
	s.t.Helper()
	for range 10 {
		s.Tick(s.now)
	}
	s.sync()
	for _, kind := range []MessageKind{MsgPreVoteReply, MsgVoteReply} {
		for _, id := range others {
			s.hear(Message{Kind: kind, From: id, Term: 3})
		}
		s.sync()
	}
	if s.Role() != Leader {
		s.t.Fatal("not elected")
	}
	for _, id := range others {
		s.hear(Message{Kind: MsgAppendReply, From: id, Term: 3, Index: s.LastIndex()})
	}
	s.sync()
}

func kinds(messages []Message) []MessageKind {
	var kinds []MessageKind
	for _, m := range messages {
		kinds = append(kinds, m.Kind)
	}
	return kinds
}

func has(messages []Message, kind MessageKind) bool { return slices.Contains(kinds(messages), kind) }

// Hazard 12: a follower's commit index stays within what this leader has shown
// to be equal, whatever the leader's own is.
func TestHazard12_CommitWithinValidatedPrefix(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgAppend, From: 2, Term: 3, Index: 2, LogTerm: 2, Commit: 9})
	if s.Commit() != 2 {
		t.Fatalf("commit %d: only 2 was compared", s.Commit())
	}
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 3, Commit: 3, LogTerm: 3})
	if s.Commit() != 2 {
		t.Fatalf("commit %d: 3 is of another term here", s.Commit())
	}
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 3, Commit: 3, LogTerm: 2})
	if s.Commit() != 3 {
		t.Fatalf("commit %d, want 3", s.Commit())
	}
}

// Hazard 8: a vote of a newer term is not even heard while the leader is.
func TestHazard08_VoteIgnoredWhileLeaderIsHeard(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 1})
	s.hear(Message{Kind: MsgVote, From: 3, Term: 9, Index: 9, LogTerm: 9})
	if s.Term() != 2 || s.Leader() != 2 {
		t.Fatalf("term %d, leader %v", s.Term(), s.Leader())
	}
	// The leader itself may ask for the election.
	s.hear(Message{Kind: MsgVote, From: 3, Term: 9, Index: 9, LogTerm: 9, Context: voteForced})
	if !has(s.sync(), MsgVoteReply) || s.Term() != 9 {
		t.Fatalf("no vote in a transfer: term %d", s.Term())
	}
}

// Hazard 3: while joint, an election needs both majorities.
func TestHazard03_JointElectionNeedsBothMajorities(t *testing.T) {
	config := voters(1, 2)
	config.Outgoing = voters(1, 3, 4).Voters
	s := newSolo(t, Config{}, config)
	for range 10 {
		s.Tick(0)
	}
	s.sync()
	s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 3})
	if s.Role() != PreCandidate {
		t.Fatalf("%v with the incoming majority alone", s.Role())
	}
	s.hear(Message{Kind: MsgPreVoteReply, From: 4, Term: 3})
	if s.Role() != Candidate {
		t.Fatalf("%v with both majorities", s.Role())
	}
}

// Hazard 3: a joint configuration that is not committed is not left, not even
// when a transfer that was in the way is called off.
func TestHazard03_JointNotLeftBeforeCommit(t *testing.T) {
	config := voters(1, 2, 3)
	config.Learners = []Member{{ID: 4, Node: 40}}
	s := newSolo(t, Config{}, config)
	s.lead(2, 3)
	index, err := s.ProposeChange(Change{Promote: []MemberID{4}, Remove: []MemberID{3}}, s.ConfigIndex())
	if err != nil {
		t.Fatal(err)
	}
	s.take()
	if err := s.TransferLeader(2); err != nil {
		t.Fatal(err)
	}
	s.TransferLeader(1) // called off
	s.take()
	if s.LastIndex() != index {
		t.Fatalf("an entry behind the uncommitted joint configuration at %d", index)
	}
}

// Hazard 25: while a snapshot is installed nothing else is written, and nothing
// that depends on a newer state is said.
func TestHazard25_NoWriteOvertakesAnInstall(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgSnapshot, From: 2, Term: 3, Snapshot: &SnapshotMeta{Index: 20, Term: 3, Config: voters(1, 2, 3), ConfigIndex: 1}})
	if len(s.writes) != 1 || s.writes[0].Install == nil || !s.Installing() {
		t.Fatalf("writes %+v", s.writes)
	}
	said := s.hear(Message{Kind: MsgVote, From: 3, Term: 4, Index: 30, LogTerm: 3, Context: voteForced})
	if len(s.writes) != 1 || len(said) != 0 {
		t.Fatalf("during the install: writes %+v, messages %v", s.writes, said)
	}
	if said = s.sync(); !has(said, MsgVoteReply) || s.AppliedIndex() != 20 || s.Installing() {
		t.Fatalf("after the install: messages %v, applied %d", said, s.AppliedIndex())
	}
}

// Hazard 19: what a member promised a leader by answering its heartbeat
// outlives a restart, a newer term, and an impatient caller.
func TestHazard19_PromisesAreKept(t *testing.T) {
	vote := Message{Kind: MsgVote, From: 3, Term: 7, Index: 9, LogTerm: 3}
	t.Run("restart", func(t *testing.T) {
		s := newSolo(t, Config{LeaseNanos: 8}, voters(1, 2, 3))
		s.hear(vote)
		if s.Term() != 2 {
			t.Fatal("voted right after the start")
		}
		for range 10 {
			s.Tick(0)
		}
		s.hear(vote)
		if s.Term() != 7 {
			t.Fatal("no vote when the promise is over")
		}
	})
	t.Run("newer term", func(t *testing.T) {
		s := newSolo(t, Config{LeaseNanos: 8}, voters(1, 2, 3))
		s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 1})
		s.hear(Message{Kind: MsgPreVoteReply, From: 3, Term: 5, Reject: true})
		s.hear(vote)
		if s.Term() != 5 {
			t.Fatalf("term %d: voted against the lease", s.Term())
		}
	})
	t.Run("the newer term itself", func(t *testing.T) {
		s := newSolo(t, Config{LeaseNanos: 8}, voters(1, 2, 3))
		s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 1})
		s.hear(Message{Kind: MsgPreVoteReply, From: 3, Term: 7, Reject: true})
		s.hear(vote)
		s.sync()
		if s.Term() != 7 || s.Status().Vote != 0 {
			t.Fatalf("term %d, vote %v: voted against the lease", s.Term(), s.Status().Vote)
		}
	})
	t.Run("campaign", func(t *testing.T) {
		s := newSolo(t, Config{LeaseNanos: 8}, voters(1, 2, 3))
		s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 1})
		s.Campaign()
		if s.Role() != Follower {
			t.Fatal("campaigned against the lease")
		}
	})
}

// Hazard 19: a lease rests on the configuration in force; a new one needs new answers.
func TestHazard19_LeaseEndsWithItsConfiguration(t *testing.T) {
	config := voters(1, 2, 3)
	config.Learners = []Member{{ID: 4, Node: 40}}
	s := newSolo(t, Config{LeaseNanos: 100}, config)
	s.lead(2, 3)
	s.Tick(1000)
	s.Tick(1001)
	for _, m := range s.take() {
		if m.Kind == MsgHeartbeat {
			s.hear(Message{Kind: MsgHeartbeatReply, From: m.To, Term: 3, Context: m.Context})
		}
	}
	if s.LeaseUntil() != 1101 {
		t.Fatalf("lease until %d", s.LeaseUntil())
	}
	if _, err := s.ProposeChange(Change{Promote: []MemberID{4}}, s.ConfigIndex()); err != nil {
		t.Fatal(err)
	}
	if s.LeaseUntil() != 0 {
		t.Fatalf("lease until %d under a configuration nobody has answered", s.LeaseUntil())
	}
}

// Hazard 44: a Sleep that the leader has spoken since is out of date, and a
// follower that is woken tells its leader.
func TestHazard44_StaleSleepAndWakeUp(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	sleep := Message{Kind: MsgSleep, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3, Context: 5}
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 6, Commit: 3, LogTerm: 2})
	s.hear(sleep)
	if s.Asleep() {
		t.Fatal("asleep while the leader is awake")
	}
	sleep.Context = 7
	if said := s.hear(sleep); !s.Asleep() || !has(said, MsgSleepReply) {
		t.Fatalf("not asleep: %v", said)
	}
	// Neither what was sent before nor the same again wakes it.
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 6})
	if said := s.hear(sleep); !s.Asleep() || !has(said, MsgSleepReply) {
		t.Fatalf("woken by what is late: %v", said)
	}
	if said := s.hear(Message{Kind: MsgHeartbeat, From: 3, Term: 1}); !s.Asleep() || !has(said, MsgAppendReply) {
		t.Fatalf("woken by a leader of old, or does not tell it so: %v", said)
	}
	if s.hear(Message{Kind: MsgWakeUp, From: 9, Term: 2}); !s.Asleep() {
		t.Fatal("woken by one that is no member")
	}
	s.Wake()
	if said := s.take(); s.Asleep() || !has(said, MsgWakeUp) {
		t.Fatalf("woken, and says %v", said)
	}
	// Whoever woke it has waited for the leader already: it is given time to answer, and
	// then the random part of the timer is left.
	for range 4 {
		s.Tick(0)
	}
	if s.take(); s.Role() != Follower {
		t.Fatal("a leader that lives had no time to answer")
	}
	if s.Tick(0); s.Role() != PreCandidate {
		t.Fatal("no election after waking to a dead leader")
	}
}

// Where leases are used, a follower that is woken waits for an election timeout by its
// own clock: its word may be what the leader's lease rests on.
func TestHazard44_WokenWithLeases(t *testing.T) {
	s := newSolo(t, Config{LeaseNanos: 1}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 6, Commit: 3, LogTerm: 2})
	if s.hear(Message{Kind: MsgSleep, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3, Context: 7}); !s.Asleep() {
		t.Fatal("awake")
	}
	s.Wake()
	for range s.cfg.ElectionTicks - 1 {
		s.Tick(0)
	}
	if s.take(); s.Role() != Follower {
		t.Fatal("the election timer did not start afresh")
	}
	if s.Tick(0); s.Role() != PreCandidate {
		t.Fatal("no election after waking to a dead leader")
	}
}

// A member whose configuration is empty, or that left, never campaigns.
func TestNoCampaignOutsideTheConfiguration(t *testing.T) {
	core, err := New(Config{ID: 9, Rand: func(int) int { return 0 }}, nil, Start{})
	if err != nil {
		t.Fatal(err)
	}
	core.Campaign()
	for range 100 {
		core.Tick(0)
	}
	if core.Role() != Follower || core.Term() != 0 {
		t.Fatalf("%v in term %d", core.Role(), core.Term())
	}
	// It votes all the same: it may have been promoted and not know.
	s := &solo{Core: core, t: t}
	core.Step(Message{Kind: MsgVote, From: 1, To: 9, Term: 5, Index: 7, LogTerm: 4})
	if !has(s.sync(), MsgVoteReply) {
		t.Fatal("no vote")
	}
}
