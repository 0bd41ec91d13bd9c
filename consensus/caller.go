package consensus

// HardState returns term, vote and commit as they are now, durable or not.
func (c *Core) HardState() HardState { return c.state }

// SnapshotIndex returns where the newest snapshot stands and the term there: the
// log begins behind it or before.
func (c *Core) SnapshotIndex() (index, term uint64) { return c.log.snapIndex, c.log.snapTerm }

// Installing reports whether an accepted snapshot, or the beginning of the log
// behind it, is not durable yet. Meanwhile the caller must step no other snapshot:
// its Write would come only after the one before is done.
func (c *Core) Installing() bool { return c.install != nil || c.installing != 0 }

// TransferTarget returns whom leadership is being handed to, 0 if nobody.
func (c *Core) TransferTarget() MemberID { return c.transfer.target }

// LeastMatch returns up to where the log of every follower that answers is known
// to equal this leader's. A caller that waits for it before Compact spares those
// followers a snapshot. On a member that does not lead it is the commit index.
func (c *Core) LeastMatch() uint64 {
	least := c.state.Commit
	if c.role != Leader {
		return least
	}
	for i := range c.peers {
		if p := &c.peers[i]; p.id != c.cfg.ID && p.active {
			least = min(least, p.Match)
		}
	}
	return least
}

// Retime adopts the timing of cfg: election, heartbeat and sleep. A lease cannot
// be had or given up this way, for all members would have to do so at once; with
// one, only SleepTicks changes. An invalid cfg changes nothing.
func (c *Core) Retime(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	c.cfg.SleepTicks = cfg.SleepTicks
	if c.cfg.LeaseNanos != 0 || cfg.LeaseNanos != 0 {
		return nil
	}
	if c.cfg.ElectionTicks == cfg.ElectionTicks && c.cfg.HeartbeatTicks == cfg.HeartbeatTicks {
		return nil
	}
	c.cfg.ElectionTicks, c.cfg.HeartbeatTicks = cfg.ElectionTicks, cfg.HeartbeatTicks
	c.resetElectionTimer()
	return nil
}
