package consensus

import "fmt"

// Step takes a message from another member. It keeps neither the message nor
// its slices, only the entries' data. An error means that the message should
// never have been sent, see ErrInvalidMessage and ErrDiverged; it had no effect.
func (c *Core) Step(m Message) error {
	if err := c.check(&m); err != nil {
		return err
	}
	if c.asleep && c.sleepsThrough(&m) {
		return nil
	}
	if m.Term < c.state.Term {
		c.stepOld(&m)
		return nil
	}
	if m.Term > c.state.Term && !c.takeTerm(&m) {
		return nil
	}
	if c.role == Leader {
		if p := c.peerOf(m.From); p != nil {
			p.active, p.heardAt = true, c.electionElapsed
		}
	}
	switch m.Kind {
	case MsgAppend, MsgHeartbeat, MsgSnapshot, MsgSleep, MsgTimeoutNow:
		return c.stepFromLeader(&m)
	case MsgPreVote:
		c.stepPreVote(&m)
	case MsgPreVoteReply:
		c.stepPreVoteReply(&m)
	case MsgVote:
		c.stepVote(&m)
	case MsgVoteReply:
		c.stepVoteReply(&m)
	case MsgAppendReply, MsgHeartbeatReply, MsgSleepReply, MsgWakeUp:
		c.stepFromFollower(&m)
	}
	return nil
}

// check refuses what no correct member sends.
func (c *Core) check(m *Message) error {
	bad := func(what string) error {
		return fmt.Errorf("%w: %v: %s", ErrInvalidMessage, *m, what)
	}
	switch {
	case m.Kind == 0 || m.Kind > lastMessageKind:
		return bad("unknown kind")
	case m.To != c.cfg.ID:
		return bad(fmt.Sprintf("this is member %v", c.cfg.ID))
	case m.From == 0 || m.From == c.cfg.ID:
		return bad("sent by nobody else")
	case m.Term == 0:
		return bad("without a term")
	case (m.Snapshot != nil) != (m.Kind == MsgSnapshot):
		return bad("a snapshot must come in its own message")
	case len(m.Entries) > 0 && m.Kind != MsgAppend:
		return bad("entries in a message of this kind")
	}
	if s := m.Snapshot; s != nil {
		if s.Index == 0 || s.Term == 0 || s.Term > m.Term || s.ConfigIndex > s.Index || len(s.Config.Voters) == 0 {
			return bad("not a snapshot of a group")
		}
		if err := s.Config.Validate(); err != nil {
			return bad(err.Error())
		}
	}
	term := m.LogTerm
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Index != m.Index+1+uint64(i) || e.Term < term || e.Term > m.Term || e.Kind > EntryEmpty {
			return bad("entries out of order")
		}
		if e.Kind == EntryConfig {
			if _, err := DecodeConfiguration(e.Data); err != nil {
				return bad(err.Error())
			}
		}
		term = e.Term
	}
	return nil
}

// stepOld answers a message of a term that is over, where silence would leave
// its sender stuck in it.
func (c *Core) stepOld(m *Message) {
	switch m.Kind {
	case MsgAppend, MsgHeartbeat, MsgSnapshot, MsgSleep:
		// A leader that this member could never follow would stay one for ever: it
		// hears the newer term.
		c.reply(Message{Kind: MsgAppendReply, To: m.From, Term: c.state.Term, Reject: true})
	case MsgPreVote:
		c.refusePreVote(m.From)
	case MsgVote:
		c.reply(Message{Kind: MsgVoteReply, To: m.From, Term: c.state.Term, Reject: true})
	}
}

// takeTerm looks at a message of a newer term and reports whether it should be
// dealt with.
func (c *Core) takeTerm(m *Message) bool {
	switch m.Kind {
	case MsgPreVote:
		return true
	case MsgPreVoteReply:
		if !m.Reject {
			return true
		}
	case MsgVote:
		if m.Context != voteForced && c.protectsLeader() {
			// A member that was removed, or could not hear the leader for a while,
			// must not unseat it (thesis 4.2.3).
			return false
		}
	case MsgAppend, MsgHeartbeat, MsgSnapshot, MsgSleep, MsgTimeoutNow:
		c.becomeFollower(m.Term, m.From)
		return true
	}
	if m.Kind == MsgVote {
		elapsed, timeout := c.electionElapsed, c.electionTimeout
		wasFollower := c.role == Follower
		c.becomeFollower(m.Term, 0)
		if wasFollower {
			// Only giving the vote restarts the timer, not being asked.
			c.electionElapsed, c.electionTimeout = elapsed, timeout
		}
		return true
	}
	c.becomeFollower(m.Term, 0)
	return true
}

// stepFromLeader takes what only the leader of the present term sends.
func (c *Core) stepFromLeader(m *Message) error {
	if c.role == Leader || c.leader != 0 && c.leader != m.From {
		return fmt.Errorf("%w: %v: two leaders in a term, the other is %v", ErrInvalidMessage, *m, c.leader)
	}
	if c.role != Follower || c.leader == 0 {
		c.becomeFollower(c.state.Term, m.From)
	}
	if m.Kind != MsgTimeoutNow {
		c.electionElapsed = 0
		c.quietTicks = 0
	}
	c.leaderRound = max(c.leaderRound, m.Context)
	switch m.Kind {
	case MsgAppend:
		return c.stepAppend(m)
	case MsgHeartbeat:
		c.stepHeartbeat(m)
	case MsgSnapshot:
		c.stepSnapshot(m)
	case MsgSleep:
		c.stepSleep(m)
	case MsgTimeoutNow:
		if c.electable() {
			c.campaign(voteForced)
		}
	}
	return nil
}

// stepFromFollower takes what a leader is told by the others.
func (c *Core) stepFromFollower(m *Message) {
	if c.role != Leader {
		return
	}
	p := c.peerOf(m.From)
	if p == nil {
		return
	}
	switch m.Kind {
	case MsgAppendReply:
		c.stepAppendReply(p, m)
	case MsgHeartbeatReply:
		c.stepHeartbeatReply(p, m)
	case MsgSleepReply:
		c.stepSleepReply(p, m)
	case MsgWakeUp:
		c.stayAwake()
	}
}
