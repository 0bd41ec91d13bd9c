package consensus

import "github.com/raftfleet/raftfleet/consensus/tracker"

// Propose appends commands to the leader's log and returns the index of the
// first and the term of all. The data is shared and must not change. Whether a
// command is committed shows when an entry of that index is handed out: it is
// the one if its term is that term.
func (c *Core) Propose(data ...[]byte) (first, term uint64, err error) {
	switch {
	case c.role != Leader:
		return 0, 0, ErrNotLeader
	case c.transfer.target != 0:
		return 0, 0, ErrTransferring
	}
	size := uint64(0)
	for _, d := range data {
		size += uint64(len(d)) + entryOverhead
	}
	if c.uncommittedBytes > 0 && c.uncommittedBytes+size > c.cfg.MaxUncommittedBytes {
		return 0, 0, ErrOverloaded
	}
	c.stayAwake()
	first = c.log.last + 1
	for _, d := range data {
		c.appendOwn(EntryCommand, d)
	}
	return first, c.state.Term, nil
}

// appendOwn appends an entry of the leader's own term.
func (c *Core) appendOwn(kind EntryKind, data []byte) {
	e := Entry{Index: c.log.last + 1, Term: c.state.Term, Kind: kind, Data: data}
	c.log.append(e)
	c.uncommittedBytes += entrySize(&e)
	c.pump = true
}

// releaseUncommitted takes committed entries off the account. Only entries of
// the leader's own term were ever on it.
func (c *Core) releaseUncommitted(from, to uint64) {
	for i := max(from, c.termStart); i <= to; i++ {
		c.uncommittedBytes -= entrySize(c.log.inMemory(i))
	}
}

// maybeCommit commits what a quorum has. An entry of an earlier term is never
// committed by counting, only by one of this term behind it (paper 5.4.2).
func (c *Core) maybeCommit() {
	index := min(c.quorumMatch(), c.log.last)
	if index > c.state.Commit && index >= c.termStart {
		c.commitTo(index)
	}
}

// replicate fills o with all append messages that the windows allow.
func (c *Core) replicate(o *Output) {
	if !c.pump || c.role != Leader {
		return
	}
	c.pump = false
	for i := range c.peers {
		p := &c.peers[i]
		if p.id == c.cfg.ID {
			continue
		}
		for c.sendAppend(o, p) {
		}
	}
}

// sendAppend sends a follower its next entries and reports whether more may follow.
func (c *Core) sendAppend(o *Output, p *peer) bool {
	if p.Blocked(c.cfg.MaxInflightMessages, c.cfg.MaxInflightBytes) && !p.ask {
		return false
	}
	asked := p.ask
	p.ask = false
	if p.State == tracker.Snapshot || p.State == tracker.Replicate && p.Next > c.log.last && !asked {
		return false
	}
	prev := p.Next - 1
	prevTerm, ok := c.log.term(prev)
	if !ok {
		c.wantSnapshot(p)
		return false
	}
	m := Message{Kind: MsgAppend, From: c.cfg.ID, To: p.id, Term: c.state.Term, Index: prev, LogTerm: prevTerm, Commit: c.state.Commit, Context: c.round}
	more := false
	bytes := uint64(0)
	if p.Next <= c.log.last && !p.Blocked(c.cfg.MaxInflightMessages, c.cfg.MaxInflightBytes) {
		if p.Next >= c.log.memFirst {
			var end uint64
			end, bytes = c.log.spanWithin(p.Next, c.log.last+1, c.cfg.MaxAppendBytes)
			m.Entries = o.entries(&c.log, p.Next, end)
			more = p.State == tracker.Replicate
		} else {
			// One read of the disk a turn: the rest follows when this is answered.
			entries, err := c.log.fromStorage(p.Next, c.log.last+1, c.cfg.MaxAppendBytes)
			if err != nil {
				c.storageErr = err
				p.Paused = true
				return false
			}
			m.Entries = entries
			for i := range entries {
				bytes += entrySize(&entries[i])
			}
		}
	}
	p.Sent(len(m.Entries), bytes)
	p.commitTold = max(p.commitTold, min(c.state.Commit, prev+uint64(len(m.Entries))))
	o.Messages = append(o.Messages, m)
	return more
}

func (c *Core) stepAppendReply(p *peer, m *Message) {
	c.pump = true
	if m.Reject {
		// The follower's hint ends a run of a term there; here the run may end earlier.
		hint, _ := c.log.atMost(m.HintIndex, m.HintTerm)
		p.Rejected(m.Index, hint)
		return
	}
	if m.Index > c.log.last {
		return // nobody can have what was never written
	}
	accepted := m.Index+1 >= p.Next
	news := p.Acknowledged(m.Index)
	p.Paused = p.Paused && p.State == tracker.Probe
	switch {
	case p.State == tracker.Probe && (accepted || news):
		p.BecomeReplicate()
	case p.State == tracker.Snapshot && p.Match >= c.log.base:
		p.BecomeReplicate()
	}
	if !news {
		return
	}
	id := m.From
	c.maybeCommit()
	if c.role == Leader && c.transfer.target == id {
		c.tryTransfer()
	}
}

func (c *Core) stepHeartbeatReply(p *peer, m *Message) {
	p.Paused = false
	p.roundSeen = max(p.roundSeen, min(m.Context, c.round))
	if p.State == tracker.Replicate && p.Match+1 < p.Next && p.Match == p.beatMatch {
		// Nothing was acknowledged for a while: an append that is refused shows
		// whether something was lost.
		p.ask = true
	}
	p.beatMatch = p.Match
	c.pump = true
	c.confirmRounds()
}

// beat sends a heartbeat to everyone and opens a round with it.
func (c *Core) beat() {
	c.heartbeatElapsed = 0
	c.openRound()
	for i := range c.peers {
		c.heartbeat(&c.peers[i])
	}
}

// heartbeat tells a follower that the leader lives, and of the commits that it
// is known to have the entries for.
func (c *Core) heartbeat(p *peer) {
	if p.id == c.cfg.ID {
		return
	}
	commit := min(p.Match, c.state.Commit)
	term, ok := c.log.term(commit)
	if !ok {
		commit, term = 0, 0
	}
	p.commitTold = max(p.commitTold, commit)
	c.send(Message{Kind: MsgHeartbeat, To: p.id, Commit: commit, LogTerm: term, Context: c.round})
}

// tellCommits sends a heartbeat to those who could know of a commit and were not told.
func (c *Core) tellCommits() {
	c.tellCommit = false
	for i := range c.peers {
		p := &c.peers[i]
		if p.id != c.cfg.ID && min(p.Match, c.state.Commit) > p.commitTold {
			c.heartbeat(p)
		}
	}
}

// Unreachable reports that messages to a member may have been lost. What it
// lacks is looked for again when it shows a sign of life.
func (c *Core) Unreachable(to MemberID) {
	if p := c.peerOf(to); c.role == Leader && p != nil && p.id != c.cfg.ID && p.State == tracker.Replicate {
		p.BecomeProbe()
		p.Paused = true
	}
}
