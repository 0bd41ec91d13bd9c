package group

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// sendSum lets a host receive a snapshot of a sum, as from member 2 on node 8.
func sendSum(t *testing.T, h *Host, spec Spec, index, n uint64) {
	t.Helper()
	a := applyState{index: index, config: quick.withDefaults(), sessions: newSessionTable(0, 0)}
	meta := spec.initialMeta()
	meta.Index, meta.Term = index, 5
	header := binary.LittleEndian.AppendUint64(nil, uint64(spec.Group))
	header = consensus.AppendMessage(header, &consensus.Message{Kind: consensus.MsgSnapshot, From: 2, To: 1, Term: 5, Snapshot: &meta})
	if err := h.Snapshot(8, header, bytes.NewReader(append(a.snapshotHead(), number(n)...))); err != nil {
		t.Fatal(err)
	}
}

// A second snapshot may arrive before the log's new beginning behind the first one
// is on the disk. Then it is refused, and the member goes on.
func TestSnapshotDuringInstallIsRefused(t *testing.T) {
	c := newCluster(t, 1, sumType)
	spec := Spec{Group: g1, Member: 1, Name: "g", Type: "sum", Config: quick.Encode(), First: []Peer{{1, 1}, {2, 8}, {3, 9}}}
	h := c.host(ident.NodeID(1))
	if err := h.Start(spec); err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	c.nodes[1].fs.SetFault(func(op wal.Op) error {
		if op.Kind == "sync" {
			<-open
		}
		return nil
	})
	sendSum(t, h, spec, 10, 100)
	m := h.member(g1)
	c.eventually("the log's new beginning is on its way to the disk", func() bool {
		info, _, _ := h.store.SnapshotInfo(m.key())
		written := false
		m.lane.callWait(func() { written = info.Index == 10 && m.installing == nil })
		return written
	})
	sendSum(t, h, spec, 20, 200)
	m.lane.callWait(func() {})
	close(open)
	c.eventually("the first snapshot is installed", func() bool { return c.local(1, g1) == 100 })
	c.eventually("the second is taken when it is sent again", func() bool {
		sendSum(t, h, spec, 20, 200)
		return c.local(1, g1) == 200
	})
}
