package group

import (
	"encoding/binary"
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// A member that has just started is sent a snapshot before its apply worker came to
// restore the one it had: then the newer one is restored, and what was queued behind
// the older one is skipped.
func TestSnapshotInstalledBeforeTheFirstRestore(t *testing.T) {
	fs, kept := wal.NewMemFS(), store.OpenMemory("n")
	var log *wal.Log
	var h *Host
	boot := func() {
		t.Helper()
		var err error
		log, err = wal.Open("wal", wal.Options{FS: fs, SegmentBytes: 64 << 10, Checkpoints: kept, Manual: &wal.Manual{
			Monotonic: func() int64 { return 1 }, Random: func() uint64 { return 7 },
		}})
		if err != nil {
			t.Fatal(err)
		}
		h, err = NewHost(HostConfig{Node: 1, Log: log, Store: kept, Transport: &testNode{c: newCluster(t, 0)}, Types: []Type{sumType}, Lanes: 1, Manual: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	// settle does everything but apply.
	settle := func() {
		t.Helper()
		for again := true; again; {
			again = h.TurnLane(0) || h.TurnJobs()
			did, err := log.Turn()
			if err != nil {
				t.Fatal(err)
			}
			again = again || did
		}
	}
	spec := Spec{Group: g1, Member: 1, Name: "g", Type: "sum", Config: quick.Encode(), First: []Peer{{1, 1}, {2, 8}, {3, 9}}}
	boot()
	if err := h.Start(spec); err != nil {
		t.Fatal(err)
	}
	settle()
	sendSum(t, h, spec, 10, 100)
	settle()
	for i := uint64(10); i < 13; i++ { // entries 11 to 13, of which all but the last are known to be committed
		b := binary.LittleEndian.AppendUint64(nil, uint64(g1))
		b = consensus.AppendMessage(b, &consensus.Message{Kind: consensus.MsgAppend, From: 2, To: 1, Term: 5, Index: i, LogTerm: 5, Commit: i,
			Entries: []consensus.Entry{{Index: i + 1, Term: 5, Kind: consensus.EntryEmpty}}})
		h.Messages(8, 1, [][]byte{b})
		settle()
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	boot()
	settle() // the first restore, and the entries behind it, are queued
	sendSum(t, h, spec, 20, 200)
	settle()
	for h.TurnApply() {
	}
	settle()
	if info, _ := h.Info(g1); info.Failed != nil {
		t.Fatal(info.Failed)
	}
	b, err := h.QueryLocal(g1, nil)
	if err != nil || binary.LittleEndian.Uint64(b) != 200 {
		t.Fatalf("%x, %v", b, err)
	}
	if index, _, _ := h.Applied(ident.GroupID(g1)); index != 20 {
		t.Fatal("applied", index)
	}
}
