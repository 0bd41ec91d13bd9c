package wal

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// together submits batches so that one write carries them all, and waits.
func together(t *testing.T, fs *MemFS, l *Log, m Member, batches ...[]Entry) {
	t.Helper()
	gate, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs.SetFault(func(op Op) error {
		if op.Kind == "sync" {
			once.Do(func() { close(entered); <-gate })
		}
		return nil
	})
	defer fs.SetFault(nil)
	var wg sync.WaitGroup
	send := func(fill func(b *Batch)) {
		b := l.NewBatch()
		fill(b)
		wg.Add(1)
		must(t, l.Submit(b, true, func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		}))
	}
	send(func(b *Batch) { b.Append(m, &State{Term: 1}, nil) })
	<-entered
	for _, e := range batches {
		send(func(b *Batch) { b.Append(m, nil, e) })
	}
	close(gate)
	wg.Wait()
}

func TestSoundFramesOfATornWriteNeverRise(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	eventually(t, "a spare", func() bool { return l.Stats().Spares == 1 })
	m := Member{2, 1}
	rounds(t, l, m, 1, 1)
	before := l.Stats().Rounds
	together(t, fs, l, m, entries(2, 1, 1, 600), entries(3, 1, 1, 600))
	if n := l.Stats().Rounds - before; n != 2 {
		t.Fatalf("%d writes, want 2: the test wants two batches in one", n)
	}
	_, end := tail(l)
	closeLog(t, l)
	// Of the last write only its second frame has reached the disk.
	length := (end - dataStart) / 3
	patch(t, fs, filepath.Join("wal", segmentName(1)), end-2*length+50, flip, 1)
	report, err := Verify("wal", Options{FS: fs})
	must(t, err)
	if !report.Torn {
		t.Errorf("a torn write is not seen: %+v", report)
	}
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, Recovered{State: State{Term: 1}, Last: 1})
	// The next write ends exactly where the sound frame of the torn one begins.
	must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(2, 1, 7, 600)) }))
	wantRecovered(t, l, m, Recovered{State: State{Term: 1}, Last: 2})
	closeLog(t, l)
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, Recovered{State: State{Term: 1}, Last: 2})
	wantEntries(t, l, m, entries(2, 1, 7, 600))
}

func TestOldRecordsUnderANewFrameAreNotTaken(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	ends := rounds(t, l, m, 1, 3)
	first, second, third := ends[0], ends[1], ends[2]
	closeLog(t, l)
	// The frame has reached the disk, its sound record is that of an earlier life.
	name := filepath.Join("wal", segmentName(1))
	var old []byte
	n := int(third - second - frameBytes)
	patch(t, fs, name, first-int64(n), func(b []byte) { old = append(old, b...) }, n)
	patch(t, fs, name, second+frameBytes, func(b []byte) { copy(b, old) }, n)
	l = open(t, "wal", Options{FS: fs})
	wantRecovered(t, l, m, Recovered{State: State{Term: 2}, Last: 2})
}

func TestHazard31_WhatOpenShowsIsDurableAlsoAfterAFailedSync(t *testing.T) {
	for _, fill := range []bool{false, true} { // true: the write that failed filled the segment
		fs := NewMemFS()
		l := open(t, "wal", Options{FS: fs})
		m := Member{2, 1}
		rounds(t, l, m, 1, 3)
		if fill {
			eventually(t, "a spare", func() bool { return l.Stats().Spares == 1 })
		}
		fs.SetFault(func(op Op) error {
			if op.Kind == "sync" {
				return syscall.EIO
			}
			return nil
		})
		size := 600
		if fill {
			_, end := tail(l)
			size = small - int(end) - 2*frameBytes - 40
		}
		// A second batch, that no longer fits, makes the first write seal the segment.
		b, c := l.NewBatch(), l.NewBatch()
		b.Append(m, nil, entries(4, 1, 1, size))
		c.Append(m, nil, entries(5, 1, 1, 600))
		must(t, l.Submit(b, false, nil))
		done := make(chan error, 1)
		must(t, l.Submit(c, true, func(err error) { done <- err }))
		if err := <-done; !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
		l.Close()
		fs.SetFault(nil)
		// The process ends and starts again: the cache shows what was written.
		l = open(t, "wal", Options{FS: fs})
		shown, _ := l.Load(m)
		if shown.Last < 4 {
			t.Fatalf("fill %v: the test wants the write to be seen: %+v", fill, shown)
		}
		fs.Crash(nil)
		l = open(t, "wal", Options{FS: fs})
		if got, _ := l.Load(m); got != shown {
			t.Errorf("fill %v: shown %+v, after a power failure %+v", fill, shown, got)
		}
	}
}

func TestTruncatedAndForeignFiles(t *testing.T) {
	m := Member{2, 1}
	fresh := func(t *testing.T) (dir, first string) {
		dir = filepath.Join(t.TempDir(), "wal")
		l := open(t, dir, Options{})
		rounds(t, l, m, 1, 5)
		closeLog(t, l)
		return dir, filepath.Join(dir, segmentName(1))
	}
	for name, damage := range map[string]func(t *testing.T, dir, first string){
		"header cut":      func(t *testing.T, _, first string) { must(t, os.Truncate(first, 10)) },
		"records cut":     func(t *testing.T, _, first string) { must(t, os.Truncate(first, dataStart+2000)) },
		"empty":           func(t *testing.T, _, first string) { must(t, os.Truncate(first, 0)) },
		"gone":            func(t *testing.T, _, first string) { must(t, os.Remove(first)) },
		"no checkpoint":   func(t *testing.T, dir, _ string) { must(t, os.Remove(filepath.Join(dir, checkpointName))) },
		"checkpoint rots": func(t *testing.T, dir, _ string) { patch(t, OSFS{}, filepath.Join(dir, checkpointName), 12, flip, 1) },
		"header rots":     func(t *testing.T, _, first string) { patch(t, OSFS{}, first, 20, flip, 1) },
		"of another log": func(t *testing.T, _, first string) {
			_, other := fresh(t)
			must(t, os.Rename(other, first))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, first := fresh(t)
			damage(t, dir, first)
			if _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "remedy") {
				t.Errorf("Open: %v", err)
			}
			if _, err := Verify(dir, Options{}); err == nil {
				t.Error("Verify found nothing")
			}
		})
	}
	t.Run("unknown version", func(t *testing.T) {
		dir, first := fresh(t)
		patch(t, OSFS{}, first, 8, func(b []byte) { b[0] = 99 }, 1)
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "99") {
			t.Errorf("Open: %v", err)
		}
	})
	t.Run("strangers are left alone", func(t *testing.T) {
		dir, _ := fresh(t)
		for _, name := range []string{"notes.txt", "0.wal", segmentName(7) + tempSuffix} {
			must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		}
		l := open(t, dir, Options{})
		wantRecovered(t, l, m, Recovered{State: State{Term: 5}, Last: 5})
		for name, kept := range map[string]bool{"notes.txt": true, "0.wal": true, segmentName(7) + tempSuffix: false} {
			if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != kept {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestReadersSeeAWholeLogWhileItIsCutMovedAndRecycled(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "wal"), Options{})
	const groups = 4
	var stop atomic.Bool
	var readers sync.WaitGroup
	for g := range uint64(groups) {
		m := Member{g + 2, 1}
		readers.Add(1)
		go func() {
			defer readers.Done()
			for !stop.Load() {
				r, ok := l.Load(m)
				if !ok || r.Last == r.Base {
					runtime.Gosched()
					continue
				}
				got, err := l.Entries(m, r.Base+1, r.Last+1, 1<<20)
				if err != nil && !errors.Is(err, ErrCompacted) && !errors.Is(err, ErrUnavailable) {
					t.Error(err)
					return
				}
				for i, e := range got {
					if want := content(m, e.Index, e.Term, len(e.Data)); e.Index != r.Base+1+uint64(i) || string(e.Data) != string(want) {
						t.Errorf("%v: entry %d is not what was written", m, e.Index)
						return
					}
				}
			}
		}()
	}
	rng := rand.New(rand.NewPCG(1, 2))
	logs := [groups]struct{ base, last uint64 }{}
	quietUntil := [groups]int{3: 400} // one member's entries stay and are copied forward
	for i := range 500 {
		must(t, submit(l, func(b *Batch) {
			for g := range logs {
				m, log := Member{uint64(g) + 2, 1}, &logs[g]
				if i > 10 && i < quietUntil[g] {
					continue
				}
				if log.last > log.base && rng.IntN(10) == 0 {
					log.last-- // the next one replaces an entry
				}
				log.last++
				b.Append(m, nil, []Entry{{Index: log.last, Term: uint64(i), Data: content(m, log.last, uint64(i), rng.IntN(2400))}})
				if rng.IntN(20) == 0 {
					log.base = log.last - min(log.last-log.base, uint64(rng.IntN(40)))
					b.Compact(m, log.base, 1)
				}
			}
		}))
	}
	stop.Store(true)
	readers.Wait()
	if s := l.Stats(); s.Recycled == 0 || s.Copied == 0 {
		t.Errorf("nothing was recycled or copied: %+v", s)
	}
}

func TestAMemberWithoutEntriesCostsLessThan200Bytes(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs, SegmentBytes: 16 << 20})
	const n = 200_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // pooled buffers go with the second
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc) - fs.Used()
	}
	spare := func() bool { return l.Stats().Spares == 1 }
	eventually(t, "a spare", spare)
	before := heap()
	for first := uint64(0); first < n; first += 1000 {
		must(t, submit(l, func(b *Batch) {
			for i := range uint64(1000) {
				m := Member{first + i + 2, 1}
				b.Append(m, nil, entries(1, 1, 1, 0))
				b.Compact(m, 1, 1)
			}
		}))
	}
	eventually(t, "a spare", spare)
	must(t, fs.SyncDir("wal")) // lets go of removed files
	after := heap()
	if each := float64(after-before) / n; each > 200 {
		t.Errorf("%.0f bytes a member", each)
	} else {
		t.Logf("%.0f bytes a member", each)
	}
}

func TestOverloadIsRefusedAndNothingOfItTaken(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs, MaxQueuedBytes: 4000})
	m := Member{2, 1}
	gate, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs.SetFault(func(op Op) error {
		if op.Kind == "sync" && strings.Contains(op.Name, segmentName(1)) {
			once.Do(func() { close(entered); <-gate })
		}
		return nil
	})
	var wg sync.WaitGroup
	send := func(n uint64) (*Batch, error) {
		b := l.NewBatch()
		b.Append(m, nil, entries(n, 1, 1, 1500))
		wg.Add(1)
		err := l.Submit(b, true, func(err error) {
			if err != nil {
				t.Error(err)
			}
			wg.Done()
		})
		if err != nil {
			wg.Done()
		}
		return b, err
	}
	_, err := send(1)
	must(t, err)
	<-entered
	_, err = send(2)
	must(t, err)
	b, err := send(3)
	if !errors.Is(err, ErrOverloaded) {
		t.Fatalf("beyond the bound: %v", err)
	}
	close(gate)
	wg.Wait()
	wg.Add(1) // a refused batch may be submitted again
	must(t, l.Submit(b, true, func(err error) { wg.Done() }))
	wg.Wait()
	wantEntries(t, l, m, entries(1, 3, 1, 1500))
	if q := l.Stats().QueuedBytes; q != 0 {
		t.Errorf("%d bytes are counted as queued when nothing is", q)
	}
}
