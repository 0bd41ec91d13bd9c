package group

import (
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// What is durable is salvaged, also when more is on its way to a disk that hangs.
func TestSalvageTakesWhatIsDurable(t *testing.T) {
	c := newCluster(t, 1, sumType)
	spec := Spec{Group: g1, Member: 1, Name: "g", Type: "sum", Config: quick.Encode(), First: []Peer{{1, 1}, {2, 8}, {3, 9}}}
	h := c.host(ident.NodeID(1))
	if err := h.Start(spec); err != nil {
		t.Fatal(err)
	}
	send := func(index uint64) {
		body := appendBatchItem(appendBatchHeader(nil, 1), &batchItem{body: number(7)})
		msg := consensus.Message{Kind: consensus.MsgAppend, From: 2, To: 1, Term: 50, Index: index - 1, LogTerm: 50,
			Entries: []consensus.Entry{{Index: index, Term: 50, Data: body}}}
		if index == 2 {
			msg.LogTerm = 1
		}
		h.Messages(8, 1, [][]byte{consensus.AppendMessage(appendUint64(nil, uint64(g1)), &msg)})
	}
	status := func() consensus.Status {
		s, err := h.Status(t.Context(), g1)
		if err != nil {
			t.Fatal(err)
		}
		return s.Core
	}
	send(2)
	c.eventually("the first entry is durable", func() bool { return status().Durable == 2 })
	open := make(chan struct{})
	defer close(open)
	c.nodes[1].fs.SetFault(func(op wal.Op) error {
		if op.Kind == "sync" {
			<-open
		}
		return nil
	})
	send(3)
	c.eventually("the second entry is on its way", func() bool { return status().Last == 3 })
	s, err := h.Salvage(t.Context(), g1)
	if err != nil || s.Index != 2 {
		t.Fatalf("salvaged up to %d, entry 2 is durable (%v)", s.Index, err)
	}
}
