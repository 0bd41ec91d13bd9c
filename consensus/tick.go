package consensus

// Tick lets one tick of time pass. now is monotonic, in nanoseconds, and not
// later than the present; it serves for leases only. A member asleep needs no
// ticks.
func (c *Core) Tick(now int64) {
	c.now = now
	c.storageErr = nil
	if c.asleep {
		return
	}
	c.commitDue = c.commitDirty
	if c.quietTicks > 0 {
		c.quietTicks--
	}
	c.electionElapsed++
	if c.role == Leader {
		c.tickLeader()
		return
	}
	if c.electionElapsed < c.electionTimeout {
		return
	}
	switch {
	case c.electable():
		c.preCampaign()
	case c.leader != 0 || c.role != Follower:
		c.becomeFollower(c.state.Term, 0)
	default:
		c.resetElectionTimer()
		c.askToBeHeard()
	}
}

func (c *Core) tickLeader() {
	if c.electionElapsed >= c.cfg.ElectionTicks {
		c.electionElapsed = 0
		if !c.quorumActive() {
			// Others may have a leader that this one cannot hear of (thesis 6.2).
			c.becomeFollower(c.state.Term, 0)
			return
		}
	}
	if c.transfer.target != 0 {
		c.transfer.elapsed++
		if c.transfer.elapsed >= c.cfg.ElectionTicks {
			c.endTransfer()
		}
	}
	c.tickSleep()
	if c.asleep {
		return
	}
	c.heartbeatElapsed++
	switch {
	case c.heartbeatElapsed < c.cfg.HeartbeatTicks:
		c.tellCommits()
	case c.sleep.trying:
		c.heartbeatElapsed = 0
		c.askSleep()
	default:
		c.beat()
		c.confirmRounds()
		if c.transfer.target != 0 {
			c.tryTransfer()
		}
	}
}
