package wal

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// eventually waits for what the keeper does on its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("still not: %s", what)
		}
	}
}

// patch changes bytes of a file behind the log's back.
func patch(t *testing.T, fs FS, name string, off int64, change func(b []byte), n int) {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	change(b)
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	must(t, f.Sync())
}

func flip(b []byte) { b[0] ^= 0x40 }

func TestHazard13_LateCompletionsOfReplacedEntries(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	gate, entered := make(chan struct{}), make(chan struct{}, 1)
	var once sync.Once
	fs.SetFault(func(op Op) error {
		if op.Kind == "sync" && strings.Contains(op.Name, segmentName(1)) {
			once.Do(func() { entered <- struct{}{}; <-gate })
		}
		return nil
	})
	var order []int
	done := make(chan struct{})
	send := func(n int, e []Entry) {
		b := l.NewBatch()
		b.Append(m, nil, e)
		must(t, l.Submit(b, true, func(err error) {
			if err != nil {
				t.Error(err)
			}
			if r, _ := l.Load(m); n == 0 && r.Last != 3 || n == 2 && r.Last != 2 {
				t.Errorf("at completion %d the log ends with %d", n, r.Last)
			}
			if order = append(order, n); n == 2 {
				close(done)
			}
		}))
	}
	send(0, entries(1, 3, 1, 10))
	<-entered // the first is being synced; the others replace what it wrote
	send(1, entries(2, 2, 2, 10))
	send(2, entries(2, 1, 3, 10))
	close(gate)
	<-done
	wantEntries(t, l, m, append(entries(1, 1, 1, 10), entries(2, 1, 3, 10)...))
	closeLog(t, l)
	fs.SetFault(nil)
	fs.Crash(nil)
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, Recovered{Last: 2})
	wantEntries(t, l, m, append(entries(1, 1, 1, 10), entries(2, 1, 3, 10)...))
}

func TestHazard14_34_NothingIsReportedOrShownBeforeItIsSynced(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	gate, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs.SetFault(func(op Op) error {
		if op.Kind == "sync" && strings.Contains(op.Name, segmentName(1)) {
			once.Do(func() { close(entered); <-gate })
		}
		return nil
	})
	done := make(chan error, 1)
	b := l.NewBatch()
	b.Append(m, &State{Term: 1, Vote: 1}, entries(1, 1, 1, 10))
	must(t, l.Submit(b, true, func(err error) { done <- err }))
	<-entered
	select {
	case err := <-done:
		t.Errorf("reported before the sync: %v", err)
	default:
	}
	if _, ok := l.Load(m); ok {
		t.Error("shown before the sync")
	}
	if l.SyncAge() <= 0 {
		t.Error("SyncAge does not see a sync that hangs")
	}
	close(gate)
	must(t, <-done)
	fs.Crash(nil) // everything that is not synced is lost
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, Recovered{State: State{Term: 1, Vote: 1}, Last: 1})
}

func TestHazard25_TheBaseNeverGoesBack(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	must(t, submit(l, func(b *Batch) {
		b.Append(m, &State{Term: 2}, entries(1, 10, 2, 10))
		b.Compact(m, 8, 2)
	}))
	must(t, submit(l, func(b *Batch) { b.Compact(m, 5, 1) }))
	want := Recovered{State: State{Term: 2}, Base: 8, BaseTerm: 2, Last: 10}
	wantRecovered(t, l, m, want)
	closeLog(t, l)
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, want)
	// An installed snapshot: state and base change together or not at all.
	must(t, submit(l, func(b *Batch) { b.Reset(m, 50, 4, State{4, 0, 50}) }))
	fs.Crash(nil)
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, Recovered{State: State{4, 0, 50}, Base: 50, BaseTerm: 4, Last: 50})
}

// stubborn refuses to save checkpoints while it is told to.
type stubborn struct {
	checkpointFile
	refuse atomic.Bool
	tried  atomic.Int32
}

func (s *stubborn) SaveCheckpoint(b []byte) error {
	s.tried.Add(1)
	if s.refuse.Load() {
		return errors.New("not now")
	}
	return s.checkpointFile.SaveCheckpoint(b)
}

func TestHazard28_30_NoSegmentGoesBeforeTheCheckpointHasPassedIt(t *testing.T) {
	fs := NewMemFS()
	cp := &stubborn{checkpointFile: checkpointFile{fs, "wal"}}
	o := Options{FS: fs, Checkpoints: cp}
	l := open(t, "wal", o)
	cp.refuse.Store(true)
	m, quiet := Member{2, 1}, Member{3, 1}
	must(t, submit(l, func(b *Batch) { b.Append(quiet, &State{Term: 9}, entries(1, 1, 1, 10)) }))
	next := uint64(1)
	write := func(n int) {
		for range n {
			must(t, submit(l, func(b *Batch) {
				b.Append(m, nil, entries(next, 1, 1, 10_000))
				b.Compact(m, next, 1)
			}))
			next++
		}
	}
	write(60)
	eventually(t, "a segment could go", func() bool { return cp.tried.Load() > 1 })
	for n := uint64(1); n <= 5; n++ {
		f, err := fs.Open(filepath.Join("wal", segmentName(n)))
		must(t, err)
		must(t, f.Close())
	}
	closeLog(t, l)
	fs.Crash(nil)
	l = open(t, "wal", o)
	cp.refuse.Store(false)
	write(20)
	eventually(t, "old segments are gone", func() bool { return l.Stats().Segments <= 4 })
	wantRecovered(t, l, quiet, Recovered{State: State{Term: 9}, Last: 1})
	closeLog(t, l)

	// A segment in the middle, or the first, that is missing is said so.
	l = open(t, "wal", o)
	write(20)
	closeLog(t, l)
	names, _, err := listSegments(fs, "wal")
	must(t, err)
	saved, err := cp.LoadCheckpoint()
	must(t, err)
	c, err := decodeCheckpoint("wal", saved)
	must(t, err)
	for _, gone := range []uint64{c.first, c.first + 1} {
		if gone >= names[len(names)-1] {
			t.Fatalf("want more than the segments %v", names)
		}
		path := filepath.Join("wal", segmentName(gone))
		must(t, fs.Rename(path, "aside"))
		var damage *CorruptError
		if _, err := Open("wal", o); !errors.Is(err, ErrCorrupt) || !errors.As(err, &damage) || damage.Segment != gone || damage.Remedy == "" {
			t.Errorf("without segment %d: %v", gone, err)
		}
		must(t, fs.Rename("aside", path))
	}
	l = open(t, "wal", o)
	wantRecovered(t, l, quiet, Recovered{State: State{Term: 9}, Last: 1})
}

// tail is where the log ends.
func tail(l *Log) (segment uint64, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.segments[len(l.segments)-1]
	return last.number, last.end
}

// rounds writes n batches, each its own round, and returns where each ends.
func rounds(t *testing.T, l *Log, m Member, first, n uint64) (ends []int64) {
	for i := range n {
		must(t, submit(l, func(b *Batch) { b.Append(m, &State{Term: first + i}, entries(first+i, 1, 1, 600)) }))
		_, end := tail(l)
		ends = append(ends, end)
	}
	return ends
}

func TestHazard29_TornTailIsCutRotInTheMiddleIsSaid(t *testing.T) {
	m := Member{2, 1}
	name := filepath.Join("wal", segmentName(1))
	const n = 6
	for off := int64(dataStart); off < dataStart+n*640+200; off += 13 {
		fs := NewMemFS()
		l := open(t, "wal", Options{FS: fs})
		ends := rounds(t, l, m, 1, n)
		closeLog(t, l)
		patch(t, fs, name, off, flip, 1)
		l, err := Open("wal", Options{FS: fs, SegmentBytes: small})
		last := uint64(n)
		if off < ends[n-1] {
			last = n - 1
		}
		switch {
		case off < ends[n-2]:
			var damage *CorruptError
			if !errors.As(err, &damage) || damage.Segment != 1 || damage.Offset > off || damage.Offset+700 < off {
				t.Fatalf("a byte flipped at %d, before the last write: %v", off, err)
			}
			continue
		case err != nil:
			t.Fatalf("a byte flipped at %d, in the last write or behind it: %v", off, err)
		}
		if r, _ := l.Load(m); r.Last != last {
			t.Errorf("flipped at %d: last %d, want %d", off, r.Last, last)
		}
		last = 1
		if r, _ := l.Load(m); r.Last > 0 {
			last = r.Last + 1
		}
		// What is written after the cut is found, and what was cut never again.
		rounds(t, l, m, last, 1)
		closeLog(t, l)
		l, err = Open("wal", Options{FS: fs, SegmentBytes: small})
		must(t, err)
		if r, _ := l.Load(m); r.Last != last {
			t.Errorf("flipped at %d: last %d after one more, want %d", off, r.Last, last)
		}
		closeLog(t, l)
	}
}

func TestHazard29_RotAtTheEndOfAnOlderSegmentIsSaid(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs, SpareSegments: 2})
	m := Member{2, 1}
	var end int64
	for i := uint64(1); ; i++ {
		number, at := tail(l)
		if number > 1 {
			break
		}
		end = at
		rounds(t, l, m, i, 1)
	}
	closeLog(t, l)
	for name, off := range map[string]int64{"last record": end - 30, "seal": end + 10} {
		patch(t, fs, filepath.Join("wal", segmentName(1)), off, flip, 1)
		if _, err := Open("wal", Options{FS: fs, SegmentBytes: small}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s of a full segment flipped: %v", name, err)
		}
		patch(t, fs, filepath.Join("wal", segmentName(1)), off, flip, 1)
	}
	l = open(t, "wal", Options{FS: fs})
	closeLog(t, l)
}

func TestRecycledBytesAreNeverRecords(t *testing.T) {
	// A segment full of sound records gets a new life; its old records, at the very
	// places where new ones would stand, must not be seen.
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	next := uint64(1)
	for l.Stats().Recycled < 3 {
		must(t, submit(l, func(b *Batch) {
			b.Append(m, nil, entries(next, 1, 1, 1000))
			b.Compact(m, next-1, 1)
		}))
		next++
	}
	for range 70 { // at different distances behind a roll
		must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(next, 1, 1, 1000)); b.Compact(m, next-1, 1) }))
		next++
		closeLog(t, l)
		l = open(t, "wal", Options{FS: fs})
		wantRecovered(t, l, m, Recovered{Base: next - 2, BaseTerm: 1, Last: next - 1})
	}
}

func TestHazard31_FailedSyncIsNeverTriedAgain(t *testing.T) {
	for _, kind := range []string{"sync", "write"} {
		t.Run(kind, func(t *testing.T) {
			fs := NewMemFS()
			l := open(t, "wal", Options{FS: fs})
			m := Member{2, 1}
			must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(1, 1, 1, 10)) }))
			var calls atomic.Int32
			fs.SetFault(func(op Op) error {
				if strings.Contains(op.Name, segmentName(1)) && op.Kind == kind && calls.Add(1) == 1 {
					return syscall.EIO
				}
				return nil
			})
			lazy := make(chan error, 1)
			b := l.NewBatch()
			b.Append(m, nil, entries(2, 1, 1, 10))
			must(t, l.Submit(b, false, func(err error) { lazy <- err }))
			err := submit(l, func(b *Batch) { b.Append(m, nil, entries(3, 1, 1, 10)) })
			if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
				t.Errorf("failed %s: %v", kind, err)
			}
			if err := <-lazy; !errors.Is(err, ErrFailed) {
				t.Errorf("batch in the same write: %v", err)
			}
			if err := submit(l, func(b *Batch) { b.Append(m, nil, entries(2, 1, 1, 10)) }); !errors.Is(err, ErrFailed) {
				t.Errorf("after a failed %s: %v", kind, err)
			}
			if err := l.Close(); !errors.Is(err, ErrFailed) {
				t.Errorf("Close: %v", err)
			}
			if calls.Load() != 1 {
				t.Errorf("%d calls of %s after one failed", calls.Load(), kind)
			}
			if r, _ := l.Load(m); r.Last != 1 {
				t.Errorf("what failed is shown: %+v", r)
			}
		})
	}
}

func TestHazard32_FullDiskLosesNothing(t *testing.T) {
	fs := NewMemFS()
	fs.SetCapacity(5 * small)
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	var err error
	next := uint64(1)
	sawFull := false
	// A batch that is taken while nobody knows yet that the disk is full waits for
	// space; here that is known before the next is submitted.
	known := func() bool { return l.Full() || l.Stats().Spares > 0 }
	for {
		eventually(t, "a spare or a full disk", known)
		if err = submit(l, func(b *Batch) { b.Append(m, nil, entries(next, 1, 1, 3000)) }); err != nil {
			break
		}
		sawFull = sawFull || l.Full()
		if next++; next > 1000 {
			t.Fatal("a full disk goes on for ever")
		}
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("full disk: %v", err)
	}
	if !sawFull || !l.Full() {
		t.Error("Full did not tell before the reserve was used up")
	}
	wantEntries(t, l, m, entries(1, next-1, 1, 3000))
	// Votes and what shrinks the log go on.
	must(t, submit(l, func(b *Batch) { b.Append(m, &State{Term: 7, Vote: 3}, nil) }))
	closeLog(t, l)
	l = open(t, "wal", Options{FS: fs})
	wantEntries(t, l, m, entries(1, next-1, 1, 3000))
	wantRecovered(t, l, m, Recovered{State: State{Term: 7, Vote: 3}, Last: next - 1})
	eventually(t, "Full again after reopening", l.Full)
	t.Run("space from compaction", func(t *testing.T) {
		must(t, submit(l, func(b *Batch) { b.Compact(m, next-1, 1) }))
		eventually(t, "not full", func() bool { return !l.Full() })
	})
	for range 200 {
		eventually(t, "a spare or a full disk", known)
		err = submit(l, func(b *Batch) { b.Append(m, nil, entries(next, 1, 1, 3000)) })
		if err != nil {
			break
		}
		next++
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("full again: %v", err)
	}
	t.Run("space from outside", func(t *testing.T) {
		fs.SetCapacity(0)
		eventually(t, "not full", func() bool { return !l.Full() })
		must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(next, 1, 1, 3000)) }))
	})
}

// A full disk that then does not work at all is not waited for: who goes by Full
// submits, and hears of it.
func TestHazard31_AFullDiskThatBreaksIsNotFullForEver(t *testing.T) {
	fs := NewMemFS()
	fs.SetCapacity(5 * small)
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	for next := uint64(1); !l.Full(); next++ {
		must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(next, 1, 1, 3000)) }))
		eventually(t, "a spare or a full disk", func() bool { return l.Full() || l.Stats().Spares > 0 })
	}
	fs.SetFault(func(op Op) error {
		if op.Kind == "rename" {
			return syscall.EIO
		}
		return nil
	})
	fs.SetCapacity(0)
	eventually(t, "not full", func() bool { return !l.Full() })
	if err := submit(l, func(b *Batch) { b.Append(m, &State{Term: 7, Vote: 3}, nil) }); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("a log that failed while it was full: %v", err)
	}
}

// A disk that cannot make a segment for another reason than space is not waited for:
// who waits hears of it, and the node can stop.
func TestHazard31_ABrokenDiskIsNotTakenForAFullOne(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	eventually(t, "a spare", func() bool { return l.Stats().Spares > 0 })
	fs.SetFault(func(op Op) error {
		if op.Kind == "create" || op.Kind == "allocate" || op.Kind == "rename" {
			return syscall.EIO
		}
		return nil
	})
	var err error
	for next := uint64(1); err == nil && next < 1000; next++ {
		err = submit(l, func(b *Batch) { b.Append(m, nil, entries(next, 1, 1, 3000)) })
	}
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) || errors.Is(err, ErrFull) {
		t.Fatalf("a disk that cannot make segments: %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrFailed) {
		t.Fatalf("close: %v", err)
	}
}

// The same while the log closes and a writer waits for that segment.
func TestHazard31_ABrokenDiskDoesNotHoldUpClose(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	eventually(t, "a spare", func() bool { return l.Stats().Spares > 0 })
	broken := make(chan struct{})
	fs.SetFault(func(op Op) error {
		if op.Kind == "create" || op.Kind == "allocate" || op.Kind == "rename" {
			<-broken
			return syscall.EIO
		}
		return nil
	})
	outcomes := make(chan error, 1000)
	for next := uint64(1); !l.isParked(); next++ {
		b := l.NewBatch()
		b.Append(Member{2, 1}, nil, entries(next, 1, 1, 3000))
		if err := l.Submit(b, true, func(err error) { outcomes <- err }); err != nil {
			t.Fatal(err)
		}
		if next%4 == 0 {
			eventually(t, "all is written or waits for a segment", func() bool { return len(outcomes) == int(next) || l.isParked() })
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	eventually(t, "it closes", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.closed
	})
	close(broken)
	if err := <-closed; !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
}

func TestFullDiskHoldsBackABatchLongerThanASegment(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	eventually(t, "a spare", func() bool { return l.Stats().Spares == 1 })
	fs.SetCapacity(fs.Used())
	m := Member{2, 1}
	long := entries(1, 1, 1, 3*small)
	done := make(chan error, 1)
	b := l.NewBatch()
	b.Append(m, nil, long)
	must(t, l.Submit(b, true, func(err error) { done <- err }))
	eventually(t, "full", l.Full)
	fs.SetCapacity(0)
	must(t, <-done)
	wantEntries(t, l, m, long)
	eventually(t, "not full", func() bool { return !l.Full() })
}

func TestHazard33_BitRotIsSaidAndStaysWithItsMember(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m, other := Member{2, 1}, Member{3, 1}
	must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(1, 1, 1, 500)) }))
	_, end := tail(l)
	must(t, submit(l, func(b *Batch) { b.Append(other, nil, entries(1, 1, 1, 500)) }))
	name := filepath.Join("wal", segmentName(1))
	patch(t, fs, name, end-100, flip, 1)
	var damage *CorruptError
	if _, err := l.Entries(m, 1, 2, 1<<20); !errors.As(err, &damage) || damage.Segment != 1 || !strings.Contains(err.Error(), "remedy") {
		t.Errorf("reading a rotten entry: %v", err)
	}
	wantEntries(t, l, other, entries(1, 1, 1, 500))
	closeLog(t, l)
	if _, err := Open("wal", Options{FS: fs}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("opening: %v", err)
	}
	if _, err := Verify("wal", Options{FS: fs}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("verifying: %v", err)
	}
	// Nothing was removed or changed: the damage undone, all is there.
	patch(t, fs, name, end-100, flip, 1)
	l = open(t, "wal", Options{FS: fs})
	wantEntries(t, l, m, entries(1, 1, 1, 500))
}
