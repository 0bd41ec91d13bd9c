package fleet

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// led is what one node leads.
type led struct {
	Group ident.GroupID
	Term  uint64
}

// leadersHere lists what this node leads, in sixteen bytes a group.
func (n *Node) leadersHere() []byte {
	var b []byte
	for _, info := range n.host.Infos() {
		if info.Role == consensus.Leader {
			b = binary.LittleEndian.AppendUint64(b, uint64(info.Group))
			b = binary.LittleEndian.AppendUint64(b, info.Term)
		}
	}
	return b
}

// leaderTable is who leads which group, asked of every node that is heard.
type leaderTable struct {
	of   map[ident.GroupID]ident.NodeID
	term map[ident.GroupID]uint64
	each map[ident.NodeID]int
	deaf []ident.NodeID // heard by gossip, and did not answer
}

// leadersTimeout bounds how long a view waits for nodes that do not answer.
const leadersTimeout = time.Second

// leaders asks all nodes at once what they lead.
func (n *Node) leaders(ctx context.Context) leaderTable {
	t := leaderTable{of: make(map[ident.GroupID]ident.NodeID), term: make(map[ident.GroupID]uint64), each: make(map[ident.NodeID]int)}
	var mu sync.Mutex
	add := func(node ident.NodeID, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		for ; len(b) >= 16; b = b[16:] {
			l := led{ident.GroupID(leUint64(b)), leUint64(b[8:])}
			if old, ok := t.term[l.Group]; ok && old >= l.Term {
				continue
			}
			t.of[l.Group], t.term[l.Group] = node, l.Term
		}
	}
	add(n.id, n.leadersHere())
	ctx, cancel := exec.WithTimeout(ctx, n.exec, leadersTimeout)
	defer cancel()
	nodes := n.activeNodes()
	_ = n.each(len(nodes), len(nodes), func(i int) error {
		b, err := n.ask(ctx, nodes[i], []byte{byte(opLeaders)})
		if err != nil {
			mu.Lock()
			t.deaf = append(t.deaf, nodes[i])
			mu.Unlock()
			return nil
		}
		add(nodes[i], b)
		return nil
	})
	for g, node := range t.of {
		if g != ident.Catalogue {
			t.each[node]++
		}
	}
	return t
}
