package consensus

import (
	"fmt"

	"github.com/raftfleet/raftfleet/consensus/tracker"
)

// wantSnapshot asks the caller to send a snapshot to a follower that the log no
// longer reaches. One that shows no sign of life is not asked for.
func (c *Core) wantSnapshot(p *peer) {
	if !p.active || p.leaving {
		p.Paused = true
		return
	}
	p.BecomeSnapshot(c.log.snapIndex)
	c.needSnapshot = append(c.needSnapshot, p.id)
}

// SnapshotMessage makes the message that goes with a snapshot's body to a
// follower. The receiver steps it when the body is safe on its disk.
func (c *Core) SnapshotMessage(to MemberID, meta SnapshotMeta) Message {
	meta = meta.Clone()
	return Message{Kind: MsgSnapshot, From: c.cfg.ID, To: to, Term: c.state.Term, Context: c.round, Snapshot: &meta}
}

// SnapshotSent ends what Output.NeedSnapshot began: the snapshot at index is
// safely with the follower, or with ok false it is not. It must be called once
// for each, however the sending ends; a call that comes too late is ignored.
func (c *Core) SnapshotSent(to MemberID, index uint64, ok bool) {
	p := c.peerOf(to)
	if c.role != Leader || p == nil || p.State != tracker.Snapshot {
		return
	}
	if !ok {
		p.SnapshotFailed()
		return
	}
	p.Pending = min(index, c.log.last)
	p.BecomeProbe()
	c.pump = true
}

// stepSnapshot accepts a snapshot if it is ahead of all that is committed here.
func (c *Core) stepSnapshot(m *Message) {
	s := m.Snapshot
	switch {
	case s.Index <= c.state.Commit:
		c.matched = max(c.matched, c.state.Commit)
	case c.log.matches(s.Index, s.Term):
		// The log has all of it: no need to begin anew.
		c.matched = max(c.matched, s.Index)
		c.commitTo(s.Index)
	default:
		c.accept(s.Clone())
	}
	c.ackOwed = c.ackOwed || c.matched <= c.log.durable
}

// accept begins anew with a snapshot. Nothing of the old log counts any more,
// neither its entries nor its configurations nor writes on their way.
func (c *Core) accept(s SnapshotMeta) {
	c.tickets.clip(1)
	c.log.reset(s.Index, s.Term)
	c.log.durable = 0
	config := s.Config
	c.configs = []configAt{{s.ConfigIndex, &config}}
	c.install = &s
	c.state.Commit = s.Index
	c.commitDirty = true
	c.handed = s.Index
	c.applying, c.applyBytes = nil, 0
	c.matched, c.acked = s.Index, 0
	c.changed = true
}

// Compact tells the core of a durable snapshot of what was applied, so that it
// forgets the log up to there. It returns ErrInvalidSnapshot for one that this
// log cannot have; one that is not newer than the last is ignored.
func (c *Core) Compact(meta SnapshotMeta) error {
	if meta.Index <= c.log.snapIndex {
		return nil
	}
	term, ok := c.log.term(meta.Index)
	config, index := c.ConfigurationAt(meta.Index)
	switch {
	case meta.Index > c.applied:
		return fmt.Errorf("%w: snapshot %d, applied %d", ErrInvalidSnapshot, meta.Index, c.applied)
	case !ok || term != meta.Term:
		return fmt.Errorf("%w: snapshot %d of term %d, the log has term %d", ErrInvalidSnapshot, meta.Index, meta.Term, term)
	case index != meta.ConfigIndex || !config.Equal(&meta.Config):
		return fmt.Errorf("%w: snapshot %d with configuration %v of index %d, in force was %v of index %d", ErrInvalidSnapshot, meta.Index, meta.Config, meta.ConfigIndex, *config, index)
	}
	durable := c.log.durable
	c.log.compact(meta.Index, meta.Term)
	for len(c.configs) > 1 && c.configs[1].index <= meta.Index {
		c.configs = append(c.configs[:0], c.configs[1:]...)
	}
	if c.log.durable != durable {
		c.moreDurable() // the snapshot was faster than the write of its last entries
		return nil
	}
	c.evict()
	return nil
}
