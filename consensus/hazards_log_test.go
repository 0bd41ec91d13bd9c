package consensus

import "testing"

// acknowledged returns up to where the member has acknowledged in these messages.
func acknowledged(messages []Message) uint64 {
	highest := uint64(0)
	for _, m := range messages {
		if m.Kind == MsgAppendReply && !m.Reject {
			highest = max(highest, m.Index)
		}
	}
	return highest
}

// Hazard 5: with a snapshot nothing of the old log counts any more, its
// configurations neither.
func TestHazard05_SnapshotBringsItsConfiguration(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.appendConfigFrom(2, voters(1, 2, 3, 4))
	snapshot := SnapshotMeta{Index: 20, Term: 3, Config: voters(1, 2, 5), ConfigIndex: 9}
	s.hear(Message{Kind: MsgSnapshot, From: 2, Term: 3, Snapshot: &snapshot})
	s.sync()
	if s.ConfigIndex() != 9 || !s.Configuration().Equal(&snapshot.Config) {
		t.Fatalf("configuration %v of %d, the snapshot says %v of 9", s.Configuration(), s.ConfigIndex(), snapshot.Config)
	}
	if at, index := s.ConfigurationAt(20); index != 9 || !at.Equal(&snapshot.Config) {
		t.Fatalf("configuration at the snapshot: %v of %d", at, index)
	}
}

// Hazard 13: what was truncated is durable no longer; what took its place is
// acknowledged when it is durable itself.
func TestHazard13_TruncatedIsNotDurable(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 3})
	s.sync()
	said := s.hear(Message{Kind: MsgAppend, From: 2, Term: 3, Index: 2, LogTerm: 2, Entries: []Entry{{Index: 3, Term: 3}}})
	if at := acknowledged(said); at > 2 {
		t.Fatalf("acknowledged %d before it was durable", at)
	}
	if at := acknowledged(s.sync()); at != 3 {
		t.Fatalf("acknowledged %d when 3 was durable", at)
	}
}

// Hazard 14: a leader counts its own disk only for what is on it.
func TestHazard14_LeaderCountsItsDisk(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	index, _, err := s.Propose([]byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	s.take()
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: index})
	if s.Commit() >= index {
		t.Fatalf("commit %d with one durable copy of three", s.Commit())
	}
	if s.sync(); s.Commit() != index {
		t.Fatalf("commit %d with two durable copies of three", s.Commit())
	}
}

// Hazard 14: a follower acknowledges what is on its disk, though more has arrived.
func TestHazard14_FollowerAcknowledgesItsDisk(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgAppend, From: 2, Term: 3, Index: 3, LogTerm: 2, Entries: []Entry{{Index: 4, Term: 3}}})
	s.hear(Message{Kind: MsgAppend, From: 2, Term: 3, Index: 4, LogTerm: 3, Entries: []Entry{{Index: 5, Term: 3}}})
	if len(s.writes) != 2 {
		t.Fatalf("%d writes, want one for each message", len(s.writes))
	}
	s.Persisted(s.writes[0].Ticket)
	s.writes = s.writes[1:]
	if at := acknowledged(s.take()); at != 4 {
		t.Fatalf("acknowledged %d with 4 durable and 5 on its way", at)
	}
	if at := acknowledged(s.sync()); at != 5 {
		t.Fatalf("acknowledged %d with 5 durable", at)
	}
}

// Hazard 18: a read is answered at the index of its own round, not of an older
// one that is confirmed with it.
func TestHazard18_EachRoundHasItsIndex(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	before := s.Commit()
	if err := s.Read(1); err != nil {
		t.Fatal(err)
	}
	s.take()
	index, _, err := s.Propose([]byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: index})
	if err := s.Read(2); err != nil {
		t.Fatal(err)
	}
	round := uint64(0)
	for _, m := range s.take() {
		round = max(round, m.Context)
	}
	if err := s.Step(Message{Kind: MsgHeartbeatReply, From: 2, To: 1, Term: 3, Context: round}); err != nil {
		t.Fatal(err)
	}
	s.Output(&s.out)
	want := []ReadReady{{ID: 1, Index: before}, {ID: 2, Index: index}}
	if len(s.out.Reads) != 2 || s.out.Reads[0] != want[0] || s.out.Reads[1] != want[1] {
		t.Fatalf("answers %v, want %v", s.out.Reads, want)
	}
}

// confirmBeat ticks a leader until it sends heartbeats, lets answerAt pass, and
// answers them; it returns when they were sent.
func (s *solo) confirmBeat(from, answerAt int64) (sent int64) {
	s.t.Helper()
	round := s.round
	for now := from; now < from+10; now++ {
		s.Tick(now)
		var answers []Message
		for _, m := range s.take() {
			if m.Kind == MsgHeartbeat && m.Context > round {
				answers = append(answers, Message{Kind: MsgHeartbeatReply, From: m.To, Term: s.Term(), Context: m.Context})
			}
		}
		if len(answers) == 0 {
			continue
		}
		s.Tick(answerAt)
		s.take()
		for _, m := range answers {
			s.hear(m)
		}
		return now
	}
	s.t.Fatal("no heartbeat in ten ticks")
	return 0
}

// Hazard 19: a lease counts from when the heartbeat was sent, not from its answer.
func TestHazard19_LeaseCountsFromTheHeartbeat(t *testing.T) {
	s := newSolo(t, Config{LeaseNanos: 100}, voters(1, 2, 3))
	s.lead(2, 3)
	if sent := s.confirmBeat(1000, 1050); s.LeaseUntil() != sent+100 {
		t.Fatalf("lease until %d, the heartbeat was sent at %d", s.LeaseUntil(), sent)
	}
}

// Hazard 20: who has asked another to take over holds no lease for the rest of
// the term, also when the transfer was called off: the request may still be on
// its way.
func TestHazard20_NoLeaseAfterATransfer(t *testing.T) {
	s := newSolo(t, Config{LeaseNanos: 100}, voters(1, 2, 3))
	s.lead(2, 3)
	s.confirmBeat(1000, 1010)
	if s.LeaseUntil() == 0 {
		t.Fatal("no lease before the transfer")
	}
	if err := s.TransferLeader(2); err != nil {
		t.Fatal(err)
	}
	if said := s.take(); !has(said, MsgTimeoutNow) || s.LeaseUntil() != 0 {
		t.Fatalf("said %v, lease until %d", said, s.LeaseUntil())
	}
	if err := s.TransferLeader(1); err != nil { // called off
		t.Fatal(err)
	}
	if s.confirmBeat(1020, 1030); s.LeaseUntil() != 0 {
		t.Fatalf("lease until %d while the request to take over may be on its way", s.LeaseUntil())
	}
}

// Hazard 25: a snapshot that comes late rewinds nothing.
func TestHazard25_LateSnapshotRewindsNothing(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	for _, index := range []uint64{20, 10} {
		s.hear(Message{Kind: MsgSnapshot, From: 2, Term: 3, Snapshot: &SnapshotMeta{Index: index, Term: 3, Config: voters(1, 2, 3), ConfigIndex: 1}})
		s.sync()
		if s.Commit() != 20 || s.AppliedIndex() != 20 || s.LastIndex() != 20 {
			t.Fatalf("after the snapshot at %d: commit %d, applied %d, last %d", index, s.Commit(), s.AppliedIndex(), s.LastIndex())
		}
	}
}

// Hazard 45: what waits for a slow disk does not grow with what is asked
// meanwhile, and the newest answer is the one that is given.
func TestHazard45_AnswersThatWaitAreBounded(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	for range 100 {
		s.hear(Message{Kind: MsgVote, From: 3, Term: 3, Index: 9, LogTerm: 2})
	}
	for round := range uint64(100) {
		s.hear(Message{Kind: MsgHeartbeat, From: 3, Term: 3, Context: round})
		s.hear(Message{Kind: MsgAppend, From: 3, Term: 3, Index: 9, LogTerm: 3, Context: round})
	}
	if len(s.held) > 3 {
		t.Fatalf("%d answers wait for one write", len(s.held))
	}
	for _, m := range s.sync() {
		if m.Kind == MsgHeartbeatReply && m.Context != 99 {
			t.Errorf("answers round %d, 99 was the last", m.Context)
		}
	}
}

// Hazard 12: entries are taken only behind an entry that is the leader's.
func TestHazard12_NothingBehindAnotherLog(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgAppend, From: 2, Term: 4, Index: 3, LogTerm: 3, Commit: 3, Entries: []Entry{{Index: 4, Term: 4}}})
	if at := acknowledged(s.sync()); at != 0 || s.LastIndex() != 3 || s.Commit() != 1 {
		t.Fatalf("acknowledged %d, log up to %d, commit %d, behind an entry of another term", at, s.LastIndex(), s.Commit())
	}
}
