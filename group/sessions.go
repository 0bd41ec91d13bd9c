package group

import (
	"fmt"
	"time"
)

// The session table makes a command that is retried, or proposed twice, apply once. It is part of the replicated
// state: every member changes it at the same log positions with the same arguments, so ttl and limit must come from
// the group's replicated settings, and all times are log times.
//
// A session keeps the answers that its client has not acknowledged. What is below the mark is acknowledged: its answer
// is gone, and it is never applied again. Sessions are removed by idleness only, never to make room: otherwise a late
// retry would be applied as if it were new.
const (
	// SessionWindow is how far a session's sequence may run ahead of what its client acknowledged.
	SessionWindow = 1 << 14
	// maxSessionBytes bounds the unacknowledged answers of one session. The last one may go beyond it.
	maxSessionBytes = 8 << 20

	// maxSequence keeps all sums of sequences far from wrapping round. No client gets there.
	maxSequence = 1 << 62

	minRing    = 4   // slots of a session's first ring
	shrinkRing = 256 // a ring larger than this is given back once nothing is in it
)

// verdict is what the table says about a command before it is applied.
type verdict uint8

const (
	// verdictFresh: not applied before; apply it and store the answer.
	verdictFresh verdict = iota
	// verdictDuplicate: applied before; here is its answer.
	verdictDuplicate
	// verdictExpired: unknown session, or acknowledged sequence: never apply it.
	verdictExpired
	// verdictOverloaded: too far ahead of what is acknowledged; not applied now, it may be later.
	verdictOverloaded
)

func (v verdict) String() string {
	switch v {
	case verdictFresh:
		return "fresh"
	case verdictDuplicate:
		return "duplicate"
	case verdictExpired:
		return "expired"
	case verdictOverloaded:
		return "overloaded"
	default:
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
}

// err is what the caller gets for a command that is not applied, nil for the other verdicts.
func (v verdict) err() error {
	switch v {
	case verdictExpired:
		return ErrSessionExpired
	case verdictOverloaded:
		return ErrOverloaded
	default:
		return nil
	}
}

// session is one client's part of the table.
type session struct {
	id     uint64
	active int64 // log time of its last stored command, or of its registration
	mark   uint64
	end    uint64   // one past the highest stored sequence, at least mark
	bytes  int      // total length of the stored answers
	ring   [][]byte // answers of [mark,end) at sequence & (len-1); nil where none is stored

	older, newer *session // all sessions, by active and then by the order of the log
}

// sessionTable holds the sessions of one group. Not safe for concurrent use. The zero cost of a group that nobody
// calls is this struct alone.
type sessionTable struct {
	ttl   int64 // nanoseconds
	limit int

	now            int64 // newest log time seen
	sessions       map[uint64]*session
	last           *session // the one used last: most groups are called through few nodes
	oldest, newest *session
}

// emptyAnswer stands for an answer without bytes, as nil means that none is stored.
var emptyAnswer = []byte{}

// newSessionTable returns an empty table. Sessions idle for longer than ttl may go; at most limit exist at once.
func newSessionTable(ttl time.Duration, limit int) *sessionTable {
	return &sessionTable{ttl: int64(ttl), limit: limit}
}

// configure puts other bounds in force, at one place of the log on all members. Sessions beyond a lower limit stay until
// they expire.
func (t *sessionTable) configure(ttl time.Duration, limit int) {
	t.ttl, t.limit = int64(ttl), limit
}

// register makes a session. Its id is made of the registration's place in the log, so no group ever gives one out twice.
// When the table is full, sessions past their time make room; if there is none, the error is ErrTooManySessions.
func (t *sessionTable) register(index uint64, now int64) (id uint64, err error) {
	t.expire(now)
	if len(t.sessions) >= t.limit || t.sessions[index] != nil {
		return 0, ErrTooManySessions // also for an id that is taken: two clients must never share a session
	}
	s := &session{id: index, active: t.now, mark: 1, end: 1}
	t.insert(s)
	return index, nil
}

// lookup says whether a command is to be applied. ackBelow is the client's word that it has the answers of all
// sequences below; it is taken first, so that a full window opens by the command that says so. The result is the
// stored answer of a duplicate; it must not be changed.
func (t *sessionTable) lookup(id, sequence, ackBelow uint64) (verdict, []byte) {
	s := t.session(id)
	if s == nil {
		return verdictExpired, nil
	}
	s.acknowledge(ackBelow)
	switch {
	case sequence < s.mark, sequence >= maxSequence:
		return verdictExpired, nil
	case sequence < s.end:
		if answer := s.ring[sequence&uint64(len(s.ring)-1)]; answer != nil {
			return verdictDuplicate, answer
		}
	}
	if sequence-s.mark >= SessionWindow || s.bytes >= maxSessionBytes {
		return verdictOverloaded, nil
	}
	return verdictFresh, nil
}

// store keeps the answer of a command that lookup found fresh. The table keeps result itself, not a copy. It does
// nothing for a session or sequence that lookup would not call fresh.
func (t *sessionTable) store(id, sequence, ackBelow uint64, now int64, result []byte) {
	s := t.session(id)
	if s == nil {
		return
	}
	s.acknowledge(ackBelow)
	t.touch(s, now)
	if sequence < s.mark || sequence >= maxSequence || sequence-s.mark >= SessionWindow {
		return
	}
	s.put(sequence, result)
}

// expire removes the sessions that have been idle for longer than the table's ttl. Every entry's time is to be given,
// before the entry is looked up. It costs nothing when there is nothing to remove.
func (t *sessionTable) expire(now int64) {
	t.now = max(t.now, now)
	for t.oldest != nil && t.now-t.oldest.active > t.ttl {
		t.remove(t.oldest)
	}
}

// count returns the number of sessions.
func (t *sessionTable) count() int { return len(t.sessions) }

func (t *sessionTable) session(id uint64) *session {
	if s := t.last; s != nil && s.id == id {
		return s
	}
	s := t.sessions[id]
	if s != nil {
		t.last = s
	}
	return s
}

func (t *sessionTable) insert(s *session) {
	if t.sessions == nil {
		t.sessions = make(map[uint64]*session)
	}
	t.sessions[s.id] = s
	t.linkNewest(s)
}

func (t *sessionTable) remove(s *session) {
	delete(t.sessions, s.id)
	t.unlink(s)
	if t.last == s {
		t.last = nil
	}
	if len(t.sessions) == 0 {
		t.sessions = nil
	}
}

// touch makes s the session used last. Log time never goes back, so the list stays sorted by time.
func (t *sessionTable) touch(s *session, now int64) {
	t.now = max(t.now, now)
	s.active = t.now
	if t.newest != s {
		t.unlink(s)
		t.linkNewest(s)
	}
}

func (t *sessionTable) linkNewest(s *session) {
	s.older, s.newer = t.newest, nil
	if t.newest != nil {
		t.newest.newer = s
	} else {
		t.oldest = s
	}
	t.newest = s
}

func (t *sessionTable) unlink(s *session) {
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		t.oldest = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		t.newest = s.older
	}
	s.older, s.newer = nil, nil
}

// acknowledge drops the answers below the mark that the client gives. A mark never goes back.
func (s *session) acknowledge(below uint64) {
	below = min(below, maxSequence)
	if below <= s.mark {
		return
	}
	mask := uint64(len(s.ring) - 1)
	for q := s.mark; q < min(below, s.end); q++ {
		if answer := s.ring[q&mask]; answer != nil {
			s.bytes -= len(answer)
			s.ring[q&mask] = nil
		}
	}
	s.mark = below
	s.end = max(s.end, below)
	if s.mark == s.end && len(s.ring) > shrinkRing {
		s.ring = nil
	}
}

// put stores the answer of a sequence within the window.
func (s *session) put(sequence uint64, answer []byte) {
	if need := sequence - s.mark + 1; need > uint64(len(s.ring)) {
		s.grow(need)
	}
	if answer == nil {
		answer = emptyAnswer
	}
	slot := &s.ring[sequence&uint64(len(s.ring)-1)]
	s.bytes += len(answer) - len(*slot)
	*slot = answer
	s.end = max(s.end, sequence+1)
}

// grow makes room for need slots from the mark on.
func (s *session) grow(need uint64) {
	size := uint64(max(len(s.ring), minRing))
	for size < need {
		size *= 2
	}
	ring := make([][]byte, size)
	for q := s.mark; q < s.end; q++ {
		ring[q&(size-1)] = s.ring[q&uint64(len(s.ring)-1)]
	}
	s.ring = ring
}
