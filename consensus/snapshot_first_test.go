package consensus

import "testing"

// A snapshot can be durable before the write of the entries that it covers is
// reported: others committed them, and they were applied. Then it is the snapshot
// that makes them durable here, and the report brings nothing new.
func TestASnapshotMakesDurableWhatItCovers(t *testing.T) {
	snapshot := func(s *solo, index uint64) {
		s.t.Helper()
		config, at := s.ConfigurationAt(index)
		term, _ := s.log.term(index)
		if err := s.Compact(SnapshotMeta{Index: index, Term: term, Config: config.Clone(), ConfigIndex: at}); err != nil {
			s.t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			s.t.Fatal(err)
		}
	}
	t.Run("of a leader", func(t *testing.T) {
		s := newSolo(t, Config{SleepTicks: 3}, voters(1, 2, 3))
		s.lead(2, 3)
		index, _, err := s.Propose([]byte("c"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.take()
		for id := range MemberID(2) {
			s.hear(Message{Kind: MsgAppendReply, From: id + 2, Term: s.Term(), Index: index})
		}
		snapshot(s, index)
		s.sync()
		for range 2 * s.cfg.SleepTicks {
			s.Tick(0)
			for _, m := range s.take() {
				if m.Kind == MsgSleep {
					s.hear(Message{Kind: MsgSleepReply, From: m.To, Term: s.Term(), Context: m.Context})
				}
			}
		}
		if !s.Asleep() {
			t.Error("it never sleeps: it does not know that it has the last entry itself")
		}
	})
	t.Run("of a follower", func(t *testing.T) {
		s := newSolo(t, Config{}, voters(1, 2, 3))
		s.hear(Message{Kind: MsgAppend, From: 2, Term: 2, Index: 3, LogTerm: 2, Commit: 4, Entries: []Entry{{Index: 4, Term: 2, Data: []byte("c")}}})
		snapshot(s, 4)
		for _, m := range s.sync() {
			if m.Kind == MsgAppendReply && m.Index == 4 && !m.Reject {
				return
			}
		}
		t.Error("it never tells its leader that it has the entry")
	})
}
