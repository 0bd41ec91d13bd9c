package consensus

import (
	"encoding/binary"
	"slices"
)

// Clone returns a member that is where this one is and goes on by itself. It
// reads its durable log from storage, which must hold what that of the original
// does. Config.Rand is shared: if the two shall behave alike, it must not
// remember. It serves those who try out what may happen.
func (c *Core) Clone(storage Storage) *Core {
	d := *c
	d.log.storage = storage
	d.log.terms = slices.Clone(c.log.terms)
	d.log.memory.buffer = slices.Clone(c.log.memory.buffer)
	d.tickets.writes = slices.Clone(c.tickets.writes)
	d.held = slices.Clone(c.held)
	d.outbox = slices.Clone(c.outbox)
	d.configs = slices.Clone(c.configs) // the configurations themselves never change
	d.peers = slices.Clone(c.peers)
	for i := range d.peers {
		d.peers[i].Inflights = c.peers[i].Inflights.Clone()
	}
	d.scratch = nil
	d.reads = slices.Clone(c.reads)
	d.readsReady = slices.Clone(c.readsReady)
	d.needSnapshot = slices.Clone(c.needSnapshot)
	d.applying = slices.Clone(c.applying)
	return &d
}

// AppendFingerprint appends to dst all that decides how the member goes on, in a
// canonical form. Two members of equal Config, storage and fingerprint answer
// alike to whatever comes, except that the numbers of their tickets may differ
// by a constant. It is no format to be stored: another build may have another.
func (c *Core) AppendFingerprint(dst []byte) []byte {
	f := fingerprint{dst}
	f.numbers(c.state.Term, uint64(c.state.Vote), c.state.Commit, uint64(c.role), uint64(c.leader))
	f.flags(c.asleep, c.changed, c.logDiscarded, c.stateDirty, c.commitDirty, c.commitDue, c.ackOwed, c.pump, c.tellCommit, c.storageErr != nil)
	f.counts(c.electionElapsed, c.electionTimeout, c.heartbeatElapsed, c.quietTicks)
	f.numbers(c.termStart, c.matched, c.acked, c.leaderRound, c.round, c.uncommittedBytes, c.applied, c.handed, c.applyBytes)
	if c.cfg.LeaseNanos > 0 {
		f.numbers(uint64(c.now))
	}
	f.log(&c.log)
	f.disk(c)
	f.counts(len(c.outbox))
	for i := range c.outbox {
		f.message(&c.outbox[i])
	}
	f.counts(len(c.configs))
	for _, at := range c.configs {
		f.numbers(at.index)
		f.b = at.config.AppendBinary(f.b)
	}
	f.leading(c)
	f.counts(len(c.applying))
	for _, batch := range c.applying {
		f.numbers(batch.last, batch.bytes)
	}
	return f.b
}

type fingerprint struct{ b []byte }

func (f *fingerprint) numbers(values ...uint64) {
	for _, v := range values {
		f.b = binary.AppendUvarint(f.b, v)
	}
}

func (f *fingerprint) counts(values ...int) {
	for _, v := range values {
		f.b = binary.AppendUvarint(f.b, uint64(v))
	}
}

func (f *fingerprint) flags(values ...bool) {
	bits := uint64(0)
	for i, v := range values {
		if v {
			bits |= 1 << i
		}
	}
	f.numbers(bits)
}

func (f *fingerprint) message(m *Message) {
	start := len(f.b)
	f.b = AppendMessage(f.b, m)
	f.counts(len(f.b) - start)
}

func (f *fingerprint) log(l *raftLog) {
	f.numbers(l.snapIndex, l.snapTerm, l.base, l.baseTerm, l.last, l.memFirst, l.unsaved, l.durable)
	f.counts(len(l.terms), l.memory.count)
	for _, run := range l.terms {
		f.numbers(run.first, run.term)
	}
	for i := range l.memory.count {
		e := l.memory.at(i)
		f.numbers(e.Index, e.Term, uint64(e.Kind), uint64(len(e.Data)))
		f.b = append(f.b, e.Data...)
	}
}

// disk tells what is on its way to the disk. A ticket counts by how far it is
// behind the newest.
func (f *fingerprint) disk(c *Core) {
	behind := func(ticket uint64) uint64 { return c.tickets.last + 1 - ticket }
	f.flags(c.stateDurable(), c.install != nil, c.installing != 0)
	if !c.stateDurable() {
		f.numbers(behind(c.stateTicket))
	}
	if c.installing != 0 {
		f.numbers(behind(c.installing))
	}
	if s := c.install; s != nil {
		f.numbers(s.Index, s.Term, s.ConfigIndex)
		f.b = s.Config.AppendBinary(f.b)
	}
	f.numbers(behind(c.tickets.durable))
	f.counts(len(c.tickets.writes), len(c.held))
	for _, w := range c.tickets.writes {
		f.numbers(behind(w.ticket), w.last)
		f.flags(w.install)
	}
	for i := range c.held {
		f.numbers(behind(c.held[i].ticket))
		f.message(&c.held[i].message)
	}
}

// leading tells what a leader or candidate keeps beside the log.
func (f *fingerprint) leading(c *Core) {
	f.counts(len(c.peers), len(c.reads), len(c.readsReady), len(c.needSnapshot), c.lease.opened, c.transfer.elapsed, c.sleep.idle)
	for i := range c.peers {
		p := &c.peers[i]
		f.numbers(uint64(p.id), p.Match, p.Next, uint64(p.State), p.Pending, uint64(p.vote), p.roundSeen, p.commitTold, p.beatMatch)
		f.flags(p.Paused, p.voter, p.outgoing, p.leaving, p.active, p.ask, p.slept)
		f.counts(p.Inflights.Count())
		for last, bytes := range p.Inflights.All() {
			f.numbers(last, bytes)
		}
	}
	for _, r := range c.reads {
		f.numbers(r.id, r.round, r.index)
	}
	for _, r := range c.readsReady {
		f.numbers(r.ID, r.Index)
	}
	for _, id := range c.needSnapshot {
		f.numbers(uint64(id))
	}
	for _, r := range c.lease.rounds[:c.lease.opened] {
		f.numbers(r.round, uint64(r.at))
	}
	f.numbers(uint64(c.lease.until), uint64(c.transfer.target), c.sleep.round)
	f.flags(c.lease.over, c.sleep.trying)
}
