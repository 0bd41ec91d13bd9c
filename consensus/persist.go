package consensus

// tickets are the writes on their way to the disk, in order.
type tickets struct {
	last    uint64 // the newest ticket
	durable uint64 // this one and all before are durable
	writes  []write
}

type write struct {
	ticket uint64
	// last is the index up to which the log will be durable when this write is.
	// It is lowered when entries are truncated before that: a completion that
	// comes late must not speak for other entries that took their place.
	last    uint64
	install bool
}

type heldMessage struct {
	ticket  uint64
	message Message
}

// nextTicket is the ticket of the write that what is now dirty will go with.
func (c *Core) nextTicket() uint64 { return c.tickets.last + 1 }

// stateDurable reports whether term and vote are on disk.
func (c *Core) stateDurable() bool {
	return !c.stateDirty && c.tickets.durable >= c.stateTicket
}

func (c *Core) setState(term uint64, vote MemberID) {
	c.state.Term, c.state.Vote = term, vote
	c.stateDirty = true
}

// reply sends a message that says something about this member's term or vote,
// as soon as these are durable.
func (c *Core) reply(m Message) {
	m.From = c.cfg.ID
	if c.stateDurable() {
		c.outbox = append(c.outbox, m)
		return
	}
	ticket := c.stateTicket
	if c.stateDirty {
		ticket = c.nextTicket()
	}
	for i := range c.held {
		// The newer says all that the older would: what waits is bounded however
		// much is asked while a disk takes its time.
		if h := &c.held[i]; h.message.Kind == m.Kind && h.message.To == m.To && h.message.Reject == m.Reject {
			*h = heldMessage{ticket, m}
			return
		}
	}
	c.held = append(c.held, heldMessage{ticket, m})
}

// send sends a message that depends on nothing but what is already durable.
func (c *Core) send(m Message) {
	m.From, m.Term = c.cfg.ID, c.state.Term
	c.outbox = append(c.outbox, m)
}

// clip notes that entries from index on are gone from the log.
func (t *tickets) clip(index uint64) {
	for i := range t.writes {
		t.writes[i].last = min(t.writes[i].last, index-1)
	}
}

// Persisted reports that the write with this ticket and all before it are
// durable. A ticket that is not known, or was reported before, is ignored.
func (c *Core) Persisted(ticket uint64) {
	if ticket > c.tickets.last || ticket <= c.tickets.durable {
		return
	}
	c.tickets.durable = ticket
	done, durable := 0, c.log.durable
	for _, w := range c.tickets.writes {
		if w.ticket > ticket {
			break
		}
		c.log.durable = max(c.log.durable, w.last)
		if w.install && c.installing == w.ticket {
			c.installing = 0
			c.applied = max(c.applied, c.handed)
		}
		done++
	}
	c.tickets.writes = append(c.tickets.writes[:0], c.tickets.writes[done:]...)
	c.releaseHeld()
	if c.log.durable != durable {
		c.moreDurable()
	}
}

// moreDurable acts on entries that have become durable: a leader counts them for
// itself, a follower owes its leader word of them.
func (c *Core) moreDurable() {
	c.evict()
	if c.role == Leader {
		if self := c.peerOf(c.cfg.ID); self != nil {
			self.Match = c.log.durable
			c.maybeCommit()
		}
	} else if c.leader != 0 && min(c.log.durable, c.matched) > c.acked {
		c.ackOwed = true
	}
}

// releaseHeld lets messages go that waited for what is durable now. What was
// meant for an older term is of no more use.
func (c *Core) releaseHeld() {
	if len(c.held) == 0 {
		return
	}
	kept := c.held[:0]
	var own []Message
	for _, h := range c.held {
		switch {
		case h.ticket > c.tickets.durable:
			kept = append(kept, h)
		case h.message.Term < c.state.Term:
		case h.message.To == c.cfg.ID:
			own = append(own, h.message)
		default:
			c.outbox = append(c.outbox, h.message)
		}
	}
	clear(c.held[len(kept):])
	c.held = kept
	for _, m := range own {
		// A candidate counts its own vote only now.
		c.stepVoteReply(&m)
	}
}

// evict gives up entries in memory beyond the bounds.
func (c *Core) evict() {
	soft, hard := c.cfg.CacheBytes, c.cfg.CacheBytes+4*c.cfg.MaxApplyBytes
	if c.asleep {
		soft, hard = 0, 0
	}
	c.log.evict(c.applied, c.state.Commit, soft, hard)
}
