package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// naive is the reference: what each member holds, kept in maps.
type naive map[Member]naiveLog

type naiveLog struct {
	state          State
	base, baseTerm uint64
	entries        []Entry // of base+1 on; Data is made from the other fields by content
}

func (n naive) clone() naive {
	c := maps.Clone(n)
	for m, l := range c {
		l.entries = slices.Clone(l.entries)
		c[m] = l
	}
	return c
}

func (l naiveLog) last() uint64 { return l.base + uint64(len(l.entries)) }

// content is a function of its arguments, so that the reference need not keep it.
func content(m Member, index, term uint64, size int) []byte {
	if size == 0 {
		return nil
	}
	data := make([]byte, size)
	x := m.Group*31 + m.ID*17 + index*1000003 + term*7919 + uint64(size)
	for i := 0; i+8 <= size; i += 8 {
		x = x*6364136223846793005 + 1442695040888963407
		binary.LittleEndian.PutUint64(data[i:], x)
	}
	return data
}

// step adds one random record to the batch and to the reference.
func (n naive) step(r *rand.Rand, b *Batch, term uint64) {
	m := Member{uint64(2 + r.IntN(3)), uint64(1 + r.IntN(2))}
	if r.IntN(30) == 0 {
		m = Member{9, uint64(1 + r.IntN(3))} // a quiet one, whose records are copied forward
	}
	l, known := n[m]
	switch c := r.IntN(20); {
	case c == 0:
		delete(n, m)
		b.Delete(m)
		return
	case c == 1:
		l = naiveLog{state: State{term, 1, 0}, base: l.last() + uint64(r.IntN(5)), baseTerm: term}
		b.Reset(m, l.base, l.baseTerm, l.state)
	case c <= 6 && known:
		base := l.base + uint64(r.IntN(len(l.entries)+2))
		b.Compact(m, base, term)
		if base > l.base {
			l.entries = slices.Clone(l.entries[min(uint64(len(l.entries)), base-l.base):])
			l.base, l.baseTerm = base, term
		}
	default:
		first := l.last() + 1
		if r.IntN(6) == 0 {
			first = l.base + 1 + uint64(r.IntN(len(l.entries)+1))
		}
		l.entries = l.entries[: first-l.base-1 : first-l.base-1]
		var add []Entry
		for i := range uint64(r.IntN(4)) {
			size := r.IntN(200)
			if r.IntN(8) == 0 {
				size = r.IntN(20_000)
			}
			if r.IntN(300) == 0 {
				size = 70_000
			}
			add = append(add, Entry{Index: first + i, Term: term, Kind: uint8(r.IntN(3)), Data: content(m, first+i, term, size)})
		}
		var st *State
		if r.IntN(2) == 0 {
			l.state = State{term, r.Uint64N(9), l.last()}
			st = &l.state
		}
		if len(add) == 0 && st == nil {
			return
		}
		if len(add) == 0 {
			l = n[m] // nothing was cut
			l.state = *st
		}
		l.entries = append(l.entries, add...)
		b.Append(m, st, add)
	}
	n[m] = l
}

// differs says how a log differs from the reference, "" when it does not.
func (n naive) differs(l *Log) string {
	if got := l.Members(); len(got) != len(n) {
		return fmt.Sprintf("members %v, want %d", got, len(n))
	}
	for m, want := range n {
		got, ok := l.Load(m)
		if w := (Recovered{want.state, want.base, want.baseTerm, want.last()}); !ok || got != w {
			return fmt.Sprintf("%v: %+v, want %+v", m, got, w)
		}
		if len(want.entries) == 0 {
			continue
		}
		entries, err := l.Entries(m, want.base+1, want.last()+1, 1<<40)
		if err != nil {
			return fmt.Sprintf("%v: %v", m, err)
		}
		if !equalEntries(entries, want.entries) {
			return fmt.Sprintf("%v: entries differ", m)
		}
	}
	return ""
}

var errPower = errors.New("power is gone")

// crashable runs logs on one file system that loses power again and again.
type crashable struct {
	fs      *MemFS
	rand    *rand.Rand
	options Options

	states []naive // states[i]: after the i-th batch of this life
	acked  atomic.Int64
	term   uint64
	clock  int64 // of logs that are driven by hand
}

// byHand lets the log be driven by the test.
func (c *crashable) byHand() {
	c.options.Manual = &Manual{Monotonic: func() int64 { return c.clock }, Random: c.rand.Uint64}
}

// drive lets a log that is driven by hand go on: until nothing is left for it to
// do at this time, or now and then only by one step.
func (c *crashable) drive(l *Log) {
	if c.options.Manual == nil {
		return
	}
	c.clock += c.rand.Int64N(int64(10 * time.Millisecond))
	for did := true; did && c.rand.IntN(10) > 0; {
		did, _ = l.Turn()
	}
}

// life opens the log, checks it against what may have survived, writes batches
// until the power goes or they are all written, and crashes.
func (c *crashable) life(t *rapid.T, batches int, powerAt int64) {
	var ops atomic.Int64
	var off sync.Once
	dark := make(chan struct{})
	c.fs.SetFault(func(op Op) error {
		if ops.Add(1) > powerAt {
			off.Do(func() { close(dark) })
			return errPower
		}
		return nil
	})
	defer func() {
		c.fs.SetFault(nil)
		var mu sync.Mutex
		c.fs.Crash(func() bool { mu.Lock(); defer mu.Unlock(); return c.rand.IntN(2) == 0 })
	}()
	l, err := Open("wal", c.options)
	if err != nil {
		if !errors.Is(err, errPower) {
			t.Fatalf("open: %v", err)
		}
		return
	}
	defer l.Close()
	now := c.recovered(t, l)
	c.states, now = []naive{now}, now.clone()
	c.acked.Store(0)
	var pending sync.WaitGroup
	for range batches {
		b := l.NewBatch()
		c.term++
		for range 1 + c.rand.IntN(4) {
			now.step(c.rand, b, c.term)
		}
		number := int64(len(c.states))
		c.states = append(c.states, now.clone())
		pending.Add(1)
		err := l.Submit(b, c.rand.IntN(3) > 0, func(err error) {
			switch {
			case err == nil:
				c.acked.Store(number)
			case !errors.Is(err, ErrFailed) && !errors.Is(err, ErrClosed):
				t.Errorf("batch %d: %v", number, err)
			}
			pending.Done()
		})
		if err != nil {
			pending.Done()
			b.Discard()
			if !errors.Is(err, ErrFailed) && !errors.Is(err, ErrFull) {
				t.Fatalf("submit: %v", err)
			}
			break
		}
		if c.rand.IntN(2) == 0 {
			c.drive(l)
		}
		if c.rand.IntN(4) == 0 {
			c.barrier(l, dark)
		}
	}
	if c.rand.IntN(2) == 0 {
		c.barrier(l, dark) // else the power goes while batches wait
	}
	if ops.Load() <= powerAt && c.acked.Load() == int64(len(c.states)-1) {
		if d := now.differs(l); d != "" && l.Stats().Failed == nil {
			t.Fatalf("while running: %s", d)
		}
	}
	ops.Store(1 << 40) // a power failure, not a clean end
	l.Close()
	pending.Wait()
}

// barrier waits until all that was submitted is done, or the power gone: then
// the writer may wait for space that never comes.
func (c *crashable) barrier(l *Log, dark <-chan struct{}) {
	b := l.NewBatch()
	done := make(chan struct{})
	if l.Submit(b, true, func(error) { close(done) }) != nil {
		b.Discard()
		return
	}
	for c.options.Manual != nil {
		if did, _ := l.Turn(); did {
			continue
		}
		at, ok := l.Due()
		select {
		case <-done:
			return
		case <-dark:
			return
		default:
		}
		if !ok || at <= c.clock {
			panic("a log with work left does not say when to go on with it")
		}
		c.clock = at
	}
	select {
	case <-done:
	case <-dark:
	}
}

// recovered finds which prefix of the batches survived: all that were reported
// durable must have.
func (c *crashable) recovered(t *rapid.T, l *Log) naive {
	var why string
	for i := int64(len(c.states)) - 1; i >= c.acked.Load(); i-- {
		d := c.states[i].differs(l)
		if d == "" {
			return c.states[i]
		}
		if why == "" || i == c.acked.Load() {
			why = d
		}
	}
	t.Fatalf("recovered none of the states %d to %d: %s", c.acked.Load(), len(c.states)-1, why)
	return nil
}

func TestCrashAtEveryBoundaryKeepsWhatWasReported(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := NewMemFS()
		seed := rapid.Uint64().Draw(t, "seed")
		c := &crashable{
			fs:      fs,
			rand:    rand.New(rand.NewPCG(seed, 1)),
			options: Options{FS: fs, SegmentBytes: small, SpareSegments: rapid.IntRange(1, 2).Draw(t, "spares")},
			states:  []naive{{}},
		}
		if rapid.Bool().Draw(t, "byHand") {
			c.byHand()
		}
		for range rapid.IntRange(1, 6).Draw(t, "lives") {
			c.life(t, rapid.IntRange(0, 80).Draw(t, "batches"), rapid.Int64Range(0, 200).Draw(t, "powerAt"))
		}
		// At the end everything is opened in peace.
		l, err := Open("wal", c.options)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c.recovered(t, l)
	})
}
