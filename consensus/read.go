package consensus

// maxReads bounds the reads that wait.
const maxReads = 1 << 16

// pendingRead waits for the round that proves that the leader still led when
// the read had arrived. A round of 0 is not open yet.
type pendingRead struct {
	id, round, index uint64
}

// Read asks the leader for an index from which on its state answers a
// linearizable read (thesis 6.4). The answer comes in Output.Reads with the
// same id; if the role or the term changes before, it never comes. Reads that
// arrive between two Outputs share one round.
func (c *Core) Read(id uint64) error {
	if c.role != Leader {
		return ErrNotLeader
	}
	if len(c.reads) >= maxReads {
		return ErrOverloaded
	}
	c.stayAwake()
	c.reads = append(c.reads, pendingRead{id: id})
	return nil
}

// readsWaiting reports whether reads wait for a round that can be opened.
func (c *Core) readsWaiting() bool {
	return len(c.reads) > 0 && c.reads[len(c.reads)-1].round == 0 && c.committedInTerm()
}

// flushReads opens one round for the reads that arrived since the last. A round
// that began before serves none of them. The index is the commit index now:
// before the first commit of the term it may be behind what is committed, so
// until then reads wait.
func (c *Core) flushReads() {
	if !c.readsWaiting() {
		return
	}
	round := c.round + 1
	for i := len(c.reads) - 1; i >= 0 && c.reads[i].round == 0; i-- {
		c.reads[i].round, c.reads[i].index = round, c.state.Commit
	}
	c.beat()
	c.confirmRounds()
}

// openRound numbers the heartbeats that follow. An answer that echoes the
// number was given after this moment, in this term, by one who followed this
// leader.
func (c *Core) openRound() {
	c.round++
	c.lease.open(c.round, c.now, c.cfg.LeaseNanos)
}

// confirmRounds takes note of the rounds that a quorum has answered.
func (c *Core) confirmRounds() {
	if len(c.reads) == 0 && c.lease.opened == 0 {
		return
	}
	round := c.quorumRound()
	c.lease.confirm(round, c.cfg.LeaseNanos)
	done := 0
	for done < len(c.reads) && c.reads[done].round != 0 && c.reads[done].round <= round {
		c.readsReady = append(c.readsReady, ReadReady{ID: c.reads[done].id, Index: c.reads[done].index})
		done++
	}
	if done > 0 {
		c.reads = append(c.reads[:0], c.reads[done:]...)
	}
}
