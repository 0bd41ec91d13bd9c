package consensus

import "fmt"

// stepAppend takes entries from the leader (paper 5.3).
func (c *Core) stepAppend(m *Message) error {
	prev, entries := m.Index, m.Entries
	if err := c.contradicts(m); err != nil {
		return err
	}
	switch {
	case prev < c.state.Commit:
		// What is committed is the same everywhere: skip it.
		skip := min(c.state.Commit-prev, uint64(len(entries)))
		entries = entries[skip:]
		prev = c.state.Commit
	case !c.log.matches(prev, m.LogTerm):
		hint, term := c.log.atMost(prev, m.LogTerm)
		c.reply(Message{Kind: MsgAppendReply, To: m.From, Term: c.state.Term, Reject: true, Index: prev, HintIndex: hint, HintTerm: term})
		return nil
	}
	for i := range entries {
		e := &entries[i]
		if c.log.matches(e.Index, e.Term) {
			continue
		}
		if e.Index <= c.log.last {
			c.truncate(e.Index)
		}
		c.appendFromLeader(entries[i:])
		break
	}
	end := prev + uint64(len(entries))
	c.matched = max(c.matched, end)
	// Only as far as this message has shown the logs to be equal.
	c.commitTo(min(m.Commit, end))
	// What is not durable yet is acknowledged by Persisted.
	c.ackOwed = c.ackOwed || c.matched <= c.log.durable
	return nil
}

// contradicts reports whether a message says otherwise than what is committed
// here, which only a disk that lost what it had promised can bring about.
func (c *Core) contradicts(m *Message) error {
	differs := func(index, term uint64) error {
		if own, ok := c.log.term(index); ok && index <= c.state.Commit && own != term {
			return fmt.Errorf("%w: entry %d has term %d here and %d at leader %v; stop the member and look at its data", ErrDiverged, index, own, term, m.From)
		}
		return nil
	}
	if err := differs(m.Index, m.LogTerm); err != nil {
		return err
	}
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Index > c.state.Commit {
			break
		}
		if err := differs(e.Index, e.Term); err != nil {
			return err
		}
	}
	return nil
}

func (c *Core) appendFromLeader(entries []Entry) {
	for i := range entries {
		e := &entries[i]
		if e.Kind == EntryConfig && c.pushConfig(e) == nil { // check has decoded it
			c.changed = true
		}
		c.log.append(*e)
	}
}

// truncate removes entries that are not the leader's, with the configurations
// they brought, and with any claim that they are or will be durable.
func (c *Core) truncate(index uint64) {
	for n := len(c.configs); n > 1 && c.configs[n-1].index >= index; n-- {
		c.configs = c.configs[:n-1]
		c.changed = true
	}
	c.tickets.clip(index)
	c.log.truncate(index)
	c.matched = min(c.matched, index-1)
	c.acked = min(c.acked, index-1)
}

func (c *Core) stepHeartbeat(m *Message) {
	if m.Commit > c.state.Commit && c.log.matches(m.Commit, m.LogTerm) {
		c.commitTo(m.Commit)
	}
	c.reply(Message{Kind: MsgHeartbeatReply, To: m.From, Term: c.state.Term, Context: m.Context})
}

// flushAck tells the leader how far this log is durable and equal to its own.
// One answer serves for all that arrived since the last.
func (c *Core) flushAck() {
	if !c.ackOwed {
		return
	}
	c.ackOwed = false // whoever leaves a leader owes it nothing: there is one
	index := min(c.log.durable, c.matched)
	c.acked = max(c.acked, index)
	c.reply(Message{Kind: MsgAppendReply, To: c.leader, Term: c.state.Term, Index: index})
}
