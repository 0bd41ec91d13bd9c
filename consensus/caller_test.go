package consensus

import (
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/consensus/tracker"
)

// What a caller is told of a member.
func TestWhatTheCallerIsTold(t *testing.T) {
	s := newSolo(t, Config{LeaseNanos: 8}, voters(1, 2, 3))
	if index, term := s.SnapshotIndex(); index != 1 || term != 1 {
		t.Errorf("snapshot %d of term %d", index, term)
	}
	if s.ID() != 1 || s.LeastMatch() != s.Commit() || s.LeaseIndex() != 0 || s.LogBytes() != 0 {
		t.Errorf("follower %v: least match %d, commit %d, lease index %d, %d bytes", s.ID(), s.LeastMatch(), s.Commit(), s.LeaseIndex(), s.LogBytes())
	}
	s.Core.quietTicks = 0
	s.lead(2, 3)
	if s.HardState() != (HardState{Term: 3, Vote: 1, Commit: 4}) || s.LeaseIndex() != 4 || s.LeastMatch() != 4 {
		t.Errorf("leader: %+v, lease index %d, least match %d", s.HardState(), s.LeaseIndex(), s.LeastMatch())
	}
	index, _, err := s.Propose([]byte("c"))
	if err != nil {
		t.Fatal(err)
	}
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: index})
	if s.LeastMatch() != 4 {
		t.Errorf("least match %d: member 3 has not answered", s.LeastMatch())
	}
	if err := s.TransferLeader(3); err != nil || s.TransferTarget() != 3 {
		t.Errorf("transfer to %v, error %v", s.TransferTarget(), err)
	}
	for _, err := range []error{s.TransferLeader(2), proposed(s), changed(s)} {
		if !errors.Is(err, ErrTransferring) {
			t.Errorf("during a transfer: %v", err)
		}
	}
}

func proposed(s *solo) error { _, _, err := s.Propose([]byte("d")); return err }

func changed(s *solo) error {
	_, err := s.ProposeChange(Change{Remove: []MemberID{3}}, s.ConfigIndex())
	return err
}

// What only a leader does is refused by others, and the reason named.
func TestRefusals(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	for _, err := range []error{proposed(s), changed(s), s.Read(1), s.TransferLeader(2)} {
		if !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower: %v", err)
		}
	}
	s.Unreachable(2)
	s.SnapshotSent(2, 5, true)
	s.lead(2, 3)
	if err := s.TransferLeader(9); !errors.Is(err, ErrInvalidTransfer) {
		t.Errorf("transfer to a stranger: %v", err)
	}
	if _, err := s.ProposeChange(Change{Remove: []MemberID{3}}, 99); !errors.Is(err, ErrConfigMoved) {
		t.Errorf("change of another configuration: %v", err)
	}
	for id := range uint64(maxReads) {
		if err := s.Read(id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Read(maxReads); !errors.Is(err, ErrOverloaded) {
		t.Errorf("one read too many: %v", err)
	}
}

// Hazard 1: the leader refuses a change until it has committed in its term.
func TestHazard01_NotReady(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	for range 10 {
		s.Tick(0)
	}
	s.sync()
	s.hear(Message{Kind: MsgPreVoteReply, From: 2, Term: 3})
	s.sync()
	s.hear(Message{Kind: MsgVoteReply, From: 2, Term: 3})
	if err := changed(s); s.Role() != Leader || !errors.Is(err, ErrNotReady) {
		t.Fatalf("%v: %v", s.Role(), err)
	}
	s.sync()
	s.hear(Message{Kind: MsgAppendReply, From: 2, Term: 3, Index: s.LastIndex()})
	if err := changed(s); err != nil {
		t.Fatal(err)
	}
}

func TestRetime(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	cfg := s.cfg
	cfg.ElectionTicks = -1
	if err := s.Retime(cfg); !errors.Is(err, ErrInvalidConfig) || s.cfg.ElectionTicks != 10 {
		t.Errorf("invalid timing: %v, %d ticks", err, s.cfg.ElectionTicks)
	}
	cfg.ElectionTicks, cfg.SleepTicks = 10, 7
	if err := s.Retime(cfg); err != nil || s.cfg.SleepTicks != 7 {
		t.Errorf("sleep alone: %v, %d ticks", err, s.cfg.SleepTicks)
	}
	cfg.ElectionTicks, cfg.HeartbeatTicks = 30, 5
	if err := s.Retime(cfg); err != nil || s.cfg.ElectionTicks != 30 || s.cfg.HeartbeatTicks != 5 || s.electionTimeout != 30 {
		t.Errorf("error %v, config %+v, timeout %d", err, s.cfg, s.electionTimeout)
	}
	cfg.LeaseNanos, cfg.ElectionTicks, cfg.SleepTicks = 9, 40, 8
	if err := s.Retime(cfg); err != nil || s.cfg.ElectionTicks != 30 || s.cfg.LeaseNanos != 0 || s.cfg.SleepTicks != 8 {
		t.Errorf("a lease cannot be had later: error %v, config %+v", err, s.cfg)
	}
}

// A snapshot that this log cannot have produced is refused.
func TestCompactRefusesForeignSnapshots(t *testing.T) {
	for name, meta := range map[string]SnapshotMeta{
		"not applied":           {Index: 9, Term: 2, Config: voters(1, 2, 3), ConfigIndex: 1},
		"another term":          {Index: 3, Term: 1, Config: voters(1, 2, 3), ConfigIndex: 1},
		"another configuration": {Index: 3, Term: 2, Config: voters(1, 2), ConfigIndex: 1},
	} {
		s := newSolo(t, Config{}, voters(1, 2, 3))
		s.hear(Message{Kind: MsgAppend, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 3})
		s.sync()
		if err := s.Compact(meta); !errors.Is(err, ErrInvalidSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
		good := SnapshotMeta{Index: 3, Term: 2, Config: voters(1, 2, 3), ConfigIndex: 1}
		for range 2 { // the second time is nothing new
			if err := s.Compact(good); err != nil {
				t.Errorf("its own: %v", err)
			}
		}
		if index, _ := s.SnapshotIndex(); index != 3 {
			t.Errorf("snapshot at %d", index)
		}
	}
}

// Entries that cannot be read are said, tried again after a tick, and neither
// applied nor sent meanwhile.
func TestStorageThatFails(t *testing.T) {
	failure := errors.New("disk on fire")
	for name, storage := range map[string]*unreliableStorage{
		"fails":             {err: failure},
		"gives nothing":     {gives: func([]Entry) []Entry { return nil }},
		"gives another log": {gives: func([]Entry) []Entry { return []Entry{{Index: 2, Term: 1}} }},
	} {
		s := newSolo(t, Config{}, voters(1, 2, 3))
		storage.Storage = s.log.storage
		healthy := s.log.storage
		s.log.storage = storage
		if err := s.Step(Message{Kind: MsgAppend, From: 2, To: 1, Term: 2, Index: 3, LogTerm: 2, Commit: 3}); err != nil {
			t.Fatal(err)
		}
		s.Output(&s.out)
		if s.out.StorageErr == nil || len(s.out.Committed) != 0 || storage.err != nil && !errors.Is(s.out.StorageErr, failure) {
			t.Errorf("%s: error %v, committed %v", name, s.out.StorageErr, s.out.Committed)
		}
		s.log.storage = healthy
		s.Tick(0)
		if s.Output(&s.out); s.out.StorageErr != nil || len(s.out.Committed) != 2 {
			t.Errorf("%s, and then does not: error %v, committed %v", name, s.out.StorageErr, s.out.Committed)
		}
	}
}

// A leader that cannot read what a follower lacks says so, and goes on when it can.
func TestStorageThatFailsForAFollower(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(3)
	healthy := s.log.storage
	s.log.storage = &unreliableStorage{err: errors.New("disk on fire")}
	probe := s.peerOf(2).Next - 1
	rejection := Message{Kind: MsgAppendReply, From: 2, To: 1, Term: 3, Reject: true, Index: probe, HintIndex: 1, HintTerm: 1}
	if err := s.Step(rejection); err != nil {
		t.Fatal(err)
	}
	if s.Output(&s.out); s.out.StorageErr == nil {
		t.Fatal("entries before memory were read from nowhere")
	}
	s.log.storage = healthy
	s.Tick(0)
	s.take()
	said := s.hear(Message{Kind: MsgHeartbeatReply, From: 2, Term: 3, Context: s.round})
	for _, m := range said {
		if m.Kind == MsgAppend && m.To == 2 && len(m.Entries) > 0 {
			return
		}
	}
	t.Fatalf("said %v", said)
}

// A follower that cannot be reached is probed anew when it shows a sign of life;
// one to which a snapshot is on its way goes on from there, by whatever way it
// got what it lacked.
func TestUnreachableAndSnapshotOnItsWay(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	s.Unreachable(2)
	if p := s.peerOf(2); p.State != tracker.Probe || !p.Paused {
		t.Errorf("unreachable: %v, paused %v", p.State, p.Paused)
	}
	if said := s.hear(Message{Kind: MsgHeartbeatReply, From: 2, Term: 3, Context: s.round}); !has(said, MsgAppend) {
		t.Errorf("after a sign of life: %v", said)
	}

	s.peerOf(3).BecomeSnapshot(2)
	if status := s.Status(); status.Members[2].Snapshot != 2 || status.Members[2].State != tracker.Snapshot {
		t.Errorf("status %+v", status.Members[2])
	}
	s.hear(Message{Kind: MsgAppendReply, From: 3, Term: 3, Index: s.LastIndex()})
	if p := s.peerOf(3); p.State != tracker.Replicate {
		t.Errorf("it has all, and the leader waits for the snapshot: %v", p.State)
	}
}

// A follower that answers each heartbeat counts as recently active at any moment,
// also just after the leader checked its quorum; one that is silent does not once
// an election timeout has passed.
func TestRecentlyActiveIsOfTheLastElectionTimeout(t *testing.T) {
	s := newSolo(t, Config{}, voters(1, 2, 3))
	s.lead(2, 3)
	for tick := range 45 {
		s.Tick(0)
		members := s.Status().Members
		if !members[0].RecentlyActive || !members[1].RecentlyActive {
			t.Errorf("tick %d: %+v", tick, members)
		}
		if silent := tick >= 9; members[2].RecentlyActive == silent {
			t.Errorf("tick %d: silent %v and %+v", tick, silent, members[2])
		}
		for _, m := range s.take() {
			if m.Kind == MsgHeartbeat && m.To == 2 {
				s.hear(Message{Kind: MsgHeartbeatReply, From: 2, Term: m.Term, Context: m.Context})
			}
		}
	}
}

// Names are for people.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		EntryCommand.String(): "command", EntryConfig.String(): "config", EntryEmpty.String(): "empty", EntryKind(9).String(): "kind(9)",
		Follower.String(): "follower", PreCandidate.String(): "pre-candidate", Candidate.String(): "candidate", Leader.String(): "leader", Role(9).String(): "role(9)",
		MsgWakeUp.String(): "WakeUp", MessageKind(99).String(): "kind(99)",
		MemberID(0).String(): "-", MemberID(7).String(): "7",
		(Configuration{Voters: voters(1, 2).Voters, Outgoing: voters(3).Voters, LearnersNext: []MemberID{3}}).String(): "(1 2)&(3) next [3]",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
