package consensus

import (
	"fmt"
	"slices"
)

// Change says how a configuration should become another. All of it happens in
// one step; voters change by joint consensus (thesis 4.3).
type Change struct {
	AddLearners []Member   // who is not a member yet
	Promote     []MemberID // learners that become voters
	Demote      []MemberID // voters that become learners
	Remove      []MemberID // voters or learners that go
}

// apply returns the configuration that the change asks for, joint if voters change.
func (ch *Change) apply(config *Configuration) (Configuration, error) {
	invalid := func(format string, args ...any) (Configuration, error) {
		return Configuration{}, fmt.Errorf("%w: %s", ErrInvalidChange, fmt.Sprintf(format, args...))
	}
	seen := make([]MemberID, 0, 8)
	for _, m := range ch.AddLearners {
		if m.ID == 0 || config.Contains(m.ID) {
			return invalid("add learner %v: already a member, or no identifier", m.ID)
		}
		seen = append(seen, m.ID)
	}
	for _, id := range ch.Promote {
		if !config.IsLearner(id) {
			return invalid("promote %v: not a learner; add it as one and let it catch up first", id)
		}
		seen = append(seen, id)
	}
	for _, id := range ch.Demote {
		if !config.IsVoter(id) {
			return invalid("demote %v: not a voter", id)
		}
		seen = append(seen, id)
	}
	for _, id := range ch.Remove {
		if !config.Contains(id) {
			return invalid("remove %v: not a member", id)
		}
		seen = append(seen, id)
	}
	slices.Sort(seen)
	if len(seen) == 0 {
		return invalid("it changes nothing")
	}
	if len(slices.Compact(slices.Clone(seen))) != len(seen) {
		return invalid("a member is named twice")
	}

	next := Configuration{
		Voters:   withoutMembers(withoutMembers(config.Voters, ch.Remove), ch.Demote),
		Learners: withoutMembers(withoutMembers(config.Learners, ch.Remove), ch.Promote),
	}
	next.Learners = append(next.Learners, ch.AddLearners...)
	for _, id := range ch.Promote {
		m, _ := config.Member(id)
		next.Voters = append(next.Voters, m)
	}
	slices.SortFunc(next.Voters, compareMembers)
	slices.SortFunc(next.Learners, compareMembers)
	if len(next.Voters) == 0 {
		return invalid("no voter would be left")
	}
	if !slices.Equal(next.Voters, config.Voters) {
		next.Outgoing = slices.Clone(config.Voters)
		next.LearnersNext = slices.Clone(ch.Demote)
		slices.Sort(next.LearnersNext)
	}
	return next, nil
}

// left returns the configuration that a joint one becomes.
func (c *Configuration) left() Configuration {
	next := Configuration{Voters: slices.Clone(c.Voters), Learners: slices.Clone(c.Learners)}
	for _, id := range c.LearnersNext {
		if m, ok := findMember(c.Outgoing, id); ok {
			next.Learners = append(next.Learners, m)
		}
	}
	slices.SortFunc(next.Learners, compareMembers)
	return next
}

// ProposeChange appends a new configuration to the leader's log, if the one in
// force is still that of expectConfigIndex, and returns the entry's index. It
// is in force at once. If it is joint, the leader of the day leaves it by
// itself when it is committed: the change is complete when a configuration
// that is not joint is committed behind it.
func (c *Core) ProposeChange(ch Change, expectConfigIndex uint64) (index uint64, err error) {
	config := c.Configuration()
	switch {
	case c.role != Leader:
		return 0, ErrNotLeader
	case c.transfer.target != 0:
		return 0, ErrTransferring
	case !c.committedInTerm():
		// Before that, a configuration of an earlier term may be committed and not
		// known, and two majorities need not meet (Ongaro 2015).
		return 0, ErrNotReady
	case c.ConfigIndex() != expectConfigIndex:
		return 0, fmt.Errorf("%w: it is that of index %d, not %d", ErrConfigMoved, c.ConfigIndex(), expectConfigIndex)
	case config.Joint() || c.ConfigIndex() > c.state.Commit:
		return 0, ErrChangePending
	}
	next, err := ch.apply(config)
	if err != nil {
		return 0, err
	}
	c.stayAwake()
	c.appendConfig(&next)
	return c.log.last, nil
}

// appendConfig puts a configuration in force by appending it.
func (c *Core) appendConfig(config *Configuration) {
	c.appendOwn(EntryConfig, config.AppendBinary(nil))
	c.configs = append(c.configs, configAt{c.log.last, config})
	c.changed = true
	// A quorum of the former configuration says nothing about the new one.
	c.lease.restart()
	c.rebuildPeers()
}

// leaveJoint ends a joint configuration once it is committed. That it is done
// once, whoever leads, needs no memory: the configuration that is appended is
// not joint, and if it is truncated the joint one is in force again.
func (c *Core) leaveJoint() {
	if c.Configuration().Joint() && c.ConfigIndex() <= c.state.Commit && c.committedInTerm() && c.transfer.target == 0 {
		next := c.Configuration().left()
		c.appendConfig(&next)
	}
}

// afterCommit does what waited for a configuration to be committed.
func (c *Core) afterCommit() {
	if c.ConfigIndex() > c.state.Commit {
		return
	}
	leaving := false
	for i := range c.peers {
		if p := &c.peers[i]; p.leaving {
			leaving = true
			c.sayFarewell(p)
		}
	}
	if leaving {
		c.tellCommit = true
		c.rebuildPeers()
	}
	if !c.Configuration().IsVoter(c.cfg.ID) {
		c.abdicate()
		return
	}
	c.leaveJoint()
}

// sayFarewell tells a member that left the group that this is so, if it has the entry.
func (c *Core) sayFarewell(p *peer) {
	prev := p.Next - 1
	if term, ok := c.log.term(prev); ok && p.id != c.cfg.ID && p.Match > 0 {
		c.send(Message{Kind: MsgAppend, To: p.id, Index: prev, LogTerm: term, Commit: c.state.Commit, Context: c.round})
	}
}

// abdicate ends the leadership of a member that is a voter no longer, and asks
// the voter that has most to take over.
func (c *Core) abdicate() {
	var heir *peer
	for i := range c.peers {
		p := &c.peers[i]
		if p.id == c.cfg.ID {
			continue
		}
		c.heartbeat(p)
		if p.voter && p.active && p.Match >= c.ConfigIndex() && (heir == nil || p.Match > heir.Match) {
			heir = p
		}
	}
	if heir != nil {
		c.send(Message{Kind: MsgTimeoutNow, To: heir.id})
	}
	c.becomeFollower(c.state.Term, 0)
}
