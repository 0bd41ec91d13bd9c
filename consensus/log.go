package consensus

import (
	"fmt"
	"sort"
)

// raftLog is the log of one member. Of every entry it knows the term; it holds
// in memory those that are not durable yet, those not committed, and as many of
// the others as the cache allows. The rest is read from storage.
//
//	 base           memFirst                      last
//	  │  on storage    │   in memory                │
//	──┼────────────────┼────────────────────────────┤
//	        snapIndex, committed, handed, durable, unsaved lie anywhere between,
//	        where  handed ≤ committed,  unsaved ≥ memFirst,  durable ≥ memFirst-1
//
// When memory still holds entries that the snapshot covers, base is the index
// before memFirst, so that a follower a little behind needs no snapshot.
type raftLog struct {
	storage Storage

	snapIndex, snapTerm uint64 // the newest snapshot, and all before it
	base, baseTerm      uint64 // the entry before the first that can be had
	terms               []termRun
	last                uint64

	memory      ring // the entries from memFirst to last
	memFirst    uint64
	memoryBytes uint64

	unsaved uint64 // the first entry that was not yet handed out in a Write
	durable uint64 // everything up to here is on disk, as it is in this log
}

// termRun says that entries from first on have the term, up to the next run.
type termRun struct{ first, term uint64 }

func (l *raftLog) reset(index, term uint64) {
	l.snapIndex, l.snapTerm = index, term
	l.base, l.baseTerm = index, term
	l.terms = nil
	l.last = index
	l.memory = ring{}
	l.memFirst, l.memoryBytes = index+1, 0
	l.unsaved = index + 1
}

// term returns the term of the entry at index, false if the log does not know it.
func (l *raftLog) term(index uint64) (uint64, bool) {
	switch {
	case index == l.base:
		return l.baseTerm, true
	case index == l.snapIndex:
		return l.snapTerm, true
	case index < l.base || index > l.last:
		return 0, false
	}
	i := sort.Search(len(l.terms), func(i int) bool { return l.terms[i].first > index })
	return l.terms[i-1].term, true
}

func (l *raftLog) lastTerm() uint64 {
	if n := len(l.terms); n > 0 {
		return l.terms[n-1].term
	}
	return l.baseTerm
}

func (l *raftLog) matches(index, term uint64) bool {
	t, ok := l.term(index)
	return ok && t == term
}

// noteTerm records the term of the entry that is being added behind last.
func (l *raftLog) noteTerm(index, term uint64) {
	if l.lastTerm() != term || len(l.terms) == 0 {
		l.terms = append(l.terms, termRun{index, term})
	}
}

func (l *raftLog) append(e Entry) {
	l.noteTerm(e.Index, e.Term)
	l.memory.push(e)
	l.memoryBytes += entrySize(&e)
	l.last = e.Index
}

// truncate removes the entries from index on. The caller keeps it above what is committed.
func (l *raftLog) truncate(index uint64) {
	for n := len(l.terms); n > 0 && l.terms[n-1].first >= index; n-- {
		l.terms = l.terms[:n-1]
	}
	if index < l.memFirst {
		l.memory, l.memFirst, l.memoryBytes = ring{}, index, 0
	} else {
		for i := index; i <= l.last; i++ {
			l.memoryBytes -= entrySize(l.inMemory(i))
		}
		l.memory.dropBack(int(l.last + 1 - index))
	}
	l.last = index - 1
	l.unsaved = min(l.unsaved, index)
	l.durable = min(l.durable, index-1)
}

// inMemory returns the entry at an index that is in memory.
func (l *raftLog) inMemory(index uint64) *Entry { return l.memory.at(int(index - l.memFirst)) }

// spanWithin returns the end (exclusive) of the longest run of entries in
// memory from lo to below hi that fits in maxBytes, at least one, and its size.
func (l *raftLog) spanWithin(lo, hi, maxBytes uint64) (end, bytes uint64) {
	for end = lo; end < hi; end++ {
		size := entrySize(l.inMemory(end))
		if end > lo && bytes+size > maxBytes {
			break
		}
		bytes += size
	}
	return end, bytes
}

// appendTo appends the entries in memory from lo to below hi to dst.
func (l *raftLog) appendTo(dst []Entry, lo, hi uint64) []Entry {
	n := len(dst)
	need := n + int(hi-lo)
	if cap(dst) < need {
		grown := make([]Entry, n, max(need, 2*cap(dst), 16))
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:need]
	l.memory.copyTo(dst[n:], int(lo-l.memFirst))
	return dst
}

// fromStorage reads entries of [lo, hi) that are no longer in memory, checked
// against the terms that the log knows.
func (l *raftLog) fromStorage(lo, hi, maxBytes uint64) ([]Entry, error) {
	hi = min(hi, l.memFirst)
	entries, err := l.storage.Entries(lo, hi, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("consensus: read entries %d to %d: %w", lo, hi-1, err)
	}
	if len(entries) == 0 || uint64(len(entries)) > hi-lo {
		return nil, fmt.Errorf("consensus: read entries %d to %d: storage gave %d entries", lo, hi-1, len(entries))
	}
	for i := range entries {
		if e := &entries[i]; e.Index != lo+uint64(i) || !l.matches(e.Index, e.Term) {
			return nil, fmt.Errorf("consensus: read entry %d: storage gave entry %d of term %d, which is not in this log", lo+uint64(i), e.Index, e.Term)
		}
	}
	return entries, nil
}

// atMost returns the last index up to the given one whose term is at most term:
// where two logs, of which one ends a run of a term there, may still agree.
func (l *raftLog) atMost(index, term uint64) (uint64, uint64) {
	index = min(index, l.last)
	for i := len(l.terms) - 1; i >= 0; i-- {
		run := l.terms[i]
		if run.first > index {
			continue
		}
		if run.term <= term {
			return index, run.term
		}
		index = run.first - 1
	}
	return min(index, l.base), l.baseTerm
}

// evict gives up entries at the front that are durable and committed: those up
// to applied beyond soft bytes, others beyond hard.
func (l *raftLog) evict(applied, committed uint64, soft, hard uint64) {
	for l.memory.count > 0 && l.memoryBytes > soft {
		e := l.memory.at(0)
		if e.Index > l.durable || e.Index > committed || (e.Index > applied && l.memoryBytes <= hard) {
			break
		}
		l.memoryBytes -= entrySize(e)
		l.memory.dropFront(1)
		l.memFirst++
	}
	if soft == 0 {
		l.memory.release()
	}
	l.rebase()
}

// compact takes note of a snapshot at an index that was applied.
func (l *raftLog) compact(index, term uint64) {
	l.snapIndex, l.snapTerm = index, term
	// The snapshot stands for what is on disk behind it, whatever a write still
	// on its way will do.
	l.durable = max(l.durable, index)
	l.rebase()
}

// rebase forgets the entries that neither memory nor storage can give.
func (l *raftLog) rebase() {
	base := min(l.snapIndex, l.memFirst-1)
	if base <= l.base {
		return
	}
	l.baseTerm, _ = l.term(base)
	l.base = base
	drop := 0
	for drop+1 < len(l.terms) && l.terms[drop+1].first <= base+1 {
		drop++
	}
	if base == l.last {
		drop = len(l.terms)
	}
	l.terms = append(l.terms[:0], l.terms[drop:]...)
	if len(l.terms) == 0 {
		l.terms = nil
	}
}
