package consensus

// lease is the time for which a quorum has promised the leader, by answering
// its heartbeats, not to vote for another. It counts from when the heartbeat
// was sent; only answers to heartbeats count.
type lease struct {
	until  int64
	opened int
	rounds [4]leaseRound
	// over: the leader has asked another to take over in this term. That request
	// may still be on its way, long after the transfer was called off, and goes
	// round every promise.
	over bool
}

type leaseRound struct {
	round uint64
	at    int64
}

func (l *lease) open(round uint64, now, nanos int64) {
	if nanos > 0 && !l.over && l.opened < len(l.rounds) {
		l.rounds[l.opened] = leaseRound{round, now}
		l.opened++
	}
}

func (l *lease) confirm(round uint64, nanos int64) {
	done := 0
	for done < l.opened && l.rounds[done].round <= round {
		l.until = max(l.until, l.rounds[done].at+nanos)
		done++
	}
	l.opened = copy(l.rounds[:], l.rounds[done:l.opened])
}

// restart gives up the lease until a quorum answers a new heartbeat.
func (l *lease) restart() { l.until, l.opened = 0, 0 }

// end gives up the lease for the rest of the term.
func (l *lease) end() { *l = lease{over: true} }

// LeaseUntil returns until when, in the nanoseconds of Tick, the leader may
// answer reads at LeaseIndex without asking; 0 when it may not. The caller
// looks at its clock after it has computed the answer.
func (c *Core) LeaseUntil() int64 {
	if c.asleep || !c.committedInTerm() {
		return 0
	}
	return c.lease.until
}

// LeaseIndex returns the index from which on the state answers a read under
// the lease, 0 before the first commit of the term.
func (c *Core) LeaseIndex() uint64 {
	if !c.committedInTerm() {
		return 0
	}
	return c.state.Commit
}
