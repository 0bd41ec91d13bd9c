package group

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

// drain does all that waits for the apply workers and in jobs.
func (h *Host) drain() {
	for h.TurnApply() || h.TurnJobs() {
	}
}
