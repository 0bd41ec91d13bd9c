package consensus

// sleepPhase is a leader's way to sleep: first it has nothing to do for a
// while, then it asks everyone to sleep, and sleeps when everyone does.
type sleepPhase struct {
	idle   int // ticks
	trying bool
	round  uint64 // of the Sleep that must be answered
}

// restful reports whether nothing at all is left to do: every member has the
// whole log, everything is committed, durable and applied, and nobody waits.
func (c *Core) restful() bool {
	last := c.log.last
	if !c.committedInTerm() || c.state.Commit != last || c.log.durable != last || c.applied != last ||
		!c.stateDurable() || len(c.reads) > 0 || len(c.readsReady) > 0 || c.transfer.target != 0 || c.Configuration().Joint() {
		return false
	}
	for i := range c.peers {
		if p := &c.peers[i]; p.Match != last || p.leaving {
			return false
		}
	}
	return true
}

// tickSleep is a leader's tick towards sleep.
func (c *Core) tickSleep() {
	if c.cfg.SleepTicks == 0 {
		return
	}
	if !c.restful() {
		c.stayAwake()
		return
	}
	c.sleep.idle++
	if c.sleep.idle < c.cfg.SleepTicks || c.sleep.trying {
		return
	}
	c.round++
	c.sleep.trying, c.sleep.round = true, c.round
	for i := range c.peers {
		c.peers[i].slept = c.peers[i].id == c.cfg.ID
	}
	c.heartbeatElapsed = 0
	c.askSleep()
	c.maybeSleep()
}

// askSleep asks those to sleep who have not answered. To the others not a word:
// it would wake them.
func (c *Core) askSleep() {
	for i := range c.peers {
		if p := &c.peers[i]; !p.slept {
			c.send(Message{Kind: MsgSleep, To: p.id, Index: c.log.last, LogTerm: c.log.lastTerm(), Commit: c.state.Commit, Context: c.sleep.round})
		}
	}
}

func (c *Core) stepSleepReply(p *peer, m *Message) {
	if c.sleep.trying && m.Context == c.sleep.round {
		p.slept = true
		c.maybeSleep()
	}
}

// maybeSleep puts the leader to sleep when everyone else is.
func (c *Core) maybeSleep() {
	for i := range c.peers {
		if !c.peers[i].slept {
			return
		}
	}
	if !c.restful() {
		c.stayAwake()
		return
	}
	c.sleep = sleepPhase{}
	c.lease.restart()
	c.peers, c.scratch, c.reads, c.readsReady, c.needSnapshot = nil, nil, nil, nil, nil
	c.fallAsleep()
}

// stayAwake begins the idle time anew. Those who have gone to sleep already are
// woken.
func (c *Core) stayAwake() {
	if c.asleep {
		c.leaveSleep()
		return
	}
	c.sleep.idle = 0
	if c.sleep.trying {
		c.sleep.trying = false
		c.beat()
	}
}

// stepSleep answers only if there is nothing left to do here either; the
// leader asks again. A Sleep that the leader has spoken since is out of date.
func (c *Core) stepSleep(m *Message) {
	if m.Context < c.leaderRound || m.Index != c.log.last || !c.log.matches(m.Index, m.LogTerm) {
		return
	}
	c.matched = max(c.matched, m.Index)
	c.commitTo(min(m.Commit, m.Index))
	if c.state.Commit != m.Index || c.log.durable != m.Index || c.applied != m.Index || !c.stateDurable() || c.install != nil || c.installing != 0 {
		return
	}
	c.reply(Message{Kind: MsgSleepReply, To: m.From, Term: c.state.Term, Context: m.Context})
	c.fallAsleep()
}

// fallAsleep gives up what a member without work does not need.
func (c *Core) fallAsleep() {
	c.asleep, c.changed = true, true
	c.evict()
	c.applying = nil
	c.tickets.writes, c.held = nil, nil
}

// leaveSleep brings a sleeping member back as it was when it fell asleep.
func (c *Core) leaveSleep() {
	if !c.asleep {
		return
	}
	c.asleep, c.changed = false, true
	c.resetElectionTimer()
	if c.role != Leader {
		return
	}
	c.electionElapsed = 0
	c.rebuildPeers()
	for i := range c.peers {
		p := &c.peers[i]
		p.Match = c.log.last // all had all when the leader fell asleep
		p.BecomeReplicate()
		p.commitTold = c.state.Commit
	}
	c.beat()
}

// Wake ends sleep, for instance because the leader's node died. The leader of a
// follower, if it lives after all, is told; a leader sends heartbeats. The caller has
// waited for signs of life for an election timeout already: what is left of a
// follower's timer is a while for a leader that lives to answer, and its random part.
// Where leases are used it starts afresh.
func (c *Core) Wake() {
	if c.role == Leader {
		c.stayAwake()
		return
	}
	if c.asleep {
		c.leaveSleep()
		if c.cfg.LeaseNanos == 0 {
			answer := 1 + max(2*c.cfg.HeartbeatTicks, c.cfg.ElectionTicks/4)
			c.electionElapsed = max(0, c.cfg.ElectionTicks-answer)
		}
		c.wakeLeader()
	}
}

// askToBeHeard is for a learner that knows no leader, as after a restart: it cannot
// campaign, and where the group sleeps nobody would ever speak to it.
func (c *Core) askToBeHeard() {
	config := c.Configuration()
	if !config.IsLearner(c.cfg.ID) {
		return
	}
	for _, half := range [...][]Member{config.Voters, config.Outgoing} {
		for i := range half {
			c.send(Message{Kind: MsgWakeUp, To: half[i].ID})
		}
	}
}

func (c *Core) wakeLeader() {
	if c.leader != 0 && c.leader != c.cfg.ID {
		c.send(Message{Kind: MsgWakeUp, To: c.leader})
	}
}

// sleepsThrough lets a sleeping member deal with a message that need not wake
// it, and reports whether it was one; otherwise the member is awake.
func (c *Core) sleepsThrough(m *Message) bool {
	current := m.Term == c.state.Term
	switch m.Kind {
	case MsgPreVote, MsgVote:
		// Someone is awake and alone: whatever its term, it should be heard.
	case MsgWakeUp:
		if !c.Configuration().Contains(m.From) {
			return true // one that was removed and does not know it would keep the group awake
		}
	case MsgSleep:
		if current && m.From == c.leader && m.Index == c.log.last {
			if m.Context >= c.leaderRound {
				c.leaderRound = m.Context
				c.reply(Message{Kind: MsgSleepReply, To: m.From, Term: c.state.Term, Context: m.Context})
			}
			return true
		}
	case MsgAppend, MsgHeartbeat:
		if current && m.From == c.leader && m.Context <= c.leaderRound {
			return true // sent before the leader asked to sleep
		}
	case MsgAppendReply, MsgHeartbeatReply, MsgSleepReply:
		if current && (!m.Reject || c.role != Leader) {
			return true // late answers to what is settled, or to the leader that it was once
		}
	}
	if m.Term < c.state.Term && m.Kind != MsgPreVote && m.Kind != MsgVote && m.Kind != MsgWakeUp {
		c.stepOld(m)
		return true
	}
	c.leaveSleep()
	if c.role == Follower && m.From != c.leader && (m.Kind == MsgPreVote || m.Kind == MsgVote) {
		c.wakeLeader()
	}
	return false
}
