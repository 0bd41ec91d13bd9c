package consensus

import (
	"github.com/raftfleet/raftfleet/consensus/quorum"
	"github.com/raftfleet/raftfleet/consensus/tracker"
)

// peer is what a leader or candidate knows of one member. The leader is a peer
// of its own: its Match is what is durable on its own disk.
type peer struct {
	id MemberID
	tracker.Progress

	voter, outgoing bool // which halves of the configuration it counts for
	leaving         bool // of the committed configuration, not of the one in force

	vote      vote
	active    bool // heard since quorum was last checked
	before    bool // heard between the two checks before
	heardAt   int  // electionElapsed when it was last heard
	ask       bool // send an append even without entries
	slept     bool // answered the present Sleep
	roundSeen uint64
	// commitTold is the highest commit index sent.
	commitTold uint64
	// beatMatch is what Match was at the last heartbeat's answer.
	beatMatch uint64
}

type vote uint8

const (
	voteNone vote = iota
	voteYes
	voteNo
)

func (v vote) count(of vote) int {
	if v == of {
		return 1
	}
	return 0
}

func (c *Core) peerOf(id MemberID) *peer {
	for i := range c.peers {
		if c.peers[i].id == id {
			return &c.peers[i]
		}
	}
	return nil
}

// rebuildPeers makes the peers those of the configuration in force, those of
// the committed one that are leaving (they should still learn that they left),
// and this member. What is known of those who stay is kept. Pointers to peers
// are void afterwards.
func (c *Core) rebuildPeers() {
	config := c.Configuration()
	committed, _ := c.ConfigurationAt(c.state.Commit)
	old := c.peers
	size := len(config.Voters) + len(config.Outgoing) + len(config.Learners) + 1
	c.peers = make([]peer, 0, size)
	add := func(id MemberID) {
		if c.peerOf(id) != nil {
			return
		}
		p := peer{id: id, active: true}
		p.Reset(0, c.log.last+1)
		for i := range old {
			if old[i].id == id {
				p = old[i]
			}
		}
		p.voter, p.outgoing = hasMember(config.Voters, id), hasMember(config.Outgoing, id)
		p.leaving = !config.Contains(id)
		c.peers = append(c.peers, p)
	}
	add(c.cfg.ID)
	for _, from := range [...]*Configuration{config, committed} {
		for _, set := range [...][]Member{from.Voters, from.Outgoing, from.Learners} {
			for _, m := range set {
				add(m.ID)
			}
		}
		if config == committed || c.role != Leader {
			break
		}
	}
}

// quorumMatch returns the highest index that is durable at a quorum.
func (c *Core) quorumMatch() uint64 {
	c.scratch = c.scratch[:0]
	for i := range c.peers {
		if p := &c.peers[i]; p.voter {
			c.scratch = append(c.scratch, p.Match)
		}
	}
	match := quorum.Committed(c.scratch)
	if !c.Configuration().Joint() {
		return match
	}
	c.scratch = c.scratch[:0]
	for i := range c.peers {
		if p := &c.peers[i]; p.outgoing {
			c.scratch = append(c.scratch, p.Match)
		}
	}
	return min(match, quorum.Committed(c.scratch))
}

// quorumRound returns the highest round that a quorum has answered.
func (c *Core) quorumRound() uint64 {
	c.scratch = c.scratch[:0]
	for i := range c.peers {
		if p := &c.peers[i]; p.voter {
			c.scratch = append(c.scratch, c.roundSeen(p))
		}
	}
	round := quorum.Committed(c.scratch)
	if !c.Configuration().Joint() {
		return round
	}
	c.scratch = c.scratch[:0]
	for i := range c.peers {
		if p := &c.peers[i]; p.outgoing {
			c.scratch = append(c.scratch, c.roundSeen(p))
		}
	}
	return min(round, quorum.Committed(c.scratch))
}

func (c *Core) roundSeen(p *peer) uint64 {
	if p.id == c.cfg.ID {
		return c.round
	}
	return p.roundSeen
}

// recent reports whether a follower was heard within the last election timeout.
// Unlike active it does not begin anew at each check of the quorum; it is for
// those who look and decides nothing here.
func (c *Core) recent(p *peer) bool {
	return p.id == c.cfg.ID || p.active || p.before && p.heardAt > c.electionElapsed
}

// quorumActive reports whether a quorum was heard since it was last asked.
func (c *Core) quorumActive() bool {
	var voters, outgoing, yes, yesOut int
	for i := range c.peers {
		p := &c.peers[i]
		here := p.active || p.id == c.cfg.ID || c.sleep.trying && p.slept
		p.before, p.active = p.active, false
		if p.voter {
			voters++
			if here {
				yes++
			}
		}
		if p.outgoing {
			outgoing++
			if here {
				yesOut++
			}
		}
	}
	return quorum.Both(quorum.Vote(voters, yes, 0), quorum.Vote(outgoing, yesOut, 0)) == quorum.Won
}
