package consensus

// checkWrite follows the log as the core hands it out and checks log matching:
// an index and a term mean one and the same log up to there, everywhere.
func (c *cluster) checkWrite(n *testNode, w *Write) {
	n.view.write(w)
	if w.Install != nil {
		return
	}
	for i := range w.Entries {
		e := &w.Entries[i]
		previous, ok := uint64(0), true
		if at := e.Index - 1; at > n.view.base {
			before := n.view.log[at-n.view.base-1]
			previous, ok = c.chains[[2]uint64{before.Index, before.Term}], true
		} else {
			previous, ok = c.chains[[2]uint64{at, n.view.baseTerm}]
			if !ok && at == 1 {
				ok = true
			}
		}
		if !ok {
			continue
		}
		key, chain := [2]uint64{e.Index, e.Term}, hashEntry(previous, e)
		if other, ok := c.chains[key]; ok && other != chain {
			c.fail("log matching: member %d has another log at %d of term %d", n.id, e.Index, e.Term)
		}
		c.chains[key] = chain
		if w.State.Term < e.Term {
			c.fail("member %d writes an entry of term %d in term %d", n.id, e.Term, w.State.Term)
		}
	}
}

// checkVote: nobody's disk ever holds two votes of one term.
func (c *cluster) checkVote(n *testNode) {
	s := n.disk.state
	if s.Vote == 0 {
		return
	}
	key := [2]uint64{uint64(n.id), s.Term}
	if other, ok := c.votes[key]; ok && other != s.Vote {
		c.fail("member %d voted for %d and %d in term %d", n.id, other, s.Vote, s.Term)
	}
	c.votes[key] = s.Vote
}

// checkCommitted checks what is handed out to be applied: one entry for an
// index for ever, and when first seen on the disks of every majority.
func (c *cluster) checkCommitted(n *testNode, entries []Entry) {
	for i := range entries {
		e := &entries[i]
		if term, ok := c.committed[e.Index]; ok && term != e.Term {
			c.fail("state machine safety: %d committed in terms %d and %d", e.Index, term, e.Term)
		}
		c.committed[e.Index] = e.Term
		if c.since[e.Index] == 0 {
			c.since[e.Index] = n.core.Term()
		}
	}
	commit := n.core.Commit()
	if commit <= c.highest {
		return
	}
	c.highest = commit
	c.checkLeases()
	term, ok := n.core.log.term(commit)
	if !ok || n.core.Role() != Leader {
		return
	}
	config := n.core.Configuration()
	for _, half := range [][]Member{config.Voters, config.Outgoing} {
		have := 0
		for _, m := range half {
			if peer := c.nodes[m.ID]; peer != nil && peer.disk.holds(commit, term) {
				have++
			}
		}
		if len(half) > 0 && have <= len(half)/2 {
			c.fail("member %d commits %d with %d of %d disks of %v", n.id, commit, have, len(half), config)
		}
	}
}

// checkNode checks a member after each step: election safety, leader
// completeness, the lease, and its own bounds.
func (c *cluster) checkNode(n *testNode) {
	core := n.core
	if core.AppliedIndex() > core.Commit() || core.Commit() > core.LastIndex() {
		c.fail("member %d: applied %d, commit %d, last %d", n.id, core.AppliedIndex(), core.Commit(), core.LastIndex())
	}
	if core.Role() != Leader {
		return
	}
	term := core.Term()
	if other, ok := c.leaders[term]; ok && other != n.id {
		c.fail("election safety: %d and %d both lead term %d", other, n.id, term)
	}
	if _, known := c.leaders[term]; !known {
		c.leaders[term] = n.id
		for index, of := range c.committed {
			if c.since[index] >= term {
				continue // it stood still, and leads a term that is over
			}
			if have, ok := core.log.term(index); index > core.log.base && (!ok || have != of) {
				c.fail("leader completeness: %d leads term %d without entry %d of term %d", n.id, term, index, of)
			}
		}
	}
	c.checkLease(n)
	sum := uint64(0)
	for i := max(core.Commit()+1, core.termStart); i <= core.LastIndex(); i++ {
		sum += entrySize(core.log.inMemory(i))
	}
	if sum != core.uncommittedBytes {
		c.fail("member %d accounts for %d uncommitted bytes, there are %d", n.id, core.uncommittedBytes, sum)
	}
}

// checkConfig: the configuration in force is the newest in the log, and
// nothing that was truncated or replaced by a snapshot.
func (c *cluster) checkConfig(n *testNode) {
	if n.core.installing != 0 || n.core.install != nil {
		return
	}
	index, config := n.view.snap.ConfigIndex, n.view.snap.Config
	if n.disk.snap.Index > n.view.snap.Index { // the member's own, newer snapshot
		index, config = n.disk.snap.ConfigIndex, n.disk.snap.Config
	}
	for i := len(n.view.log) - 1; i >= 0; i-- {
		if e := &n.view.log[i]; e.Kind == EntryConfig && e.Index > index {
			index = e.Index
			config, _ = DecodeConfiguration(e.Data)
			break
		}
	}
	if n.core.ConfigIndex() != index || !n.core.Configuration().Equal(&config) {
		c.fail("member %d has configuration %v of index %d in force, its log says %v of %d", n.id, n.core.Configuration(), n.core.ConfigIndex(), config, index)
	}
}
