package wal

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// driven is a log that a test drives by hand, with a file system that is crashed
// on the side at each of its operations.
type driven struct {
	t     *testing.T
	world *world
	fs    *MemFS
	log   *Log
	name  string

	states []naive // after the batches first, first+1, … of this log's life
	first  int
	acked  int // batches that were reported durable
	term   uint64
}

// world is what the logs of one run share: one clock, one source of randomness.
type world struct {
	clock   int64
	rand    *rand.Rand
	checks  *rand.Rand // of what happens on the side, so that it does not change the run
	trace   func(format string, args ...any)
	crashes int
}

// onDisk is a file system in memory whose files are written as those of a real one.
type onDisk struct{ *MemFS }

func (d onDisk) Create(name string) (File, error) { return paged(d.MemFS.Create(name)) }
func (d onDisk) Open(name string) (File, error)   { return paged(d.MemFS.Open(name)) }

type pagedFile struct{ *memFile }

func paged(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return pagedFile{f.(*memFile)}, nil
}

func (f pagedFile) WriteVec(pieces [][]byte, off int64) error {
	_, err := f.WriteAt(slices.Concat(pieces...), off)
	return err
}

func (d *driven) options(fs *MemFS, rand *rand.Rand) Options {
	o := Options{FS: fs, SegmentBytes: small, SpareSegments: 1, Manual: &Manual{
		Monotonic: func() int64 { return d.world.clock },
		Random:    rand.Uint64,
	}}
	if d.name == "b" {
		o.FS = onDisk{fs}
	}
	return o
}

func (d *driven) open() {
	d.fs.SetFault(d.crashOnTheSide)
	var err error
	if d.log, err = Open("wal", d.options(d.fs, d.world.rand)); err != nil {
		d.t.Fatal(err)
	}
	d.states, d.first = d.states[d.matching(d.log):], 0
	d.states, d.acked = d.states[:1], 0
}

// matching is the position of the state that the log holds. States that were
// reported durable must not be behind it.
func (d *driven) matching(l *Log) int {
	why := ""
	for i := len(d.states) - 1; i >= d.acked-d.first; i-- {
		if why = d.states[i].differs(l); why == "" {
			return i
		}
	}
	d.t.Fatalf("log %s: recovered none of the states %d to %d: %s", d.name, d.acked, d.first+len(d.states)-1, why)
	return 0
}

// crashOnTheSide loses the power of a copy of the disk, just before an operation,
// and looks whether a log is found there that holds what was reported.
func (d *driven) crashOnTheSide(op Op) error {
	w := d.world
	w.trace("%s %s %s %d %d", d.name, op.Kind, op.Name, op.Offset, op.Length)
	w.crashes++
	fs := d.fs.Clone()
	if w.checks.IntN(3) == 0 {
		fs.Kill() // all is seen, and goes with the second crash unless Open sees to it
	} else {
		odds := w.checks.IntN(4) // none, rarely, often, all
		fs.Crash(func() bool { return w.checks.IntN(3) < odds })
	}
	for range 1 + w.checks.IntN(2) { // what was found once is found again
		l, err := Open("wal", d.options(fs, w.checks))
		if err != nil {
			d.t.Fatalf("after a crash before %+v: %v", op, err)
		}
		i := d.matching(l)
		for range w.checks.IntN(4) {
			l.Turn()
		}
		shown := d.states[i]
		if w.checks.IntN(4) == 0 {
			shown = d.goOn(fs, l, shown.clone())
		}
		fs.Crash(nil)
		if l, err = Open("wal", d.options(fs, w.checks)); err != nil {
			d.t.Fatalf("after a second crash: %v", err)
		}
		if why := shown.differs(l); why != "" {
			d.t.Fatalf("log %s: what Open showed and what came after did not survive a crash: %s", d.name, why)
		}
		if len(shown) != len(d.states[i]) {
			break
		}
		fs.Kill()
	}
	return nil
}

// goOn writes as much as fills a segment or two, or as the spare that Open found
// takes: then nothing new is made that would make durable what came before.
func (d *driven) goOn(fs *MemFS, l *Log, n naive) naive {
	if d.world.checks.IntN(2) == 0 {
		fs.SetCapacity(fs.Used())
	}
	m := Member{77, 1}
	log := naiveLog{}
	for i := range uint64(5) {
		e := Entry{Index: i + 1, Term: 1, Data: content(m, i+1, 1, 20_000)}
		b := l.NewBatch()
		b.Append(m, nil, []Entry{e})
		if err := l.Submit(b, true, func(err error) {
			if err == nil {
				log.entries = append(log.entries, e)
			}
		}); errors.Is(err, ErrFull) {
			break
		} else if err != nil {
			d.t.Fatal(err)
		}
		for did := true; did; {
			var err error
			if did, err = l.Turn(); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	if len(log.entries) > 0 {
		n[m] = log
	}
	return n
}

func (d *driven) submit() {
	r := d.world.rand
	b := d.log.NewBatch()
	next := d.states[len(d.states)-1].clone()
	d.term++
	for range 1 + r.IntN(4) {
		next.step(r, b, d.term)
	}
	number := d.first + len(d.states)
	err := d.log.Submit(b, r.IntN(3) > 0, func(err error) {
		if err != nil {
			d.t.Fatalf("batch %d: %v", number, err)
		}
		d.world.trace("%s done %d", d.name, number)
		if number != d.acked+1 {
			d.t.Fatalf("batch %d is done after %d", number, d.acked)
		}
		d.acked = number
		d.states, d.first = d.states[number-d.first:], number
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.states = append(d.states, next)
}

// run drives two logs for a while and returns what tells one run from another.
func (w *world) run(t *testing.T, seed uint64, steps int) uint64 {
	w.rand, w.checks = rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	sum := fnv.New64a()
	w.trace = func(format string, args ...any) { fmt.Fprintf(sum, format+"\n", args...) }
	var logs []*driven
	for _, name := range []string{"a", "b"} {
		d := &driven{t: t, world: w, fs: NewMemFS(), name: name, states: []naive{{}}}
		d.open()
		logs = append(logs, d)
	}
	for range steps {
		d := logs[w.rand.IntN(len(logs))]
		switch w.rand.IntN(100) {
		case 0:
			d.fs.SetFault(nil)
			d.fs.Crash(func() bool { return w.rand.IntN(2) == 0 })
			d.open()
		case 1:
			d.fs.Kill()
			d.open()
		case 2:
			must(t, d.log.Close())
			if d.acked != d.first+len(d.states)-1 {
				t.Fatalf("closed with batch %d of %d done", d.acked, len(d.states)-1)
			}
			d.open()
		case 3, 4, 5, 6, 7, 8, 9:
			w.clock += w.rand.Int64N(int64(lazyDelay))
		default:
			if w.rand.IntN(2) == 0 {
				d.submit()
			} else if _, err := d.log.Turn(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, d := range logs {
		for did, more := true, true; did || more; {
			var err error
			did, err = d.log.Turn()
			must(t, err)
			var at int64
			if at, more = d.log.Due(); more {
				w.clock = max(w.clock, at)
			}
		}
		if d.acked != d.first+len(d.states)-1 {
			t.Fatalf("nothing is due, but of batch %d only %d are done", d.first+len(d.states)-1, d.acked)
		}
		if s := d.log.Stats(); s.Spares != 1 || s.QueuedBytes != 0 {
			t.Fatalf("nothing is due, but %+v", s)
		}
		d.fs.SetFault(nil)
		must(t, d.log.Close())
		s := d.log.Stats()
		w.trace("%s %d %d %d", d.name, s.Rounds, s.Copied, s.Recycled)
	}
	return sum.Sum64()
}

func TestLogsDrivenByHandSurviveACrashAtEveryBoundary(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for seed := range uint64(4) {
		var w world
		w.run(t, seed, 300)
		if w.crashes < 100 {
			t.Errorf("seed %d: only %d crashes", seed, w.crashes)
		}
	}
}

func TestALogDrivenByHandDoesTheSameEachTime(t *testing.T) {
	for seed := range uint64(1) {
		first := new(world).run(t, seed, 150)
		if second := new(world).run(t, seed, 150); first != second {
			t.Errorf("seed %d: two runs differ", seed)
		}
		if new(world).run(t, seed+100, 150) == first {
			t.Errorf("seeds %d and %d: the same run", seed, seed+100)
		}
	}
}

// byHand opens a log that the test drives, with a clock that stands still.
func byHand(t *testing.T, fs FS, clock *int64) *Log {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	l, err := Open("wal", Options{FS: fs, SegmentBytes: small, SpareSegments: 1, Manual: &Manual{
		Monotonic: func() int64 { return *clock }, Random: r.Uint64,
	}})
	must(t, err)
	return l
}

func turnAll(t *testing.T, l *Log) {
	t.Helper()
	for did := true; did; {
		var err error
		did, err = l.Turn()
		must(t, err)
	}
}

func TestNothingHappensButInTurn(t *testing.T) {
	clock := int64(1)
	fs := NewMemFS()
	l := byHand(t, fs, &clock)
	turnAll(t, l)
	if _, ok := l.Due(); ok {
		t.Error("an idle log has something to do")
	}
	m := Member{2, 1}
	var done []string
	send := func(sync bool, first uint64, what string) {
		b := l.NewBatch()
		b.Append(m, nil, entries(first, 1, 1, 10))
		must(t, l.Submit(b, sync, func(err error) {
			must(t, err)
			done = append(done, what)
		}))
	}
	send(false, 1, "lazy")
	turnAll(t, l)
	at, ok := l.Due()
	if len(done) != 0 || !ok || at != clock+int64(lazyDelay) {
		t.Fatalf("a batch without sync: done %v, due %d %v", done, at, ok)
	}
	clock = at
	turnAll(t, l)
	if len(done) != 1 {
		t.Fatalf("its time is over: done %v", done)
	}
	send(true, 2, "first")
	send(true, 3, "second")
	clock += 5
	if age := l.SyncAge(); age != 5 {
		t.Errorf("what wants a sync waits for %d, SyncAge says %d", 5, age)
	}
	if _, ok := l.Load(m); !ok || len(done) != 1 {
		t.Errorf("before Turn: %v", done)
	}
	turnAll(t, l)
	if fmt.Sprint(done) != "[lazy first second]" || l.SyncAge() != 0 {
		t.Errorf("after Turn: %v, age %d", done, l.SyncAge())
	}
	send(false, 4, "closing")
	must(t, l.Close())
	if len(done) != 4 {
		t.Errorf("after Close: %v", done)
	}
	if _, err := l.Turn(); !errors.Is(err, ErrClosed) {
		t.Errorf("Turn after Close: %v", err)
	}
	must(t, l.Close())
}

func TestTurnTellsThatTheLogFailed(t *testing.T) {
	clock := int64(1)
	fs := NewMemFS()
	l := byHand(t, fs, &clock)
	turnAll(t, l)
	fs.SetFault(func(op Op) error {
		if op.Kind == "sync" {
			return syscall.EIO
		}
		return nil
	})
	var got error
	b := l.NewBatch()
	b.Append(Member{2, 1}, nil, entries(1, 1, 1, 10))
	must(t, l.Submit(b, true, func(err error) { got = err }))
	if _, err := l.Turn(); !errors.Is(err, ErrFailed) || !errors.Is(got, ErrFailed) {
		t.Errorf("Turn: %v, done: %v", err, got)
	}
	if err := l.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("Close: %v", err)
	}
}

func TestAFullDiskStopsNeitherTurnNorClose(t *testing.T) {
	clock := int64(1)
	fs := NewMemFS()
	l := byHand(t, fs, &clock)
	turnAll(t, l)
	fs.SetCapacity(fs.Used())
	outcome := errors.New("waits")
	send := func() {
		b := l.NewBatch()
		b.Reset(Member{2, 1}, 5, 1, State{})
		b.Append(Member{2, 1}, nil, entries(6, 1, 1, 3*small))
		must(t, l.Submit(b, true, func(err error) { outcome = err }))
		turnAll(t, l)
	}
	send()
	at, ok := l.Due()
	if !l.Full() || outcome == nil || !ok || at <= clock || at > clock+int64(retryFull) {
		t.Fatalf("full: %v, outcome %v, due %d %v", l.Full(), outcome, at, ok)
	}
	fs.SetCapacity(0)
	for clock = at; outcome != nil; clock = at {
		turnAll(t, l)
		if at, ok = l.Due(); !ok {
			break
		}
	}
	must(t, outcome)
	fs.SetCapacity(fs.Used())
	outcome = errors.New("waits")
	send()
	must(t, l.Close())
	if !errors.Is(outcome, ErrClosed) || !errors.Is(outcome, ErrFull) {
		t.Errorf("what waited for space until Close: %v", outcome)
	}
}

func TestCloseMakesTheSparesThatWhatWaitsNeeds(t *testing.T) {
	clock := int64(1)
	l := byHand(t, NewMemFS(), &clock)
	written := 0
	for i := range uint64(200) {
		b := l.NewBatch()
		b.Append(Member{2, 1}, nil, entries(i+1, 1, 1, 3000))
		must(t, l.Submit(b, true, func(err error) {
			must(t, err)
			written++
		}))
	}
	must(t, l.Close())
	if written != 200 {
		t.Errorf("%d of 200 batches are written", written)
	}
}

func TestManualNeedsAClockAndRandomness(t *testing.T) {
	if _, err := Open("wal", Options{FS: NewMemFS(), Manual: &Manual{}}); err == nil {
		t.Error("opened without")
	}
	l := open(t, "wal", Options{FS: NewMemFS()})
	if _, err := l.Turn(); !errors.Is(err, ErrInvalid) {
		t.Errorf("Turn of a log that drives itself: %v", err)
	}
}

func TestDurableShowsWhatACrashWouldLeave(t *testing.T) {
	clock := int64(1)
	fs := NewMemFS()
	l := byHand(t, fs, &clock)
	turnAll(t, l)
	m := Member{2, 1}
	submit := func(first uint64) {
		b := l.NewBatch()
		b.Append(m, nil, entries(first, 1, 1, 3000))
		must(t, l.Submit(b, true, nil))
	}
	inspect := func() (last uint64) {
		for r, err := range Inspect("wal", Options{FS: fs.Durable()}) {
			must(t, err)
			if n := len(r.Entries); n > 0 {
				last = r.Entries[n-1].Index
			}
		}
		return last
	}
	submit(1)
	turnAll(t, l)
	submit(2)
	fs.SetFault(func(op Op) error {
		if op.Kind == "sync" {
			if last := inspect(); last != 1 {
				t.Errorf("written but not synced: entry %d is durable", last)
			}
		}
		return nil
	})
	turnAll(t, l)
	fs.SetFault(nil)
	if last := inspect(); last != 2 {
		t.Errorf("synced: entry %d is durable", last)
	}
	if _, err := fs.Durable().Create("x"); err == nil {
		t.Error("Durable lets itself be changed")
	}
	must(t, l.Close())
	name := filepath.Join("wal", segmentName(1))
	must(t, fs.FlipBit(name, dataStart+60, 3))
	if _, err := Open("wal", Options{FS: fs}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("after a flipped bit: %v", err)
	}
}

func TestAFailedSyncIsNotMadeGoodByALaterOne(t *testing.T) {
	fs := NewMemFS()
	f, err := fs.Create("f")
	must(t, err)
	must(t, fs.SyncDir("."))
	must(t, f.Allocate(4*sectorBytes))
	write := func(at int64, text string) {
		_, err := f.WriteAt([]byte(text), at)
		must(t, err)
	}
	write(0, "lost")
	write(sectorBytes, "lost")
	fs.SetFault(func(Op) error { return syscall.EIO })
	if f.Sync() == nil {
		t.Fatal("the fault is not seen")
	}
	short := make([]byte, 6)
	fs.SetFault(func(Op) error { return &ShortWrite{2, syscall.ENOSPC} })
	if n, err := f.WriteAt([]byte("short"), 2*sectorBytes); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("short write: %d, %v", n, err)
	}
	fs.SetFault(nil)
	write(sectorBytes+4, "!!")
	must(t, f.Sync())
	fs.Kill()
	fs.Crash(nil)
	f, err = fs.Open("f")
	must(t, err)
	for i, want := range []string{"\x00\x00\x00\x00\x00\x00", "lost!!", "sh\x00\x00\x00\x00"} {
		if _, err := f.ReadAt(short, int64(i)*sectorBytes); err != nil || string(short) != want {
			t.Errorf("sector %d: %q, %v; want %q", i, short, err, want)
		}
	}
	fs.SetReadFault(func(op Op) error { return syscall.EIO })
	if _, err := f.ReadAt(short, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("read: %v", err)
	}
}
