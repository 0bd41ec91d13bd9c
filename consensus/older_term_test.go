package consensus

import "testing"

// Hazard 13: an acknowledgement that comes from an older term says nothing of the
// log that the follower has now.
func TestHazard13_AcknowledgementOfAnOlderTerm(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	index, _, err := s.Propose([]byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 2, Index: index})
	if s.Commit() >= index {
		t.Fatalf("commit %d by an acknowledgement of the term before", s.Commit())
	}
	if s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: index}); s.Commit() != index {
		t.Fatalf("commit %d with two durable copies of three", s.Commit())
	}
}

// Hazard 17: an answer to a heartbeat of an older term, perhaps from before a
// restart, when rounds had other numbers, confirms no read.
func TestHazard17_AnswerOfAnOlderTerm(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: s.LastIndex()})
	if err := s.Read(1); err != nil {
		t.Fatal(err)
	}
	s.take()
	s.hear(Message{Kind: MsgHeartbeatReply, From: 2, Term: 2, Context: 1 << 20})
	if n := s.Status().PendingReads; n != 1 {
		t.Fatalf("%d reads wait after an answer of the term before, want 1", n)
	}
	s.hear(Message{Kind: MsgHeartbeatReply, From: 2, Term: 3, Context: s.round})
	if n := s.Status().PendingReads; n != 0 {
		t.Fatalf("%d reads wait after an answer of this term", n)
	}
}
