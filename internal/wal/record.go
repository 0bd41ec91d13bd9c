package wal

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
)

// Member names one member's log: the group and the member within it.
type Member struct{ Group, ID uint64 }

func (m Member) compare(n Member) int {
	return cmp.Or(cmp.Compare(m.Group, n.Group), cmp.Compare(m.ID, n.ID))
}

// Entry is one entry of a member's log. Kind is the caller's.
type Entry struct {
	Index, Term uint64
	Kind        uint8
	Data        []byte
}

// State is what a member must not forget beside its entries.
type State struct{ Term, Vote, Commit uint64 }

// record is a decoded record. entries aliases the bytes it was read from.
//
//	every record:   kind 1, flags 1, group uvarint, member uvarint, then
//	append:         [state], first uvarint, count uvarint, entries
//	move:           first uvarint, count uvarint, entries
//	reset, meta:    state, base uvarint, base term uvarint
//	compact:        base uvarint, base term uvarint
//	delete, void:   nothing that is looked at
//	state:          term, vote, commit, each uvarint
//	entry:          term uvarint, kind 1, length uvarint, data
type record struct {
	kind           byte
	hasState       bool
	member         Member
	state          State
	base, baseTerm uint64
	first          uint64
	count          uint32
	entries        []byte
}

const flagState = 1

// minEntryBytes is what an entry without data takes at least.
const minEntryBytes = 3

// maxIndex keeps sums of an index and a count from overflowing.
const maxIndex = 1 << 62

// decodeRecord reads the body of a record. The entries are not walked.
func decodeRecord(b []byte) (r record, ok bool) {
	if len(b) < 4 {
		return r, false
	}
	r.kind = b[0]
	flags := b[1]
	c := cursor{b: b[2:], ok: true}
	r.member.Group = c.uvarint()
	r.member.ID = c.uvarint()
	switch r.kind {
	case kindAppend:
		if r.hasState = flags&flagState != 0; r.hasState {
			r.state = State{c.uvarint(), c.uvarint(), c.uvarint()}
		}
		r.readEntries(&c)
	case kindMove:
		r.readEntries(&c)
		c.ok = c.ok && r.count > 0
	case kindReset, kindMeta:
		r.hasState = true
		r.state = State{c.uvarint(), c.uvarint(), c.uvarint()}
		r.base, r.baseTerm = c.uvarint(), c.uvarint()
	case kindCompact:
		r.base, r.baseTerm = c.uvarint(), c.uvarint()
	case kindDelete, kindVoid:
	default:
		return r, false
	}
	return r, c.ok && r.base < maxIndex
}

func (r *record) readEntries(c *cursor) {
	r.first = c.uvarint()
	n := c.uvarint()
	if n > uint64(len(c.b))/minEntryBytes || n > 0 && (r.first == 0 || r.first >= maxIndex) {
		c.ok = false
		return
	}
	r.count = uint32(n)
	r.entries = c.b
}

// nextEntry takes the first entry off b. Data aliases b.
func nextEntry(b []byte) (e Entry, rest []byte, ok bool) {
	c := cursor{b: b, ok: true}
	e.Term = c.uvarint()
	if !c.ok || len(c.b) == 0 {
		return e, nil, false
	}
	e.Kind = c.b[0]
	c.b = c.b[1:]
	n := c.uvarint()
	if !c.ok || n > uint64(len(c.b)) {
		return e, nil, false
	}
	if n > 0 {
		e.Data = c.b[:n:n]
	}
	return e, c.b[n:], true
}

type cursor struct {
	b  []byte
	ok bool
}

func (c *cursor) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.ok = false
		return 0
	}
	c.b = c.b[n:]
	return v
}

// item is the body and the full, padded size of the item at the start of b.
// The body's sum is not looked at.
func item(b []byte) (body []byte, size int, ok bool) {
	if len(b) < itemHeader {
		return nil, 0, false
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if n == 0 || n > uint64(len(b)-itemHeader) {
		return nil, 0, false
	}
	size = align8(itemHeader + int(n))
	if size > len(b) {
		return nil, 0, false
	}
	return b[itemHeader : itemHeader+n], size, true
}

// soundItem reports whether the body of the item at the start of b has the right sum.
func soundItem(b, body []byte) bool {
	return binary.LittleEndian.Uint32(b[4:]) == crc32.Checksum(body, castagnoli)
}
