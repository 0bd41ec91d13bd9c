package group

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// follower is the one of three members that is left, with entries up to 2.
type follower struct {
	*cluster
	h *Host
}

func newFollower(t *testing.T) *follower {
	c := newCluster(t, 1, sumType)
	spec := Spec{Group: g1, Member: 1, Name: "g", Type: "sum", Config: quick.Encode(), First: []Peer{{1, 1}, {2, 8}, {3, 9}}}
	f := &follower{c, c.host(ident.NodeID(1))}
	if err := f.h.Start(spec); err != nil {
		t.Fatal(err)
	}
	f.send(2)
	f.eventually("the first entry is durable", func() bool { return f.status().Durable == 2 })
	return f
}

// send has the leader send one entry, which it does not commit.
func (f *follower) send(index uint64) {
	f.sendBody(index, appendBatchItem(appendBatchHeader(nil, 1), &batchItem{body: number(7)}))
}

func (f *follower) sendBody(index uint64, body []byte) {
	msg := consensus.Message{Kind: consensus.MsgAppend, From: 2, To: 1, Term: 50, Index: index - 1, LogTerm: 50,
		Entries: []consensus.Entry{{Index: index, Term: 50, Data: body}}}
	if index == 2 {
		msg.LogTerm = 1
	}
	f.h.Messages(8, 1, [][]byte{consensus.AppendMessage(appendUint64(nil, uint64(g1)), &msg)})
}

func (f *follower) status() consensus.Status {
	s, err := f.h.Status(f.t.Context(), g1)
	if err != nil {
		f.t.Fatal(err)
	}
	return s.Core
}

// processed returns when what was sent before was taken in, or left.
func (f *follower) processed() { f.status(); f.status() }

// takesPart has the member take entry 3.
func (f *follower) takesPart() {
	f.t.Helper()
	f.eventually("the member takes part", func() bool {
		f.send(3)
		s := f.status()
		return s.Durable == 3 && s.DurableTerm == 50
	})
}

// What is durable is salvaged, also when more is on its way to a disk that hangs.
func TestSalvageTakesWhatIsDurable(t *testing.T) {
	f := newFollower(t)
	open := make(chan struct{})
	f.nodes[1].fs.SetFault(func(op wal.Op) error {
		if op.Kind == "sync" {
			<-open
		}
		return nil
	})
	f.send(3)
	f.eventually("the second entry is on its way", func() bool { return f.status().Last == 3 })
	s, err := f.h.Salvage(t.Context(), g1, 1<<20, time.Hour)
	if err != nil || s.Index != 2 || s.Term != 50 || s.Leader != 8 {
		t.Errorf("salvaged %+v, entry 2 is durable (%v)", s, err)
	}
	close(open)
	f.eventually("the second entry is on the disk", func() bool {
		late, m := 0, f.h.member(g1)
		m.lane.callWait(func() { late = len(m.late) })
		return late > 0
	})
	if durable := f.status().Durable; durable != 2 {
		t.Errorf("%d is acknowledged, and was not salvaged", durable)
	}
	f.h.Rejoin(g1)
	f.eventually("what was on its way is acknowledged", func() bool { return f.status().Durable == 3 })
}

// The salvaged state has what is not known to be committed; the member's own has not.
func TestSalvageDoesNotChangeTheMember(t *testing.T) {
	f := newFollower(t)
	before, at, err := f.h.Export(t.Context(), g1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.h.Salvage(t.Context(), g1, 1<<20, time.Hour)
	if err != nil || string(s.State) == string(before) {
		t.Fatalf("%q, %v; before it was %q", s.State, err, before)
	}
	if now, index, err := f.h.Export(t.Context(), g1); err != nil || string(now) != string(before) || index != at {
		t.Errorf("its state was %q at %d and is %q at %d, %v", before, at, now, index, err)
	}
	f.h.Rejoin(g1)
	f.takesPart()
}

// What is acknowledged with the member's help after its log was read would be lost.
func TestSalvagedMemberAcknowledgesNothingUntilItRejoins(t *testing.T) {
	f := newFollower(t)
	if _, err := f.h.Salvage(t.Context(), g1, 1<<20, time.Hour); err != nil {
		t.Fatal(err)
	}
	f.send(3)
	f.h.Campaign(g1)
	f.processed()
	if s := f.status(); s.Last != 2 || s.Role != consensus.Follower || s.Term != 50 {
		t.Errorf("kept apart, and it is %+v", s)
	}
	again, err := f.h.Salvage(t.Context(), g1, 1<<20, time.Hour)
	if err != nil || again.Index != 2 {
		t.Fatalf("a second salvage: %+v, %v", again, err)
	}
	f.h.Rejoin(g1)
	f.takesPart()
}

func TestSalvagedMemberRejoinsByItself(t *testing.T) {
	f := newFollower(t)
	if _, err := f.h.Salvage(t.Context(), g1, 1<<20, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	f.takesPart()
}

func TestSalvageThatIsRefusedKeepsNobodyApart(t *testing.T) {
	f := newFollower(t)
	state, _, err := f.h.Export(t.Context(), g1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.h.Salvage(t.Context(), g1, len(state)-1, time.Hour); !errors.Is(err, ErrStateTooLarge) {
		t.Fatalf("%v", err)
	}
	if f.h.salvages.Load() != 0 {
		t.Error("that it is too large could be seen before it was kept apart")
	}
	f.takesPart()
}

// A log that cannot be applied to its end gives no state, and the member goes on.
func TestSalvageThatFailsKeepsNobodyApart(t *testing.T) {
	f := newFollower(t)
	f.sendBody(3, []byte("no batch"))
	f.eventually("it is durable", func() bool { return f.status().Durable == 3 })
	if s, err := f.h.Salvage(t.Context(), g1, 1<<20, time.Hour); err == nil {
		t.Fatalf("%+v", s)
	}
	f.eventually("the member takes part", func() bool {
		f.send(4)
		return f.status().Durable == 4
	})
}

// Of a log that was cut at a snapshot the rest is read.
func TestSalvageBeginsWithTheSnapshot(t *testing.T) {
	c := newCluster(t, 3, sumType)
	config := quick
	config.SnapshotLeast, config.SnapshotMost = 2000, 4000
	c.add(g1, "sum", config, 1, 2, 3)
	status := func(id ident.NodeID) consensus.Status {
		s, err := c.host(id).Status(t.Context(), g1)
		if err != nil {
			t.Fatal(err)
		}
		return s.Core
	}
	id := ident.NodeID(1)
	for status(id).First <= 2 {
		c.command(g1, Proposal{Body: number(1)})
	}
	want := c.query(g1)
	c.eventually("the member has all of it", func() bool { return c.local(id, g1) == want })
	c.stop(2)
	c.stop(3)
	c.eventually("it leads no more", func() bool { return status(id).Role != consensus.Leader })
	s, err := c.host(id).Salvage(t.Context(), g1, 1<<20, time.Hour)
	if err != nil || binary.LittleEndian.Uint64(s.State) != want {
		t.Errorf("%+v, %v; want a sum of %d", s, err, want)
	}
}
