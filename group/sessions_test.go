package group

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// TestHazard41_RetryReturnsTheStoredAnswer: a command that is proposed twice is applied once.
func TestHazard41_RetryReturnsTheStoredAnswer(t *testing.T) {
	table := newSessionTable(time.Minute, 10)
	id, err := table.register(7, 0)
	if err != nil || id != 7 {
		t.Fatalf("register: %d, %v", id, err)
	}
	if v, _ := table.lookup(id, 1, 1); v != verdictFresh {
		t.Fatalf("first: %v", v)
	}
	table.store(id, 1, 1, 1, []byte("one"))
	if v, answer := table.lookup(id, 1, 1); v != verdictDuplicate || string(answer) != "one" {
		t.Fatalf("retry: %v %q", v, answer)
	}
	table.store(id, 2, 1, 1, nil)
	if v, answer := table.lookup(id, 2, 1); v != verdictDuplicate || answer == nil || len(answer) != 0 {
		t.Fatalf("retry of an empty answer: %v %v", v, answer)
	}
	if v, _ := table.lookup(id, 3, 3); v != verdictFresh {
		t.Fatalf("next: %v", v)
	}
	for sequence := uint64(0); sequence < 3; sequence++ {
		if v, _ := table.lookup(id, sequence, 1); v != verdictExpired {
			t.Fatalf("acknowledged sequence %d: %v", sequence, v)
		}
	}
}

// TestHazard42_SessionsEndByIdlenessOnly: neither a full table nor an old mark makes a retry look new.
func TestHazard42_SessionsEndByIdlenessOnly(t *testing.T) {
	table := newSessionTable(time.Duration(100), 2)
	must := func(index uint64, now int64) {
		t.Helper()
		if _, err := table.register(index, now); err != nil {
			t.Fatal(err)
		}
	}
	must(1, 0)
	must(2, 10)
	if _, err := table.register(3, 100); !errors.Is(err, ErrTooManySessions) {
		t.Fatalf("a full table with no idle session: %v", err)
	}
	if _, err := table.register(2, 100); !errors.Is(err, ErrTooManySessions) {
		t.Fatalf("an id that is taken: %v", err)
	}
	must(4, 101) // session 1 is idle for 101 > 100
	if v, _ := table.lookup(1, 1, 1); v != verdictExpired {
		t.Fatalf("expired session: %v", v)
	}
	table.store(2, 1, 1, 110, []byte("x"))
	table.expire(210)
	if v, _ := table.lookup(2, 1, 1); v != verdictDuplicate {
		t.Fatalf("used within its time: %v", v)
	}
	if v, _ := table.lookup(4, 1, 1); v != verdictExpired {
		t.Fatalf("idle for longer: %v", v)
	}
	table.expire(50) // log time never goes back
	table.configure(time.Duration(1000), 1)
	table.expire(211)
	if _, err := table.register(5, 211); table.count() != 1 || !errors.Is(err, ErrTooManySessions) {
		t.Fatalf("with other bounds: %d sessions, %v", table.count(), err)
	}
	table.configure(time.Duration(100), 2)
	table.expire(211)
	if table.count() != 0 {
		t.Fatalf("%d sessions left", table.count())
	}
}

func TestSessionWindowOpensByAcknowledgement(t *testing.T) {
	table := newSessionTable(time.Minute, 2)
	id, _ := table.register(1, 0)
	if v, _ := table.lookup(id, SessionWindow, 1); v != verdictFresh {
		t.Fatalf("last of the window: %v", v)
	}
	table.store(id, SessionWindow, 1, 0, []byte("last"))
	if v, _ := table.lookup(id, SessionWindow+1, 1); v != verdictOverloaded || v.err() == nil {
		t.Fatalf("beyond the window: %v", v)
	}
	if v, _ := table.lookup(id, SessionWindow+1, 2); v != verdictFresh {
		t.Fatalf("opened by the command's own acknowledgement: %v", v)
	}
	if v, _ := table.lookup(id, maxSequence, 1<<63); v != verdictExpired {
		t.Fatalf("beyond all sequences: %v", v)
	}
	if _, err := decodeSessionTable(table.appendTo(nil), time.Minute, 2); err != nil {
		t.Fatalf("a wild acknowledgement made the table unreadable: %v", err)
	}
}

func TestSessionBoundsTheBytesOfItsAnswers(t *testing.T) {
	table := newSessionTable(time.Minute, 2)
	id, _ := table.register(1, 0)
	big := make([]byte, maxSessionBytes/2)
	table.store(id, 1, 1, 0, big)
	table.store(id, 2, 1, 0, big)
	if v, _ := table.lookup(id, 3, 1); v != verdictOverloaded {
		t.Fatalf("answers of %d bytes: %v", maxSessionBytes, v)
	}
	if v, _ := table.lookup(id, 2, 1); v != verdictDuplicate {
		t.Fatalf("retry while full: %v", v)
	}
	if v, _ := table.lookup(id, 3, 2); v != verdictFresh {
		t.Fatalf("after an acknowledgement: %v", v)
	}
}

func TestSessionGivesALargeRingBack(t *testing.T) {
	table := newSessionTable(time.Minute, 2)
	id, _ := table.register(1, 0)
	for q := uint64(1); q <= 1000; q++ {
		table.store(id, q, 1, 0, []byte("x"))
	}
	table.lookup(id, 1001, 1001)
	if s := table.session(id); len(s.ring) != 0 || s.bytes != 0 {
		t.Fatalf("ring of %d, %d bytes after all is acknowledged", len(s.ring), s.bytes)
	}
	if v, _ := table.lookup(id, 1001, 1001); v != verdictFresh {
		t.Fatalf("next: %v", v)
	}
}

// naiveTable is the rule book: it remembers everything for ever.
type naiveTable struct {
	ttl     int64
	now     int64
	active  map[uint64]int64
	mark    map[uint64]uint64
	applied map[CommandID][]byte
}

func (n *naiveTable) expire(now int64) {
	n.now = max(n.now, now)
	for id, at := range n.active {
		if n.now-at > n.ttl {
			delete(n.active, id)
		}
	}
}

// TestSessionTableAgainstTheRuleBook drives the table with retries, reordered and early commands, acknowledgements and
// time, takes it through a snapshot now and then, and compares every verdict with a model that never forgets.
func TestSessionTableAgainstTheRuleBook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 4
		ttl := rapid.Int64Range(1, 50).Draw(t, "ttl")
		table := newSessionTable(time.Duration(ttl), limit)
		model := naiveTable{ttl: ttl, active: map[uint64]int64{}, mark: map[uint64]uint64{}, applied: map[CommandID][]byte{}}
		times := map[CommandID]int{} // how often a command was applied
		var ids []uint64
		index := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				index++
				now := model.now + rapid.Int64Range(-2, 10).Draw(t, "advance")
				model.expire(now)
				id, err := table.register(index, now)
				if full := len(model.active) >= limit; full != (err != nil) {
					t.Fatalf("register with %d sessions: %v", len(model.active), err)
				}
				if err == nil {
					model.active[id], model.mark[id] = model.now, 1
					ids = append(ids, id)
				}
			},
			"command": func(t *rapid.T) {
				if len(ids) == 0 {
					t.Skip("no session")
				}
				index++
				now := model.now + rapid.Int64Range(-2, 10).Draw(t, "advance")
				id := CommandID{
					Session:  rapid.SampledFrom(ids).Draw(t, "session"),
					Sequence: rapid.OneOf(rapid.Uint64Range(1, 30), rapid.Uint64Range(0, 3*SessionWindow)).Draw(t, "sequence"),
				}
				ack := rapid.OneOf(rapid.Uint64Range(0, 4), rapid.Uint64Range(0, id.Sequence)).Draw(t, "ack")
				model.expire(now)
				table.expire(now)
				got, answer := table.lookup(id.Session, id.Sequence, ack)

				want := verdictFresh
				_, alive := model.active[id.Session]
				if alive {
					model.mark[id.Session] = max(model.mark[id.Session], ack)
				}
				mark := model.mark[id.Session]
				stored, done := model.applied[id]
				switch {
				case !alive, id.Sequence < mark:
					want = verdictExpired
				case done:
					want = verdictDuplicate
				case id.Sequence >= mark+SessionWindow:
					want = verdictOverloaded
				}
				if got != want || !bytes.Equal(answer, stored) && got == verdictDuplicate {
					t.Fatalf("%v ack %d: %v %q, want %v %q", id, ack, got, answer, want, stored)
				}
				if got != verdictFresh {
					return
				}
				if times[id]++; times[id] > 1 {
					t.Fatalf("%v was applied twice", id)
				}
				result := []byte(fmt.Sprint(index))
				table.store(id.Session, id.Sequence, ack, now, result)
				model.applied[id] = result
				model.active[id.Session] = model.now
			},
			"snapshot": func(t *rapid.T) {
				encoded := table.appendTo(nil)
				decoded, err := decodeSessionTable(encoded, time.Duration(ttl), limit)
				if err != nil {
					t.Fatal(err)
				}
				if again := decoded.appendTo(nil); !bytes.Equal(encoded, again) {
					t.Fatalf("a table changes by a snapshot:\n%x\n%x", encoded, again)
				}
				table = decoded
			},
			"": func(t *rapid.T) {
				if table.count() != len(model.active) {
					t.Fatalf("%d sessions, want %d", table.count(), len(model.active))
				}
				checkSessionTable(t, table)
			},
		})
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkSessionTable checks what must hold between calls.
func checkSessionTable(t fataler, table *sessionTable) {
	t.Helper()
	n, last := 0, (*session)(nil)
	for s := table.oldest; s != nil; s = s.newer {
		if s.older != last || table.sessions[s.id] != s || last != nil && s.active < last.active {
			t.Fatalf("session %d is not where it belongs", s.id)
		}
		sum, stored := 0, 0
		for _, answer := range s.ring {
			if answer != nil {
				sum, stored = sum+len(answer), stored+1
			}
		}
		if sum != s.bytes || uint64(stored) > s.end-s.mark || s.end-s.mark > SessionWindow || len(s.ring) > SessionWindow {
			t.Fatalf("session %d: %d answers in [%d,%d), %d bytes counted as %d, ring of %d", s.id, stored, s.mark, s.end, sum, s.bytes, len(s.ring))
		}
		n, last = n+1, s
	}
	if n != len(table.sessions) || table.newest != last {
		t.Fatalf("%d of %d sessions in the list", n, len(table.sessions))
	}
}

func TestSessionTableRefusesWhatItDoesNotKnow(t *testing.T) {
	table := newSessionTable(time.Minute, 10)
	for i := uint64(1); i <= 3; i++ {
		id, _ := table.register(i, int64(i))
		table.store(id, 2, 1, int64(i), []byte("answer"))
	}
	good := table.appendTo(nil)
	for n := range good {
		if _, err := decodeSessionTable(good[:n], time.Minute, 10); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := decodeSessionTable(append(bytes.Clone(good), 0), time.Minute, 10); !errors.Is(err, ErrMalformed) {
		t.Fatalf("one byte too many: %v", err)
	}
	good[0] = 9
	if _, err := decodeSessionTable(good, time.Minute, 10); !errors.Is(err, ErrUnknownVersion) {
		t.Fatalf("version 9: %v", err)
	}
}

func FuzzDecodeSessionTable(f *testing.F) {
	table := newSessionTable(time.Minute, 10)
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("no-sessions", table.appendTo(nil))
	for i := uint64(1); i <= 3; i++ {
		id, _ := table.register(i, int64(i))
		table.store(id, i, 1, int64(i), []byte("answer"))
	}
	three := table.appendTo(nil)
	seeds.Bytes("three-sessions", three)
	seeds.Add("empty", []byte{})
	seeds.Add("old-version", fuzzseeds.With(three, 0, sessionTableVersion-1))
	seeds.Add("later-version", fuzzseeds.With(three, 0, sessionTableVersion+1))
	most := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	seeds.Add("huge-count", append([]byte{sessionTableVersion, 0}, most...))
	seeds.Add("huge-answer", append([]byte{sessionTableVersion, 0, 1, 1, 0, 1, 1, 0}, most...))
	seeds.Add("answer-beyond-the-window", append([]byte{sessionTableVersion, 0, 1, 1, 0, 1, 1}, append(most, 0)...))
	seeds.Add("session-twice", []byte{sessionTableVersion, 0, 2, 1, 0, 1, 0, 1, 0, 1, 0})
	seeds.Add("active-in-the-future", append(append([]byte{sessionTableVersion, 0, 1, 1}, most...), 1, 0))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var table *sessionTable
		var err error
		fuzzseeds.Bounded(t, len(b), ringPerByte, func() { table, err = decodeSessionTable(b, time.Minute, 10) })
		if err != nil {
			return
		}
		checkSessionTable(t, table)
		encoded := table.appendTo(nil)
		again, err := decodeSessionTable(encoded, time.Minute, 10)
		if err != nil || !bytes.Equal(encoded, again.appendTo(nil)) {
			t.Fatalf("%x does not survive: %v", encoded, err)
		}
	})
}

func BenchmarkSessionLookupAndStore(b *testing.B) {
	table := newSessionTable(time.Hour, 10)
	id, _ := table.register(1, 0)
	answer := []byte("answer")
	b.ReportAllocs()
	for sequence := uint64(1); b.Loop(); sequence++ {
		ack := uint64(1)
		if sequence > 100 {
			ack = sequence - 100 // a hundred callers at once
		}
		table.expire(int64(sequence))
		if v, _ := table.lookup(id, sequence, ack); v != verdictFresh {
			b.Fatal(v)
		}
		table.store(id, sequence, ack, int64(sequence), answer)
	}
}

func BenchmarkSessionClient(b *testing.B) {
	var c SessionClient
	c.SetSession(1)
	b.ReportAllocs()
	for b.Loop() {
		id, _, err := c.Begin()
		if err != nil {
			b.Fatal(err)
		}
		c.Done(id)
	}
}
