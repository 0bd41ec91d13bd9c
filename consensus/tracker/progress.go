// Package tracker is a leader's view of one follower: how far its log is known
// to match, what to send next, and how fast. It knows indexes only.
//
// A follower is in one of three states:
//
//	Probe      where the logs match is being looked for, with one message at a
//	           time; the next goes when this one is answered or a heartbeat is.
//	Replicate  the place is known; messages go one behind the other, as many as
//	           the window holds, on the assumption that they arrive.
//	Snapshot   the log no longer reaches back to where the follower is; nothing
//	           is sent until the snapshot is there or has failed.
package tracker

// State is how entries are sent to a follower.
type State uint8

const (
	Probe State = iota
	Replicate
	Snapshot
)

// String names the state in lower case.
func (s State) String() string {
	switch s {
	case Replicate:
		return "replicate"
	case Snapshot:
		return "snapshot"
	}
	return "probe"
}

// Progress is the view of one follower. Always Match < Next.
type Progress struct {
	// Match is the highest index that is durable at the follower and equal to the
	// leader's log.
	Match uint64
	// Next is the first index that was not sent.
	Next  uint64
	State State
	// Paused: nothing more until the follower answers anything.
	Paused bool
	// Pending is the index of the snapshot on its way, in state Snapshot.
	Pending   uint64
	Inflights Inflights
}

// Reset starts anew, probing with the entries from next on.
func (p *Progress) Reset(match, next uint64) {
	*p = Progress{Match: match, Next: max(next, match+1)}
}

// BecomeProbe looks again for where the logs match, behind what is known.
func (p *Progress) BecomeProbe() {
	next := p.Match + 1
	if p.State == Snapshot {
		next = max(next, p.Pending+1)
	}
	*p = Progress{Match: p.Match, Next: next}
}

// BecomeReplicate sends from Match on.
func (p *Progress) BecomeReplicate() {
	*p = Progress{Match: p.Match, Next: p.Match + 1, State: Replicate}
}

// BecomeSnapshot waits for a snapshot at index.
func (p *Progress) BecomeSnapshot(index uint64) {
	*p = Progress{Match: p.Match, Next: max(p.Match+1, index+1), State: Snapshot, Pending: index}
}

// SnapshotFailed probes again from where the follower is known to be, but only
// after it has shown a sign of life.
func (p *Progress) SnapshotFailed() {
	*p = Progress{Match: p.Match, Next: p.Match + 1, Paused: true}
}

// Sent notes a message with count entries of so many bytes behind Next-1.
func (p *Progress) Sent(count int, bytes uint64) {
	p.Next += uint64(count)
	if p.State == Replicate {
		if count > 0 {
			p.Inflights.Add(p.Next-1, bytes)
		}
		return
	}
	// A probe's Next stays: the answer decides.
	p.Next -= uint64(count)
	p.Paused = true
}

// Acknowledged notes that everything up to index is durable and equal. It
// reports whether that is news; an answer that comes late is none.
func (p *Progress) Acknowledged(index uint64) bool {
	news := index > p.Match
	if news {
		p.Match = index
		p.Next = max(p.Next, index+1)
	}
	p.Inflights.Free(index)
	return news
}

// Rejected notes that the entry at index did not match, and that the one at
// hint may. It reports false for an answer that comes late and says nothing.
func (p *Progress) Rejected(index, hint uint64) bool {
	switch p.State {
	case Replicate:
		// What is acknowledged cannot have been refused since: an old answer. And
		// what was not sent cannot have been refused at all.
		if index <= p.Match || index >= p.Next {
			return false
		}
		p.BecomeProbe()
		return true
	case Probe:
		// Only the probe that is out counts.
		if index != p.Next-1 {
			return false
		}
		next := max(min(index, hint+1), p.Match+1)
		if next == p.Next {
			// It refuses what it had acknowledged: its disk has lost it. To ask the same
			// again at once would go on for ever; the next sign of life is soon enough.
			return false
		}
		p.Next = next
		p.Paused = false
		return true
	}
	return false
}

// Blocked reports whether nothing may be sent now.
func (p *Progress) Blocked(maxMessages int, maxBytes uint64) bool {
	switch p.State {
	case Replicate:
		return p.Paused || p.Inflights.Full(maxMessages, maxBytes)
	case Probe:
		return p.Paused
	}
	return true
}
