package wal

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// budget bounds how much data is read; the first entry is always taken.
type budget struct {
	bytes     uint64
	taken     bool
	spent     bool
	unlimited bool
}

func (b *budget) take(n int) bool {
	switch {
	case b.unlimited:
	case b.spent:
		return false
	case b.taken && uint64(n) > b.bytes:
		b.spent = true
		return false
	default:
		b.bytes -= min(b.bytes, uint64(n))
	}
	b.taken = true
	return true
}

// readAtOnce is how many extents are looked up in one go.
const readAtOnce = 16

// Entries returns the entries of m from lo up to but not including hi, all of
// them or as many as hold maxBytes of data, at least one. It reads what is
// durable and may run at any time. Data is the caller's; it is nil when empty.
//
// ErrCompacted: lo is at or before the base. ErrUnavailable: hi is beyond the
// last entry plus one, or m is unknown. ErrCorrupt: the bytes on the disk are
// not those that were written.
func (l *Log) Entries(m Member, lo, hi uint64, maxBytes uint64) ([]Entry, error) {
	if lo >= hi {
		return nil, nil
	}
	ml := l.members.get(m)
	if ml == nil {
		return nil, l.unreadable(m, lo, hi, ErrUnavailable)
	}
	var entries []Entry
	left := budget{bytes: maxBytes}
	for lo < hi && !left.spent {
		var found [readAtOnce]extent
		n, err := ml.pin(lo, hi, &found)
		if err != nil {
			if len(entries) > 0 && !errors.Is(err, ErrCorrupt) {
				break // the log was cut while it was read: what was read before is good
			}
			return nil, l.unreadable(m, lo, hi, err)
		}
		for i := range found[:n] {
			e := &found[i]
			if err == nil && !left.spent {
				entries, err = l.readExtent(entries, m, e, lo, min(hi, e.end()), &left)
				lo = e.end()
			}
			l.release(e.segment)
		}
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (l *Log) unreadable(m Member, lo, hi uint64, err error) error {
	return fmt.Errorf("wal: entries [%d, %d) of group %016x member %d: %w", lo, hi, m.Group, m.ID, err)
}

// pin finds the extents that hold entries from lo on, and keeps their segments
// from being recycled until they are released.
func (ml *memberLog) pin(lo, hi uint64, found *[readAtOnce]extent) (n int, err error) {
	ml.mu.Lock()
	defer ml.mu.Unlock()
	switch {
	case !ml.exists:
		return 0, ErrUnavailable
	case lo <= ml.base:
		return 0, ErrCompacted
	case hi > ml.last+1:
		return 0, ErrUnavailable
	}
	for i := ml.find(lo); i < len(ml.extents) && n < len(found) && ml.extents[i].first < hi; i++ {
		found[n] = ml.extents[i]
		found[n].segment.refs.Add(1)
		n++
	}
	if n == 0 {
		return 0, ErrUnavailable
	}
	return n, nil
}

// readBuffers holds buffers for extents with much between the entries, which are
// copied out of them.
var readBuffers = sync.Pool{New: func() any { b := make([]byte, mergeBytes); return &b }}

// readExtent appends the entries [lo, hi) of one extent.
func (l *Log) readExtent(entries []Entry, m Member, e *extent, lo, hi uint64, left *budget) ([]Entry, error) {
	var buf []byte
	shared := e.size <= mergeBytes
	if shared {
		pooled := readBuffers.Get().(*[]byte)
		defer readBuffers.Put(pooled)
		buf = (*pooled)[:e.size]
	} else {
		buf = make([]byte, e.size)
	}
	fail := func(at int, reason string) error {
		return corrupt(l.dir, e.segment.number, int64(e.off)+int64(at), "group %016x member %d: %s", m.Group, m.ID, reason)
	}
	if _, err := e.segment.file.ReadAt(buf, int64(e.off)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fail(0, "segment is shorter than it was")
		}
		return nil, fmt.Errorf("wal: read %s at %d: %w", l.path(segmentName(e.segment.number)), e.off, err)
	}
	from, bytes := len(entries), 0
	for at := 0; at < len(buf) && lo < hi && !left.spent; {
		body, size, ok := item(buf[at:])
		if !ok {
			return nil, fail(at, "no record where one was written")
		}
		begin := at
		at += size
		if body[0] != kindAppend && body[0] != kindMove {
			continue
		}
		r, ok := decodeRecord(body)
		if ok && (r.member != m || lo < r.first || lo >= r.first+uint64(r.count)) {
			continue
		}
		if !ok || !soundItem(buf[begin:], body) {
			return nil, fail(begin, "record with a wrong checksum")
		}
		rest := r.entries
		for i := range r.count {
			var entry Entry
			if entry, rest, ok = nextEntry(rest); !ok {
				return nil, fail(begin, "record ends within its entries")
			}
			if entry.Index = r.first + uint64(i); entry.Index < lo {
				continue
			}
			if entry.Index >= hi || !left.take(len(entry.Data)) {
				break
			}
			bytes += len(entry.Data)
			entries = append(entries, entry)
			lo++
		}
	}
	if lo < hi && !left.spent {
		return nil, fail(0, fmt.Sprintf("entry %d is not where it was written", lo))
	}
	if shared {
		slab := make([]byte, 0, bytes)
		for i := from; i < len(entries); i++ {
			if d := entries[i].Data; d != nil {
				n := len(slab)
				slab = append(slab, d...)
				entries[i].Data = slab[n:len(slab):len(slab)]
			}
		}
	}
	return entries, nil
}
