package consensus

import "testing"

// Hazard 44: what comes late for a term that a sleeping follower once led does not
// wake it: its leader, asleep, would not know of it, and it would ask for an election.
func TestHazard44_LateRefusalDoesNotWakeAFollower(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 6, Commit: 3, LogTerm: 2})
	if s.hear(Message{Kind: MsgSleep, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3, Context: 7}); !s.Asleep() {
		t.Fatal("awake")
	}
	if said := s.hear(Message{Kind: MsgAppendReply, From: 3, Term: 2, Reject: true}); !s.Asleep() || len(said) > 0 {
		t.Fatalf("woken by a refusal of an append of long ago; it says %v", said)
	}
	if s.hear(Message{Kind: MsgAppendReply, From: 3, Term: 3, Reject: true}); s.Asleep() {
		t.Fatal("asleep in a term that is over")
	}
}

// Hazard 44: one that asks for votes is awake and alone. Whom it wakes tells the leader,
// which may sleep and live.
func TestHazard44_AskedForAVoteASleeperWakesItsLeader(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.hear(Message{Kind: MsgHeartbeat, From: 2, Term: 2, Context: 6, Commit: 3, LogTerm: 2})
	if s.hear(Message{Kind: MsgSleep, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3, Context: 7}); !s.Asleep() {
		t.Fatal("awake")
	}
	said := s.hear(Message{Kind: MsgPreVote, From: 3, Term: 3, Index: 3, LogTerm: 2})
	if s.Asleep() || !has(said, MsgWakeUp) {
		t.Fatalf("asleep %t, it says %v", s.Asleep(), said)
	}
}
