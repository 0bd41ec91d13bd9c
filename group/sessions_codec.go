package group

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The table in a snapshot. All numbers are varints; sessions come in the table's own order, which every member has
// alike, so equal tables are equal bytes.
//
//	version   1
//	now       newest log time seen
//	count     sessions, each:
//	  id, now - active, mark
//	  answers   how many are stored, each:
//	    sequence less the one before it (the first: less mark), length, bytes
const sessionTableVersion = 1

// appendTo appends the encoded table to dst.
func (t *sessionTable) appendTo(dst []byte) []byte {
	dst = append(dst, sessionTableVersion)
	dst = binary.AppendVarint(dst, t.now)
	dst = binary.AppendUvarint(dst, uint64(len(t.sessions)))
	for s := t.oldest; s != nil; s = s.newer {
		dst = binary.AppendUvarint(dst, s.id)
		dst = binary.AppendUvarint(dst, uint64(t.now-s.active))
		dst = binary.AppendUvarint(dst, s.mark)
		mask := uint64(len(s.ring) - 1)
		stored := uint64(0)
		for q := s.mark; q < s.end; q++ {
			if s.ring[q&mask] != nil {
				stored++
			}
		}
		dst = binary.AppendUvarint(dst, stored)
		before := s.mark
		for q := s.mark; q < s.end; q++ {
			answer := s.ring[q&mask]
			if answer == nil {
				continue
			}
			dst = binary.AppendUvarint(dst, q-before)
			before = q
			dst = binary.AppendUvarint(dst, uint64(len(answer)))
			dst = append(dst, answer...)
		}
	}
	return dst
}

// decodeSessionTable reads what appendTo wrote, all of b. The answers are copied, so b may be reused. The limit may be
// lower than the number of sessions: they stay until they expire.
func decodeSessionTable(b []byte, ttl time.Duration, limit int) (*sessionTable, error) {
	r := sessionReader{rest: b}
	if len(b) == 0 {
		return nil, fmt.Errorf("read the session table: no bytes: %w", ErrMalformed)
	}
	if b[0] != sessionTableVersion {
		return nil, fmt.Errorf("read the session table: version %d, this program knows %d: %w", b[0], sessionTableVersion, ErrUnknownVersion)
	}
	r.rest = b[1:]
	t := newSessionTable(ttl, limit)
	t.now = r.varint()
	count := r.uvarint()
	for range count {
		if r.failed {
			break
		}
		r.session(t)
	}
	if r.failed || len(r.rest) != 0 {
		return nil, fmt.Errorf("read the session table: byte %d of %d is not as expected: %w", len(b)-len(r.rest), len(b), ErrMalformed)
	}
	return t, nil
}

// sessionReader takes the table apart. After the first failure it yields zeros.
type sessionReader struct {
	rest   []byte
	failed bool
}

func (r *sessionReader) session(t *sessionTable) {
	id, idle, mark, stored := r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
	if r.failed || mark == 0 || mark > maxSequence || t.sessions[id] != nil || stored > SessionWindow {
		r.failed = true
		return
	}
	s := &session{id: id, active: t.now - int64(idle), mark: mark, end: mark}
	// The list must be sorted by time.
	if int64(idle) < 0 || s.active > t.now || (t.newest != nil && s.active < t.newest.active) {
		r.failed = true
		return
	}
	sequence := mark
	for i := range stored {
		step, length := r.uvarint(), r.uvarint()
		if r.failed || (i > 0 && step == 0) || step >= SessionWindow || sequence+step-mark >= SessionWindow || length > uint64(len(r.rest)) {
			r.failed = true
			return
		}
		sequence += step
		s.put(sequence, append([]byte{}, r.rest[:length]...))
		r.rest = r.rest[length:]
	}
	t.insert(s)
}

func (r *sessionReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *sessionReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
