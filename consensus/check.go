package consensus

import "fmt"

// Check looks for what can never be in a member's own state and says what it
// found: accounts that do not add up, queues beyond their bounds, a configuration
// that is not the log's, a promise about the disk that the log does not bear out.
// It knows this member alone, takes commands to be proposed one at a time, and
// changes nothing. It is for tests and simulators, to be asked after every step.
func (c *Core) Check() error {
	for _, check := range [...]func(*Core) error{
		(*Core).checkOrder, (*Core).checkConfigs, (*Core).checkQueues, (*Core).checkRole,
	} {
		if err := check(c); err != nil {
			return fmt.Errorf("consensus: member %v, %v of term %d: %w", c.cfg.ID, c.role, c.state.Term, err)
		}
	}
	return nil
}

// TermOf returns the term of an entry of the log, false where the log does not know it.
func (c *Core) TermOf(index uint64) (uint64, bool) { return c.log.term(index) }

// SleepTicks returns Config.SleepTicks as it is now.
func (c *Core) SleepTicks() int { return c.cfg.SleepTicks }

// Patience returns how many ticks are left until a follower that hears nothing asks
// for an election.
func (c *Core) Patience() int { return c.electionTimeout - c.electionElapsed }

// checkOrder: how far things have come is in the order in which they happen.
func (c *Core) checkOrder() error {
	l := &c.log
	switch {
	case c.applied > c.handed || c.handed > c.state.Commit || c.state.Commit > l.last:
		return fmt.Errorf("applied %d, handed out %d, commit %d, log up to %d", c.applied, c.handed, c.state.Commit, l.last)
	case l.durable > l.last || l.unsaved > l.last+1:
		return fmt.Errorf("durable up to %d, unsaved from %d, log up to %d", l.durable, l.unsaved, l.last)
	case l.lastTerm() > c.state.Term:
		return fmt.Errorf("the log ends in term %d", l.lastTerm())
	case c.installing != 0 && c.tickets.last != c.installing:
		return fmt.Errorf("write %d was handed out while snapshot %d is being installed by write %d", c.tickets.last, l.snapIndex, c.installing)
	}
	return nil
}

// checkConfigs: the configurations known are entries of this log, in its order,
// and one of them at most is not committed.
func (c *Core) checkConfigs() error {
	for i := 1; i < len(c.configs); i++ {
		if c.configs[i].index <= c.configs[i-1].index {
			return fmt.Errorf("the configuration of index %d follows that of %d", c.configs[i].index, c.configs[i-1].index)
		}
	}
	n := len(c.configs)
	at := c.configs[n-1].index
	switch {
	case at > c.log.last:
		return fmt.Errorf("the configuration of index %d is in force, the log ends at %d", at, c.log.last)
	case at >= c.log.memFirst && c.log.inMemory(at).Kind != EntryConfig:
		return fmt.Errorf("the configuration of index %d is in force, that entry is another", at)
	case c.role == Leader && at > c.termStart && c.state.Commit < c.termStart:
		return fmt.Errorf("it has changed the configuration at %d, and committed nothing in its term, which began at %d", at, c.termStart)
	case n > 1 && c.configs[n-2].index > c.state.Commit:
		return fmt.Errorf("the configurations of %d and %d are both not committed, commit is %d", c.configs[n-2].index, at, c.state.Commit)
	}
	return nil
}

// checkQueues: whatever waits here is within its bound and its account is right.
func (c *Core) checkQueues() error {
	for i := range c.held {
		for j := range c.held[:i] {
			a, b := &c.held[i].message, &c.held[j].message
			if a.Kind == b.Kind && a.To == b.To && a.Reject == b.Reject {
				return fmt.Errorf("%d messages wait for the disk, two of them alike: %v and %v", len(c.held), *b, *a)
			}
		}
	}
	bytes, last := uint64(0), uint64(0)
	for i := range c.applying {
		last = c.applying[i].bytes
		bytes += last
	}
	switch {
	case bytes != c.applyBytes:
		return fmt.Errorf("%d bytes are being applied, the account says %d", bytes, c.applyBytes)
	case bytes-last > c.cfg.MaxApplyBytes:
		return fmt.Errorf("%d bytes were handed out to be applied, the bound is %d", bytes, c.cfg.MaxApplyBytes)
	case len(c.reads) > maxReads:
		return fmt.Errorf("%d reads wait", len(c.reads))
	}
	for i := range c.peers {
		p := &c.peers[i]
		w := &p.Inflights
		switch {
		case w.Count() > c.cfg.MaxInflightMessages:
			return fmt.Errorf("%d messages are on their way to %v, the bound is %d", w.Count(), p.id, c.cfg.MaxInflightMessages)
		case w.Bytes() >= c.cfg.MaxInflightBytes && w.Bytes()-w.Newest() >= c.cfg.MaxInflightBytes:
			return fmt.Errorf("%d bytes are on their way to %v, the bound is %d", w.Bytes(), p.id, c.cfg.MaxInflightBytes)
		}
	}
	return nil
}

// checkRole: only a leader has what leaders have, and who sleeps has nothing to do.
func (c *Core) checkRole() error {
	if c.asleep && (c.state.Commit != c.log.last || c.log.durable != c.log.last || c.applied != c.log.last || !c.stateDurable()) {
		return fmt.Errorf("asleep with log up to %d, durable %d, commit %d, applied %d", c.log.last, c.log.durable, c.state.Commit, c.applied)
	}
	if c.role != Leader {
		if len(c.reads) > 0 || c.uncommittedBytes > 0 || c.transfer.target != 0 || c.lease.until != 0 {
			return fmt.Errorf("%d reads, %d uncommitted bytes, a transfer to %v, a lease until %d", len(c.reads), c.uncommittedBytes, c.transfer.target, c.lease.until)
		}
		return nil
	}
	if c.leader != c.cfg.ID {
		return fmt.Errorf("it takes %v for the leader", c.leader)
	}
	if c.ConfigIndex() <= c.state.Commit && !c.Configuration().IsVoter(c.cfg.ID) {
		return fmt.Errorf("it goes on leading, and is no voter of %v, committed at %d", *c.Configuration(), c.ConfigIndex())
	}
	bytes, commands, largest := uint64(0), uint64(0), uint64(0)
	for i := max(c.state.Commit+1, c.termStart); i <= c.log.last; i++ {
		e := c.log.inMemory(i)
		size := entrySize(e)
		bytes += size
		if e.Kind == EntryCommand {
			commands += size
			largest = max(largest, size)
		}
	}
	switch {
	case bytes != c.uncommittedBytes:
		return fmt.Errorf("%d bytes are not committed, the account says %d", bytes, c.uncommittedBytes)
	case commands > max(c.cfg.MaxUncommittedBytes, largest):
		return fmt.Errorf("%d bytes of commands are not committed, the bound is %d", commands, c.cfg.MaxUncommittedBytes)
	}
	for i := range c.peers {
		p, wrong := &c.peers[i], false
		if p.id == c.cfg.ID {
			wrong = c.role == Leader && p.Match != c.log.durable
		} else {
			wrong = p.Match >= p.Next || p.Match > c.log.last || p.Next > c.log.last+1
		}
		if wrong {
			return fmt.Errorf("member %v has %d and is sent %d next, the log goes up to %d, durable %d", p.id, p.Match, p.Next, c.log.last, c.log.durable)
		}
	}
	return nil
}
