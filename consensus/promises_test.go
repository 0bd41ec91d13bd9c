package consensus

import "slices"

// promises are what members said to each other that leases rest on, as the
// messages tell it.
type promises struct {
	beats   map[beat]int64         // when a round's heartbeats were first sent
	kept    map[MemberID]promise   // the last of each member
	granted map[[2]uint64]bool     // (member, term): it has given its vote
	forced  map[[2]uint64]bool     // (candidate, term): the leader asked for it
	handed  map[[2]uint64]MemberID // (leader, term): whom it asked to take over
}

// promise is not to vote for others than a leader for a while.
type promise struct {
	to    MemberID
	term  uint64
	until int64
}

type beat struct {
	from        MemberID
	term, round uint64
}

func inTerm(id MemberID, term uint64) [2]uint64 { return [2]uint64{uint64(id), term} }

func newPromises() promises {
	return promises{
		beats: map[beat]int64{}, kept: map[MemberID]promise{}, granted: map[[2]uint64]bool{},
		forced: map[[2]uint64]bool{}, handed: map[[2]uint64]MemberID{},
	}
}

// noteMessage follows what is promised: whoever answers a heartbeat votes for
// nobody while the lease may last, counted from when it was sent, unless the
// leader itself has asked for the election.
func (c *cluster) noteMessage(m *Message) {
	p := &c.promises
	switch m.Kind {
	case MsgHeartbeat:
		if _, known := p.beats[beat{m.From, m.Term, m.Context}]; !known {
			p.beats[beat{m.From, m.Term, m.Context}] = c.now
		}
	case MsgHeartbeatReply:
		if at, known := p.beats[beat{m.To, m.Term, m.Context}]; known {
			if until := at + c.nodes[m.From].cfg.LeaseNanos; until > p.kept[m.From].until {
				p.kept[m.From] = promise{m.To, m.Term, until}
			}
		}
	case MsgTimeoutNow:
		p.handed[inTerm(m.From, m.Term)] = m.To
	case MsgVote:
		if m.Context == voteForced {
			p.forced[inTerm(m.From, m.Term)] = true
		}
	case MsgVoteReply:
		key := inTerm(m.From, m.Term)
		if m.Reject || p.granted[key] {
			return
		}
		p.granted[key] = true
		to := p.kept[m.From]
		switch {
		case c.nodes[m.From].cfg.LeaseNanos == 0 || c.now >= to.until || to.to == m.To:
		case p.forced[inTerm(m.To, m.Term)], p.handed[inTerm(to.to, to.term)] != 0: // that lease is over
		default:
			c.fail("member %d votes for %d in term %d and has promised %d not to", m.From, m.To, m.Term, to.to)
		}
	}
}

// checkLease: while a lease holds, a quorum of the configuration in force has
// promised as much, nobody was asked to take over, and nobody knows of a commit
// that the leader does not.
func (c *cluster) checkLease(n *testNode) {
	until := n.core.LeaseUntil()
	if until <= c.now {
		return
	}
	if n.core.LeaseIndex() < c.highest {
		c.fail("stale lease: member %d at %d, %d is committed", n.id, n.core.LeaseIndex(), c.highest)
	}
	if to := c.promises.handed[inTerm(n.id, n.core.Term())]; to != 0 {
		c.fail("member %d has a lease and has asked %d to take over", n.id, to)
	}
	config := n.core.Configuration()
	for _, half := range [][]Member{config.Voters, config.Outgoing} {
		have := 0
		for _, m := range half {
			if m.ID == n.id || c.promises.kept[m.ID].until >= until {
				have++
			}
		}
		if len(half) > 0 && have <= len(half)/2 {
			c.fail("member %d has a lease until %d that %d of %d members promised", n.id, until, have, len(half))
		}
	}
}

// checkLeases looks at all leaders when something is committed.
func (c *cluster) checkLeases() {
	for _, id := range c.ids {
		if n := c.nodes[id]; n.up() && n.core.Role() == Leader {
			c.checkLease(n)
		}
	}
}

// checkSleep: a leader sleeps when all members have all that it has, or nobody
// would ever tell them.
func (c *cluster) checkSleep(n *testNode) {
	asleep := n.core.Asleep()
	if asleep && !n.asleep && n.core.Role() == Leader {
		for _, m := range n.core.Configuration().All() {
			if !c.nodes[m.ID].disk.holds(n.core.LastIndex(), n.core.log.lastTerm()) {
				c.fail("leader %d sleeps and member %d lacks entry %d", n.id, m.ID, n.core.LastIndex())
			}
		}
	}
	n.asleep = asleep
}

// checkBounds: commits only grow, and what waits in a member is bounded: by the
// configuration, and by one answer of a kind to whoever asks.
func (c *cluster) checkBounds(n *testNode) {
	core := n.core
	if core.Commit() < n.commit {
		c.fail("member %d: commit goes from %d back to %d", n.id, n.commit, core.Commit())
	}
	n.commit = core.Commit()
	const oneMore = 1000 // a proposal to a leader that has nothing uncommitted; its own entries
	if core.uncommittedBytes > core.cfg.MaxUncommittedBytes+oneMore {
		c.fail("member %d has %d uncommitted bytes, of at most %d", n.id, core.uncommittedBytes, core.cfg.MaxUncommittedBytes)
	}
	for i := range core.held {
		a := &core.held[i].message
		if slices.ContainsFunc(core.held[i+1:], func(h heldMessage) bool {
			return h.message.Kind == a.Kind && h.message.To == a.To && h.message.Reject == a.Reject
		}) {
			c.fail("member %d: two answers wait for the disk where the later says it all: %v", n.id, *a)
		}
	}
}
