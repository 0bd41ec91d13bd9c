package group

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Between two nodes there is one sign of life, not one for each group that they
// share. It speaks for all sleeping groups: a node that falls silent, or that
// comes back as another process, wakes the groups here that it led, and their
// members elect another leader by their own timeouts. A node that falls silent also
// wakes those that are led here and have no quorum without it: asleep their leader
// would not notice, and pass for one.
type liveness struct {
	mu    sync.Mutex
	peers map[ident.NodeID]*peerLife
}

type peerLife struct {
	members int   // how many members here have a peer on that node
	last    int64 // monotonic time of the last sign of life
	boot    uint64
	down    bool
}

const (
	// nodeHeartbeat is how often a node tells its peers that it lives.
	nodeHeartbeat = 200 * time.Millisecond
	// nodeTimeout is how long a node may be silent before the sleeping groups that
	// it led, or that need it, wake.
	nodeTimeout = time.Second
	// diskStall is how long one sync may take before the node stops claiming to be
	// well: a leader whose disk hangs must be replaceable.
	diskStall = time.Second
)

func (l *liveness) init() { l.peers = make(map[ident.NodeID]*peerLife) }

func (h *Host) diskStalled() bool { return h.wal.SyncAge() > diskStall }

// countPeers keeps how many members here have a peer on each node.
func (h *Host) countPeers(now, before []ident.NodeID) {
	l := &h.liveness
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range now {
		p := l.peers[n]
		if p == nil {
			p = &peerLife{last: h.exec.Monotonic()}
			l.peers[n] = p
		}
		p.members++
	}
	for _, n := range before {
		if p := l.peers[n]; p != nil {
			if p.members--; p.members == 0 {
				delete(l.peers, n)
			}
		}
	}
}

// heard notes a sign of life of whatever kind.
func (h *Host) heard(node ident.NodeID) {
	l := &h.liveness
	l.mu.Lock()
	if p := l.peers[node]; p != nil {
		p.last = h.exec.Monotonic()
	}
	l.mu.Unlock()
}

// Heartbeat takes another node's sign of life. It is wire's handler.
func (h *Host) Heartbeat(from ident.NodeID, boot uint64, _ []byte) {
	l := &h.liveness
	l.mu.Lock()
	restarted := false
	if p := l.peers[from]; p != nil {
		p.last, p.down = h.exec.Monotonic(), false
		restarted = p.boot != 0 && p.boot != boot
		p.boot = boot
	}
	l.mu.Unlock()
	if restarted {
		// The process that led is gone even though its node was never silent for long.
		h.wakeSleeping(func(m *member) bool { return m.info.Load().Leader == from })
	}
}

// Connected and Disconnected are wire's handlers; a connection proves nothing that
// the heartbeats do not.
func (h *Host) Connected(node ident.NodeID, boot uint64) { h.Heartbeat(node, boot, nil) }

// Disconnected does nothing: a broken connection may be made again at once.
func (h *Host) Disconnected(ident.NodeID) {}

func (h *Host) runLiveness(ctx context.Context) {
	t := time.NewTicker(nodeHeartbeat)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			h.Probe()
		}
	}
}

// Probe tells the peers that this node lives, and wakes the groups that a silent
// one led, or without which they have no quorum.
func (h *Host) Probe() {
	now := h.exec.Monotonic()
	l := &h.liveness
	l.mu.Lock()
	to := make([]ident.NodeID, 0, len(l.peers))
	silent, down := make(map[ident.NodeID]bool), make(map[ident.NodeID]bool)
	for n, p := range l.peers {
		to = append(to, n)
		if !p.down && now-p.last > int64(nodeTimeout) {
			p.down = true
			silent[n] = true
		}
		if p.down {
			down[n] = true
		}
	}
	l.mu.Unlock()
	slices.Sort(to)
	if !h.diskStalled() {
		for _, n := range to {
			h.transport.SendHeartbeat(n, nil)
		}
	}
	if len(silent) > 0 {
		h.wakeSleeping(func(m *member) bool {
			leader := m.info.Load().Leader
			return silent[leader] || leader == h.node && lacksQuorum(m.core.Configuration(), down)
		})
	}
}

// lacksQuorum tells whether a group has no majority of its voters left without the
// nodes that are down.
func lacksQuorum(c *consensus.Configuration, down map[ident.NodeID]bool) bool {
	lacks := func(voters []consensus.Member) bool {
		up := 0
		for _, v := range voters {
			if !down[ident.NodeID(v.Node)] {
				up++
			}
		}
		return len(voters) > 0 && up <= len(voters)/2
	}
	return lacks(c.Voters) || lacks(c.Outgoing)
}

// wakeSleeping wakes the sleeping members here for which should answers true. It is
// asked on the member's lane.
func (h *Host) wakeSleeping(should func(*member) bool) {
	for _, l := range h.lanes {
		l.call(func() {
			for _, m := range l.inOrder() {
				if m.live() && m.core.Asleep() && should(m) {
					m.core.Wake()
					l.touch(m)
				}
			}
		})
	}
}

// Silent tells for how long nothing was heard from a node; ok is false for a node
// with which no member here has to do.
func (h *Host) Silent(node ident.NodeID) (d time.Duration, ok bool) {
	l := &h.liveness
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[node]
	if p == nil {
		return 0, false
	}
	return time.Duration(h.exec.Monotonic() - p.last), true
}
