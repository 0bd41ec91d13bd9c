package consensus

import (
	"errors"
	"testing"
)

// What no correct member sends is refused and has no effect.
func TestInvalidMessagesAreRefused(t *testing.T) {
	badConfig := Configuration{Voters: []Member{{ID: 2}, {ID: 1}}}
	snapshot := func(change func(*SnapshotMeta)) *SnapshotMeta {
		s := SnapshotMeta{Index: 9, Term: 3, Config: voters(1, 2, 3), ConfigIndex: 1}
		change(&s)
		return &s
	}
	for name, m := range map[string]Message{
		"no kind":                  {From: 2, To: 1, Term: 3},
		"unknown kind":             {Kind: lastMessageKind + 1, From: 2, To: 1, Term: 3},
		"for another":              {Kind: MsgVote, From: 2, To: 3, Term: 3},
		"from nobody":              {Kind: MsgVote, To: 1, Term: 3},
		"from itself":              {Kind: MsgVoteReply, From: 1, To: 1, Term: 3},
		"no term":                  {Kind: MsgVote, From: 2, To: 1},
		"no snapshot":              {Kind: MsgSnapshot, From: 2, To: 1, Term: 3},
		"snapshot with a vote":     {Kind: MsgVote, From: 2, To: 1, Term: 3, Snapshot: snapshot(func(*SnapshotMeta) {})},
		"entries with a heartbeat": {Kind: MsgHeartbeat, From: 2, To: 1, Term: 3, Entries: []Entry{{Index: 1, Term: 1}}},
		"snapshot of nothing":      {Kind: MsgSnapshot, From: 2, To: 1, Term: 3, Snapshot: snapshot(func(s *SnapshotMeta) { s.Index = 0 })},
		"snapshot of the future":   {Kind: MsgSnapshot, From: 2, To: 1, Term: 3, Snapshot: snapshot(func(s *SnapshotMeta) { s.Term = 4 })},
		"snapshot of no group":     {Kind: MsgSnapshot, From: 2, To: 1, Term: 3, Snapshot: snapshot(func(s *SnapshotMeta) { s.Config = badConfig })},
		"a gap between entries":    {Kind: MsgAppend, From: 2, To: 1, Term: 3, Index: 3, LogTerm: 2, Entries: []Entry{{Index: 5, Term: 3}}},
		"terms going back":         {Kind: MsgAppend, From: 2, To: 1, Term: 3, Index: 3, LogTerm: 2, Entries: []Entry{{Index: 4, Term: 1}}},
		"an entry of the future":   {Kind: MsgAppend, From: 2, To: 1, Term: 3, Index: 3, LogTerm: 2, Entries: []Entry{{Index: 4, Term: 4}}},
		"an unreadable configuration": {Kind: MsgAppend, From: 2, To: 1, Term: 3, Index: 3, LogTerm: 2,
			Entries: []Entry{{Index: 4, Term: 3, Kind: EntryConfig, Data: []byte{9}}}},
	} {
		s := newSolo(t, Config{}, voters(1, 2, 3))
		before := string(s.AppendFingerprint(nil))
		if err := s.Step(m); !errors.Is(err, ErrInvalidMessage) {
			t.Errorf("%s: %v", name, err)
		}
		if string(s.AppendFingerprint(nil)) != before {
			t.Errorf("%s: it had an effect", name)
		}
	}
}

// A second leader of a term is an impostor.
func TestTwoLeadersInATermAreRefused(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 3})
	if err := s.Step(Message{Kind: MsgHeartbeat, From: 3, To: 1, Term: 3}); !errors.Is(err, ErrInvalidMessage) {
		t.Fatalf("error %v", err)
	}
}

// A leader that contradicts what is committed here is not followed: some disk
// has lost what it had promised.
func TestContradictionOfACommittedEntry(t *testing.T) {
	for name, m := range map[string]Message{
		"before the entries": {Index: 3, LogTerm: 3, Entries: []Entry{{Index: 4, Term: 3}}},
		"in the entries":     {Index: 2, LogTerm: 2, Entries: []Entry{{Index: 3, Term: 3}}},
	} {
		s := newSolo(t, Config{}, voters(1, 2, 3))
		s.hear(Message{Kind: MsgAppend, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3})
		s.sync()
		m.Kind, m.From, m.To, m.Term = MsgAppend, 3, 1, 3
		if err := s.Step(m); !errors.Is(err, ErrDiverged) {
			t.Errorf("%s: %v", name, err)
		}
		if term, _ := s.log.term(3); term != 2 || s.Commit() != 3 {
			t.Errorf("%s: entry 3 of term %d, commit %d", name, term, s.Commit())
		}
	}
}

// What strangers and those who come late tell a leader is not believed.
func TestLeaderIgnoresStrangersAndImpossibleAnswers(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 2, Index: 3}) // it leads nobody
	s.lead(2, 3)
	index, _, err := s.Propose([]byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 9, Term: 3, Index: index})
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: index + 1})
	if s.Commit() >= index {
		t.Fatalf("commit %d by a stranger and by an answer to what was never sent", s.Commit())
	}
	s.Persisted(s.tickets.last + 1)
	s.Persisted(s.tickets.last)
	s.Applied(index)
	if s.AppliedIndex() >= index {
		t.Fatalf("applied %d, which was not handed out", s.AppliedIndex())
	}
}

// Bytes that claim more entries than an index can count are refused.
func TestEntriesBeyondTheLastIndex(t *testing.T) {
	m := Message{Kind: MsgAppend, From: 2, To: 1, Term: 3, Index: 1<<64 - 1, Entries: []Entry{{Term: 3}, {Term: 3}}}
	if _, err := DecodeMessage(AppendMessage(nil, &m)); !errors.Is(err, ErrMalformed) {
		t.Fatalf("error %v", err)
	}
	config := voters(1)
	good := config.AppendBinary(nil)
	for _, bad := range [][]byte{nil, {}, good[:len(good)-1], append(good[:len(good):len(good)], 0)} {
		if _, err := DecodeConfiguration(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("configuration %v: %v", bad, err)
		}
	}
	unsorted := Configuration{Voters: []Member{{ID: 2}, {ID: 1}}}
	if _, err := DecodeConfiguration(unsorted.AppendBinary(nil)); !errors.Is(err, ErrMalformed) {
		t.Errorf("configuration in disorder: %v", err)
	}
}
