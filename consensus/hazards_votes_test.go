package consensus

import (
	"errors"
	"testing"
)

// appendConfigFrom gives a follower a configuration as entry 4, behind what newSolo has.
func (s *solo) appendConfigFrom(leader MemberID, config Configuration) {
	s.t.Helper()
	entry := Entry{Index: 4, Term: 3, Kind: EntryConfig, Data: config.AppendBinary(nil)}
	s.hear(Message{Kind: MsgAppend, From: leader, Term: 3, Index: 3, LogTerm: 2, Entries: []Entry{entry}})
	s.sync()
}

// Hazard 2: an election is decided by the newest configuration in the log,
// whether or not the member knows it to be committed or has applied it.
func TestHazard02_CampaignWithTheConfigurationInTheLog(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	joint := voters(2)
	joint.Outgoing = voters(1, 2, 3).Voters
	s.appendConfigFrom(2, joint)
	for range 10 {
		s.Tick(0)
	}
	s.sync()
	s.hear(Message{Kind: MsgPreVoteReply, From: 3, Term: 4})
	if s.Role() != PreCandidate {
		t.Fatalf("%v by the voters of the former configuration, commit %d, configuration %v of %d", s.Role(), s.Commit(), s.Configuration(), s.ConfigIndex())
	}
	s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 4})
	if s.Role() != Candidate {
		t.Fatalf("%v with both majorities", s.Role())
	}
}

// Hazard 3: while joint, a commit needs both majorities.
func TestHazard03_JointCommitNeedsBothMajorities(t *testing.T) {
	config := voters(1, 2, 3)
	config.Learners = []Member{{ID: 4, Node: 40}}
	s := newSolo(t, Config{}, config)
	s.lead(2, 3)
	index, err := s.ProposeChange(Change{Promote: []MemberID{4}, Remove: []MemberID{2, 3}}, s.ConfigIndex())
	if err != nil {
		t.Fatal(err)
	}
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 4, Term: 3, Index: index})
	if s.Commit() >= index {
		t.Fatalf("commit %d by the incoming majority alone", s.Commit())
	}
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: index})
	if s.Commit() != index || s.Configuration().Joint() {
		t.Fatalf("commit %d, configuration %v, with both majorities", s.Commit(), s.Configuration())
	}
}

// Hazard 7: a change does not help a group out of a lost quorum, for the
// majority of the former voters must agree to it; and some voter must be left.
func TestHazard07_NoChangeGoesRoundTheQuorum(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	if _, err := s.ProposeChange(Change{Demote: []MemberID{1, 2, 3}}, s.ConfigIndex()); !errors.Is(err, ErrInvalidChange) {
		t.Fatalf("a group without voters: %v", err)
	}
	index, err := s.ProposeChange(Change{Remove: []MemberID{2, 3}}, s.ConfigIndex())
	if err != nil {
		t.Fatal(err)
	}
	if s.sync(); s.Commit() >= index || !s.Configuration().Joint() {
		t.Fatalf("commit %d, configuration %v: nobody of those to be removed has agreed", s.Commit(), s.Configuration())
	}
	if _, err := s.ProposeChange(Change{Remove: []MemberID{2, 3}}, s.ConfigIndex()); !errors.Is(err, ErrChangePending) {
		t.Fatalf("a second change: %v", err)
	}
}

// Hazard 9: neither a vote nor a request for votes leaves, nor does the own vote
// count, before term and vote are durable.
func TestHazard09_VoteIsDurableBeforeTheAnswer(t *testing.T) {
	vote := Message{Kind: MsgVote, From: 2, Term: 5, Index: 9, LogTerm: 4}
	s := newSolo(t, Config{}, voters(1, 2, 3))
	if said := s.hear(vote); len(said) != 0 {
		t.Fatalf("said before the vote was durable: %v", said)
	}
	if said := s.sync(); !has(said, MsgVoteReply) || s.HardState().Vote != 2 {
		t.Fatalf("said %v, state %+v", said, s.HardState())
	}

	s = newSolo(t, Config{}, voters(1, 2, 3))
	for range 10 {
		s.Tick(0)
	}
	s.sync()
	if said := s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 3}); s.Role() != Candidate || len(said) != 0 {
		t.Fatalf("%v, said before its vote was durable: %v", s.Role(), said)
	}
	s.hear(Message{Kind: MsgVoteReply, From: 2, Term: 3})
	if s.Role() != Candidate {
		t.Fatalf("%v by one durable vote of three", s.Role())
	}
	s.sync()
	if s.Role() != Leader {
		t.Fatalf("%v by two durable votes of three", s.Role())
	}
}

// Hazard 10: a vote counts in its term only, a pre-vote only for the term that
// was asked for.
func TestHazard10_VoteOfAnotherTermDoesNotCount(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgPreVoteReply, From: 3, Term: 8, Reject: true})
	for range 10 {
		s.Tick(0)
	}
	s.sync()
	s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 3})
	s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 10})
	if s.Role() != PreCandidate {
		t.Fatalf("%v in term %d", s.Role(), s.Term())
	}
	s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 9})
	s.sync()
	s.hear(Message{Kind: MsgVoteReply, From: 2, Term: 3})
	if s.Role() != Candidate || s.Term() != 9 {
		t.Fatalf("%v in term %d by a vote of term 3", s.Role(), s.Term())
	}
	s.hear(Message{Kind: MsgVoteReply, From: 2, Term: 9})
	if s.Role() != Leader {
		t.Fatalf("%v by a vote of term 9", s.Role())
	}
}

// Hazard 21: being asked for a vote, or for a pre-vote, does not restart the
// election timer; giving a vote does.
func TestHazard21_OnlyAVoteRestartsTheTimer(t *testing.T) {
	for name, c := range map[string]struct {
		asked Message
		ticks int
	}{
		"pre-vote granted": {Message{Kind: MsgPreVote, Term: 3, Index: 9, LogTerm: 2}, 5},
		"vote refused":     {Message{Kind: MsgVote, Term: 3, Index: 1, LogTerm: 1}, 5},
		"vote given":       {Message{Kind: MsgVote, Term: 3, Index: 9, LogTerm: 2}, 10},
	} {
		s := newSolo(t, Config{}, voters(1, 2, 3))
		for range 5 {
			s.Tick(0)
		}
		c.asked.From = 2
		s.hear(c.asked)
		ticks := 0
		for ; s.Role() == Follower; ticks++ {
			s.Tick(0)
		}
		if ticks != c.ticks {
			t.Errorf("%s: campaigns after %d more ticks, want %d", name, ticks, c.ticks)
		}
	}
}
