package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// A member whose data is damaged never serves again. The planner asks the nodes for
// such members and gives their groups a target with another node in the place of the
// damaged one's. The group's leader then goes there by its usual steps, so nothing is
// removed before the new member has caught up and a majority without the damaged one
// answers. A member that failed for another reason, as a machine that panics, is left
// alone: its replacement would fail as well.

// damagedHere lists the members whose data is damaged: group and member, sixteen
// bytes each.
func (n *Node) damagedHere() []byte {
	var b []byte
	for _, info := range n.host.Infos() {
		if info.Group != ident.Catalogue && damaged(info.Failed) {
			b = binary.LittleEndian.AppendUint64(b, uint64(info.Group))
			b = binary.LittleEndian.AppendUint64(b, uint64(info.Member))
		}
	}
	return b
}

func damaged(err error) bool {
	return errors.Is(err, store.ErrCorrupt) || errors.Is(err, wal.ErrCorrupt)
}

// damagedMembers asks all nodes that are heard for their damaged members.
func (n *Node) damagedMembers(ctx context.Context) map[ident.GroupID][]catalogue.Member {
	var mu sync.Mutex
	bad := make(map[ident.GroupID][]catalogue.Member)
	add := func(node ident.NodeID, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		for ; len(b) >= 16; b = b[16:] {
			g := ident.GroupID(leUint64(b))
			bad[g] = append(bad[g], catalogue.Member{ID: ident.MemberID(leUint64(b[8:])), Node: node})
		}
	}
	add(n.id, n.damagedHere())
	nodes := n.activeNodes()
	_ = n.each(len(nodes), len(nodes), func(i int) error { // at once: the planner waits
		if b, err := n.askFor(ctx, nodes[i], []byte{byte(opDamaged)}, leadersTimeout); err == nil {
			add(nodes[i], b) // others are asked again
		}
		return nil
	})
	return bad
}
