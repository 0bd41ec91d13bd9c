package consensus

// Output is what the core wants done. Fill it with Core.Output, do it, and use
// the same one again: its slices are reused, so nothing of it but the entries'
// data may be kept beyond the next call.
type Output struct {
	// Messages are to be sent at once, in any order. What depends on something
	// being durable is held back inside the core.
	Messages []Message
	// Write is to be made durable.
	Write Write
	// Committed are the next entries to apply, in order, of all kinds. They may
	// not be durable here yet: a quorum has them.
	Committed []Entry
	// Reads are answers to Read.
	Reads []ReadReady
	// NeedSnapshot are followers to which a leader should send its newest
	// snapshot; each ends with a call of SnapshotSent.
	NeedSnapshot []MemberID
	// Changed: role, term, leader, configuration, transfer or sleep are not what
	// they were at the last Output.
	Changed bool
	// StorageErr is why entries could not be read from Storage. It is tried again
	// after a tick; if it does not pass, the member must be stopped.
	StorageErr error

	arena            []Entry
	sharedLo, shared uint64 // the entries last put in a message, and where
	sharedEntries    []Entry
}

// Write is what must reach the disk, in the order of the tickets.
type Write struct {
	// Ticket is to be reported by Persisted when the write is durable. 0 with
	// StateChanged: only the commit index moved; it is written when convenient,
	// not synced and not reported. 0 without: there is nothing to write.
	Ticket uint64
	State  HardState
	// StateChanged: State differs from that of the last Write.
	StateChanged bool
	// Entries are consecutive and replace everything at or after the first one.
	Entries []Entry
	// Install is a received snapshot that was accepted: make the snapshot durable,
	// then State and an empty log behind it, restore the state machine from it,
	// then report. There is no other Write before that is done.
	Install *SnapshotMeta
}

// ReadReady answers a read: it may be computed when Index is applied.
type ReadReady struct{ ID, Index uint64 }

func (o *Output) reset() {
	clear(o.Messages)
	clear(o.Committed)
	clear(o.Write.Entries)
	clear(o.arena)
	*o = Output{
		Messages:     o.Messages[:0],
		Write:        Write{Entries: o.Write.Entries[:0]},
		Committed:    o.Committed[:0],
		Reads:        o.Reads[:0],
		NeedSnapshot: o.NeedSnapshot[:0],
		arena:        o.arena[:0],
	}
}

// entries copies entries of the log for a message. Followers in step share them.
func (o *Output) entries(l *raftLog, lo, hi uint64) []Entry {
	if lo == o.sharedLo && hi == o.shared {
		return o.sharedEntries
	}
	n := int(hi - lo)
	if cap(o.arena)-len(o.arena) < n {
		// The full one stays with the messages that refer to it.
		o.arena = make([]Entry, 0, max(2*cap(o.arena), n, 16))
	}
	start := len(o.arena)
	o.arena = l.appendTo(o.arena, lo, hi)
	o.sharedLo, o.shared, o.sharedEntries = lo, hi, o.arena[start:len(o.arena):len(o.arena)]
	return o.sharedEntries
}

// HasOutput reports whether Output may have something to say.
func (c *Core) HasOutput() bool {
	return c.changed || c.pump || c.tellCommit || c.ackOwed || len(c.outbox) > 0 ||
		c.writeWaiting() || c.commitWaiting() || c.applyWaiting() ||
		len(c.readsReady) > 0 || len(c.needSnapshot) > 0 || c.readsWaiting()
}

// Output hands out all that has to be done now.
func (c *Core) Output(o *Output) {
	o.reset()
	c.flushReads()
	if c.tellCommit {
		c.tellCommits()
	}
	c.flushAck()
	c.write(&o.Write)
	o.Messages = append(o.Messages, c.outbox...)
	clear(c.outbox)
	c.outbox = c.outbox[:0]
	c.replicate(o)
	c.apply(o)
	o.Reads = append(o.Reads, c.readsReady...)
	c.readsReady = c.readsReady[:0]
	o.NeedSnapshot = append(o.NeedSnapshot, c.needSnapshot...)
	c.needSnapshot = c.needSnapshot[:0]
	o.Changed, c.changed = c.changed, false
	o.StorageErr = c.storageErr
	if c.asleep {
		c.outbox = nil
	}
}

func (c *Core) writeWaiting() bool {
	return c.installing == 0 && (c.install != nil || c.stateDirty || c.log.unsaved <= c.log.last)
}

// commitWaiting reports whether a commit index alone is to be written: at most
// once a tick, since it is never needed.
func (c *Core) commitWaiting() bool {
	return c.installing == 0 && c.commitDirty && (c.commitDue || c.asleep)
}

// write hands out what is not on its way to the disk yet. While a snapshot is
// being installed there is no other write: the reset of the log must not
// overtake or be overtaken by one.
func (c *Core) write(w *Write) {
	if !c.writeWaiting() {
		if c.commitWaiting() {
			w.State, w.StateChanged = c.state, true
			c.commitDirty, c.commitDue = false, false
		}
		return
	}
	c.tickets.last++
	w.Ticket, w.State = c.tickets.last, c.state
	w.StateChanged = c.stateDirty || c.commitDirty
	if c.stateDirty {
		c.stateTicket = w.Ticket
	}
	record := write{ticket: w.Ticket}
	if c.install != nil {
		w.Install, c.install = c.install, nil
		w.StateChanged = true
		w.State.Commit = w.Install.Index
		record.last, record.install = w.Install.Index, true
		c.installing = w.Ticket
		c.commitDirty = c.state.Commit > w.Install.Index
	} else {
		w.Entries = c.log.appendTo(w.Entries, c.log.unsaved, c.log.last+1)
		c.log.unsaved = c.log.last + 1
		record.last = c.log.last
		c.commitDirty = false
	}
	c.stateDirty, c.commitDue = false, false
	c.tickets.writes = append(c.tickets.writes, record)
}

func (c *Core) applyWaiting() bool {
	return c.handed < c.state.Commit && c.install == nil && c.installing == 0 && c.storageErr == nil &&
		c.applyBytes < c.cfg.MaxApplyBytes
}

// apply hands out committed entries, as many as may be on their way.
func (c *Core) apply(o *Output) {
	if !c.applyWaiting() {
		return
	}
	lo, hi := c.handed+1, c.state.Commit+1
	room := c.cfg.MaxApplyBytes - c.applyBytes
	bytes := uint64(0)
	if lo >= c.log.memFirst {
		hi, bytes = c.log.spanWithin(lo, hi, room)
		o.Committed = c.log.appendTo(o.Committed, lo, hi)
	} else {
		entries, err := c.log.fromStorage(lo, hi, room)
		if err != nil {
			c.storageErr = err
			return
		}
		o.Committed = append(o.Committed, entries...)
		for i := range entries {
			bytes += entrySize(&entries[i])
		}
		hi = lo + uint64(len(entries))
	}
	c.handed = hi - 1
	c.applyBytes += bytes
	c.applying = append(c.applying, applyBatch{c.handed, bytes})
}

// Applied reports that the state machine has applied everything up to index.
// An index that was not handed out, or was reported before, is ignored.
func (c *Core) Applied(index uint64) {
	if index <= c.applied || index > c.handed {
		return
	}
	c.applied = index
	done := 0
	for done < len(c.applying) && c.applying[done].last <= index {
		c.applyBytes -= c.applying[done].bytes
		done++
	}
	c.applying = append(c.applying[:0], c.applying[done:]...)
	c.evict()
}
