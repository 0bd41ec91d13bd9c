package group

import (
	"fmt"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A host that is run by hand starts no goroutine: its owner says what runs when. It
// is for a simulator, in which everything that happens follows from a seed. Its
// owner calls these methods, and all others of the host, one at a time:
//
//   - Tick as often as HostConfig.Tick says, and Probe every 200 ms, by its own idea of time;
//   - TurnLane, TurnApply and TurnJobs whenever it likes: each does a part of what
//     waits, and returns false when nothing did;
//   - what a call waits for happens in turns, so methods that wait need an Exec that
//     can Park.

// Lanes returns how many lanes there are.
func (h *Host) Lanes() int { return len(h.lanes) }

// Tick moves the groups' timeouts on by HostConfig.Tick. Ticks that a lane had no
// time for are lost.
func (h *Host) Tick() {
	for _, l := range h.lanes {
		l.tick()
	}
}

// TurnLane gives a lane its turn.
func (h *Host) TurnLane(i int) bool {
	l := h.lanes[i]
	select {
	case <-l.wake:
		l.takeTurn()
		return true
	default:
		return false
	}
}

// TurnApply lets one member apply what is committed, up to a chunk.
func (h *Host) TurnApply() bool { return h.pool.turn() }

// TurnJobs saves or installs one snapshot.
func (h *Host) TurnJobs() bool { return h.snapshots.turn() }

// Core returns the core of the member of a group that takes part here, nil where
// none does. It is to be looked at between turns, and not to be changed.
func (h *Host) Core(g ident.GroupID) *consensus.Core {
	if m := h.member(g); m != nil && m.live() {
		return m.core
	}
	return nil
}

// CheckLanes says whether what waits for a lane is within its bound, and the account
// of it right.
func (h *Host) CheckLanes() error {
	for _, l := range h.lanes {
		bytes := int64(len(l.inbox.reads) * itemOverhead)
		for i := range l.inbox.proposals {
			bytes += int64(len(l.inbox.proposals[i].item.body) + itemOverhead)
		}
		for i := range l.inbox.messages {
			bytes += int64(len(l.inbox.messages[i].body))
		}
		if queued := l.queued.Load(); queued != bytes || bytes > maxQueuedBytes {
			return fmt.Errorf("group: %d bytes wait for lane %d, its account says %d, the bound is %d", bytes, l.index, queued, maxQueuedBytes)
		}
	}
	return nil
}

// drain does all that waits for the apply workers and in jobs.
func (h *Host) drain() {
	for h.TurnApply() || h.TurnJobs() {
	}
}
