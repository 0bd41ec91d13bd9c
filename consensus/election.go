package consensus

import "github.com/raftfleet/raftfleet/consensus/quorum"

// voteForced in a vote's Context says that the leader itself asked for the
// election, so that nobody need protect it.
const voteForced = 1

func (c *Core) resetElectionTimer() {
	c.electionElapsed = 0
	c.electionTimeout = c.cfg.ElectionTicks + c.cfg.Rand(c.cfg.ElectionTicks)
}

// becomeFollower takes up a term, which is never below the present one, and
// its leader as far as known.
func (c *Core) becomeFollower(term uint64, leader MemberID) {
	if term > c.state.Term {
		c.keepPromise()
		c.setState(term, 0)
		c.matched, c.acked, c.leaderRound = 0, 0, 0
	} else if c.leader != leader || c.role != Follower {
		c.matched, c.acked, c.leaderRound = 0, 0, 0
	}
	c.role, c.leader, c.asleep = Follower, leader, false
	c.ackOwed = false
	c.dropLeadership()
	c.resetElectionTimer()
	c.changed = true
}

// keepPromise goes on protecting the leader that this member is about to leave
// for a newer term: its answers may be what that leader's lease rests on.
func (c *Core) keepPromise() {
	if c.cfg.LeaseNanos > 0 && c.role == Follower && c.leader != 0 {
		c.quietTicks = max(c.quietTicks, c.cfg.ElectionTicks-c.electionElapsed)
	}
}

// dropLeadership forgets all that only a leader or candidate needs.
func (c *Core) dropLeadership() {
	c.peers = nil
	c.pump, c.tellCommit = false, false
	c.reads, c.readsReady = nil, nil
	c.needSnapshot = nil
	c.lease = lease{}
	c.transfer = transfer{}
	c.sleep = sleepPhase{}
	c.uncommittedBytes = 0
	c.heartbeatElapsed = 0
}

// Campaign starts an election now, with a pre-vote first, if the member may
// lead and does not. Where leases are used, it does nothing while the leader
// may hold one that rests on this member.
func (c *Core) Campaign() {
	if c.role == Leader || !c.electable() || c.cfg.LeaseNanos > 0 && c.protectsLeader() {
		return
	}
	c.leaveSleep()
	c.preCampaign()
}

// preCampaign asks whether an election could be won, without disturbing anyone
// (thesis 9.6).
func (c *Core) preCampaign() {
	c.dropLeadership()
	c.role, c.leader, c.changed = PreCandidate, 0, true
	c.ackOwed = false
	c.resetElectionTimer()
	c.rebuildPeers()
	if self := c.peerOf(c.cfg.ID); self != nil {
		self.vote = voteYes
	}
	if c.decide() {
		return
	}
	c.askVotes(MsgPreVote, c.state.Term+1, 0)
}

// campaign starts an election in a new term. Requests leave, and the own vote
// counts, when term and vote are durable.
func (c *Core) campaign(context uint64) {
	c.dropLeadership()
	c.setState(c.state.Term+1, c.cfg.ID)
	c.matched, c.acked, c.leaderRound, c.ackOwed = 0, 0, 0, false
	c.role, c.leader, c.changed = Candidate, 0, true
	c.resetElectionTimer()
	c.rebuildPeers()
	c.reply(Message{Kind: MsgVoteReply, To: c.cfg.ID, Term: c.state.Term})
	c.askVotes(MsgVote, c.state.Term, context)
}

func (c *Core) askVotes(kind MessageKind, term, context uint64) {
	for i := range c.peers {
		p := &c.peers[i]
		if p.id == c.cfg.ID || !p.voter && !p.outgoing {
			continue
		}
		c.reply(Message{Kind: kind, To: p.id, Term: term, Index: c.log.last, LogTerm: c.log.lastTerm(), Context: context})
	}
}

// decide acts on the votes counted so far and reports whether the election is over.
func (c *Core) decide() bool {
	var voters, outgoing, yes, yesOut, no, noOut int
	for i := range c.peers {
		p := &c.peers[i]
		if p.voter {
			voters++
			yes += p.vote.count(voteYes)
			no += p.vote.count(voteNo)
		}
		if p.outgoing {
			outgoing++
			yesOut += p.vote.count(voteYes)
			noOut += p.vote.count(voteNo)
		}
	}
	switch quorum.Both(quorum.Vote(voters, yes, no), quorum.Vote(outgoing, yesOut, noOut)) {
	case quorum.Won:
		if c.role == PreCandidate {
			c.campaign(0)
		} else {
			c.becomeLeader()
		}
		return true
	case quorum.Lost:
		c.becomeFollower(c.state.Term, 0)
		return true
	}
	return false
}

// protectsLeader reports whether this member would help to unseat a leader
// that is there. A leader protects itself until it has lost its quorum.
func (c *Core) protectsLeader() bool {
	if c.quietTicks > 0 || c.role == Leader {
		return true
	}
	return c.leader != 0 && c.electionElapsed < c.cfg.ElectionTicks
}

// upToDate reports whether a log that ends at (index, term) has all that this
// one has (paper 5.4.1).
func (c *Core) upToDate(index, term uint64) bool {
	own := c.log.lastTerm()
	return term > own || term == own && index >= c.log.last
}

// stepPreVote answers a question and changes nothing: neither term nor vote nor timer.
func (c *Core) stepPreVote(m *Message) {
	grant := !c.protectsLeader() && c.upToDate(m.Index, m.LogTerm) &&
		(m.Term > c.state.Term || m.Term == c.state.Term && (c.state.Vote == 0 || c.state.Vote == m.From) && c.leader == 0)
	if grant {
		c.reply(Message{Kind: MsgPreVoteReply, To: m.From, Term: m.Term})
		return
	}
	c.refusePreVote(m.From)
}

// refusePreVote tells the asker what is committed here: one that was removed and
// does not know it learns so, if it has the entry that removed it.
func (c *Core) refusePreVote(to MemberID) {
	term, _ := c.log.term(c.state.Commit)
	c.reply(Message{Kind: MsgPreVoteReply, To: to, Term: c.state.Term, Reject: true, Index: c.state.Commit, LogTerm: term})
}

func (c *Core) stepPreVoteReply(m *Message) {
	if m.Reject {
		if m.Index > c.state.Commit && m.LogTerm != 0 && c.log.matches(m.Index, m.LogTerm) && c.role != Leader {
			c.commitTo(m.Index)
			if c.role == PreCandidate && !c.electable() {
				c.becomeFollower(c.state.Term, 0)
				return
			}
		}
	} else if m.Term != c.state.Term+1 {
		return
	}
	if c.role == PreCandidate {
		c.countVote(m)
	}
}

func (c *Core) stepVote(m *Message) {
	if c.state.Vote == m.From {
		c.reply(Message{Kind: MsgVoteReply, To: m.From, Term: c.state.Term})
		return
	}
	// Whether this member is itself a voter is not asked: it may have been
	// promoted and not know it yet. A promise to an earlier term's leader binds
	// also where another message has brought this term before.
	if c.state.Vote != 0 || c.leader != 0 || c.quietTicks > 0 && m.Context != voteForced || !c.upToDate(m.Index, m.LogTerm) {
		c.reply(Message{Kind: MsgVoteReply, To: m.From, Term: c.state.Term, Reject: true})
		return
	}
	c.setState(c.state.Term, m.From)
	c.resetElectionTimer()
	c.reply(Message{Kind: MsgVoteReply, To: m.From, Term: c.state.Term})
}

func (c *Core) stepVoteReply(m *Message) {
	if c.role == Candidate {
		c.countVote(m)
	}
}

func (c *Core) countVote(m *Message) {
	p := c.peerOf(m.From)
	if p == nil || p.vote != voteNone {
		return
	}
	p.vote = voteYes
	if m.Reject {
		p.vote = voteNo
	}
	c.decide()
}

func (c *Core) becomeLeader() {
	c.role, c.leader, c.changed = Leader, c.cfg.ID, true
	c.electionElapsed, c.heartbeatElapsed = 0, 0
	c.round++
	c.rebuildPeers()
	for i := range c.peers {
		c.peers[i].Reset(0, c.log.last+1)
	}
	c.termStart = c.log.last + 1
	c.appendOwn(EntryEmpty, nil)
	c.peerOf(c.cfg.ID).Match = c.log.durable
}
