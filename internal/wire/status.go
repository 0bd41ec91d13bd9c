package wire

import (
	"cmp"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// PeerStatus is what goes out to one node.
type PeerStatus struct {
	Node      ident.NodeID
	Consensus LinkStatus
	Calls     LinkStatus
	Snapshots int // streams under way
}

// LinkStatus is one outgoing connection.
type LinkStatus struct {
	Used      bool      // since start, or since the node was forgotten
	Connected bool      // handshake done, not lost
	Addr      string    // last dialled
	Since     time.Time // of the last handshake
	Boot      uint64    // of the other process, while connected
	Queued    int       // bytes that wait or are being written
	Pending   int       // calls without an answer
	Sent      uint64    // bytes, since Used
	Tries     int       // dials that failed since the last handshake
	Err       error     // why it is not connected, nil if it was not tried yet
}

// Peers gives all nodes that something was sent to, by NodeID.
func (t *Transport) Peers() []PeerStatus {
	peers := *t.peers.Load()
	out := make([]PeerStatus, 0, len(peers))
	for _, p := range peers {
		out = append(out, PeerStatus{
			Node:      p.node,
			Consensus: p.links[Consensus-1].Load().status(),
			Calls:     p.links[Calls-1].Load().status(),
			Snapshots: len(p.streams.places),
		})
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return cmp.Compare(a.Node, b.Node) })
	return out
}

func (l *link) status() LinkStatus {
	if l == nil {
		return LinkStatus{}
	}
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	return LinkStatus{
		Used:      true,
		Connected: l.boot != 0,
		Addr:      l.addr,
		Since:     l.since,
		Boot:      l.boot,
		Queued:    l.out.waiting + l.out.inflight,
		Pending:   l.calls.active,
		Sent:      l.sent.Load(),
		Tries:     l.tries,
		Err:       l.last,
	}
}
