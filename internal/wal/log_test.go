package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small makes segments roll often.
const small = 64 << 10

func open(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	if o.SegmentBytes == 0 {
		o.SegmentBytes = small
	}
	if o.SpareSegments == 0 {
		o.SpareSegments = 1
	}
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// submit fills a batch, submits it and waits for its end.
func submit(l *Log, fill func(b *Batch)) error {
	b := l.NewBatch()
	fill(b)
	done := make(chan error, 1)
	if err := l.Submit(b, true, func(err error) { done <- err }); err != nil {
		b.Discard()
		return err
	}
	return <-done
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func entries(first, n, term uint64, size int) []Entry {
	out := make([]Entry, n)
	for i := range out {
		data := make([]byte, size)
		copy(data, fmt.Sprintf("%d/%d ", first+uint64(i), term))
		out[i] = Entry{Index: first + uint64(i), Term: term, Kind: uint8((first + uint64(i)) % 3), Data: data}
		if size == 0 {
			out[i].Data = nil
		}
	}
	return out
}

func equalEntries(a, b []Entry) bool {
	return slices.EqualFunc(a, b, func(x, y Entry) bool {
		return x.Index == y.Index && x.Term == y.Term && x.Kind == y.Kind && string(x.Data) == string(y.Data)
	})
}

func wantEntries(t testing.TB, l *Log, m Member, want []Entry) {
	t.Helper()
	got, err := l.Entries(m, want[0].Index, want[len(want)-1].Index+1, 1<<40)
	must(t, err)
	if !equalEntries(got, want) {
		t.Fatalf("entries of %v: got %d from %d, want %d from %d, or their content differs", m, len(got), got[0].Index, len(want), want[0].Index)
	}
}

func wantRecovered(t testing.TB, l *Log, m Member, want Recovered) {
	t.Helper()
	got, ok := l.Load(m)
	if !ok || got != want {
		t.Fatalf("Load(%v) = %+v, %v; want %+v", m, got, ok, want)
	}
}

func TestEverythingIsThereAfterReopening(t *testing.T) {
	for _, kind := range []string{"disk", "memory"} {
		t.Run(kind, func(t *testing.T) {
			dir, o := filepath.Join(t.TempDir(), "wal"), Options{}
			if kind == "memory" {
				o.FS = NewMemFS()
			}
			l := open(t, dir, o)
			a, b, c := Member{2, 1}, Member{3, 2}, Member{1 << 60, 9}
			must(t, submit(l, func(w *Batch) {
				w.Append(a, &State{1, 1, 0}, entries(1, 5, 1, 20))
				w.Reset(b, 10, 3, State{3, 0, 10})
				w.Append(b, nil, entries(11, 2, 3, 0))
				w.Append(c, &State{7, 8, 0}, nil)
			}))
			must(t, submit(l, func(w *Batch) {
				w.Append(a, &State{2, 2, 3}, entries(4, 3, 2, 30))
				w.Compact(b, 11, 3)
			}))
			check := func(l *Log) {
				t.Helper()
				wantRecovered(t, l, a, Recovered{State: State{2, 2, 3}, Last: 6})
				wantRecovered(t, l, b, Recovered{State: State{3, 0, 10}, Base: 11, BaseTerm: 3, Last: 12})
				wantRecovered(t, l, c, Recovered{State: State{7, 8, 0}})
				wantEntries(t, l, a, append(entries(1, 5, 1, 20)[:3:3], entries(4, 3, 2, 30)...))
				wantEntries(t, l, b, entries(11, 2, 3, 0)[1:])
			}
			check(l)
			for range 3 {
				closeLog(t, l)
				l = open(t, dir, o)
				check(l)
			}
			must(t, submit(l, func(w *Batch) { w.Delete(a); w.Delete(c) }))
			closeLog(t, l)
			l = open(t, dir, o)
			if got := l.Members(); len(got) != 1 || got[0] != b {
				t.Fatalf("members after deletion: %v", got)
			}
		})
	}
}

func TestEntriesBounds(t *testing.T) {
	l := open(t, "wal", Options{FS: NewMemFS()})
	m := Member{2, 1}
	must(t, submit(l, func(b *Batch) {
		b.Reset(m, 5, 1, State{Term: 1})
		b.Append(m, nil, entries(6, 10, 1, 100))
	}))
	for _, c := range []struct {
		lo, hi, max uint64
		n           int
		err         error
	}{
		{6, 16, 1 << 20, 10, nil}, {6, 16, 0, 1, nil}, {6, 16, 250, 2, nil}, {6, 16, 300, 3, nil}, {9, 9, 1, 0, nil},
		{5, 8, 1, 0, ErrCompacted}, {6, 17, 1, 0, ErrUnavailable}, {16, 17, 1, 0, ErrUnavailable}, {15, 16, 1, 1, nil},
	} {
		got, err := l.Entries(m, c.lo, c.hi, c.max)
		if len(got) != c.n || !errors.Is(err, c.err) {
			t.Errorf("Entries(%d, %d, %d): %d entries, %v; want %d, %v", c.lo, c.hi, c.max, len(got), err, c.n, c.err)
		}
	}
	if _, err := l.Entries(Member{9, 9}, 1, 2, 1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("unknown member: %v", err)
	}
}

func TestBatchThatDoesNotContinueTheLogIsRefusedWhole(t *testing.T) {
	l := open(t, "wal", Options{FS: NewMemFS()})
	m, n := Member{2, 1}, Member{3, 1}
	must(t, submit(l, func(b *Batch) { b.Reset(m, 5, 1, State{Term: 1}); b.Append(m, nil, entries(6, 3, 1, 8)) }))
	for name, fill := range map[string]func(b *Batch){
		"gap":             func(b *Batch) { b.Append(m, nil, entries(10, 1, 1, 8)) },
		"behind the base": func(b *Batch) { b.Append(m, nil, entries(5, 1, 1, 8)) },
		"unknown":         func(b *Batch) { b.Compact(Member{8, 8}, 4, 1) },
		"new with gap":    func(b *Batch) { b.Append(Member{8, 8}, nil, entries(2, 1, 1, 8)) },
		"holes":           func(b *Batch) { b.Append(m, nil, []Entry{{Index: 9}, {Index: 11}}) },
	} {
		err := submit(l, func(b *Batch) {
			b.Append(n, &State{Term: 9}, entries(1, 1, 9, 8))
			b.Append(m, &State{Term: 9}, entries(9, 0, 1, 8))
			fill(b)
		})
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantRecovered(t, l, m, Recovered{State: State{Term: 1}, Base: 5, BaseTerm: 1, Last: 8})
	if _, ok := l.Load(n); ok {
		t.Error("part of a refused batch was taken")
	}
	must(t, submit(l, func(b *Batch) { b.Append(m, nil, entries(9, 1, 1, 8)) }))
	if got := l.members.len(); got != 1 {
		t.Errorf("%d members are remembered, want 1", got)
	}
}

func TestCompletionsRunInOrderAlsoWithoutSync(t *testing.T) {
	l := open(t, "wal", Options{FS: NewMemFS()})
	m := Member{2, 1}
	var order []int
	last := make(chan struct{})
	next := uint64(1)
	for i := range 100 {
		b := l.NewBatch()
		if i != 50 { // an empty batch is a barrier
			b.Append(m, &State{Commit: uint64(i)}, entries(next, 1, 1, 8))
			next++
		}
		must(t, l.Submit(b, i%7 == 0 || i == 99, func(err error) {
			if err != nil {
				t.Error(err)
			}
			if order = append(order, i); i == 99 {
				close(last)
			}
		}))
	}
	<-last
	if !slices.IsSorted(order) || len(order) != 100 {
		t.Fatalf("order of completions: %v", order)
	}
	// What waits without sync is written at Close.
	b := l.NewBatch()
	b.Append(m, &State{Commit: 777}, nil)
	var closing error = errors.New("not run")
	must(t, l.Submit(b, false, func(err error) { closing = err }))
	closeLog(t, l)
	must(t, closing)
	if err := submit(l, func(b *Batch) { b.Delete(m) }); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if r, _ := l.Load(m); r.State.Commit != 777 {
		t.Errorf("lazy state was lost: %+v", r)
	}
}

func TestSegmentsRollAndAreRecycled(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	quiet, busy, deleted := Member{2, 1}, Member{3, 1}, Member{4, 1}
	must(t, submit(l, func(b *Batch) {
		b.Reset(quiet, 3, 1, State{Term: 4, Vote: 2, Commit: 5})
		b.Append(quiet, nil, entries(4, 6, 4, 50))
		b.Append(deleted, nil, entries(1, 6, 4, 50))
	}))
	must(t, submit(l, func(b *Batch) { b.Delete(deleted) }))
	for i := range uint64(3000) {
		must(t, submit(l, func(b *Batch) {
			b.Append(busy, nil, entries(i+1, 1, 1, 1000))
			if i > 20 && i%10 == 0 {
				b.Compact(busy, i-20, 1)
			}
		}))
	}
	eventually(t, "old segments are freed", func() bool { return l.Stats().Segments <= 5 })
	if s := l.Stats(); s.Recycled == 0 {
		t.Errorf("3 MB went through segments of 64 KiB: %+v", s)
	}
	t.Logf("%+v", l.Stats())
	wantEntries(t, l, quiet, entries(4, 6, 4, 50))
	for range 2 {
		closeLog(t, l)
		l = open(t, "wal", Options{FS: fs})
		wantEntries(t, l, quiet, entries(4, 6, 4, 50))
		wantRecovered(t, l, quiet, Recovered{State: State{4, 2, 5}, Base: 3, BaseTerm: 1, Last: 9})
		r, _ := l.Load(busy)
		wantEntries(t, l, busy, entries(r.Base+1, 3000-r.Base, 1, 1000))
		if len(l.Members()) != 2 {
			t.Errorf("members: %v", l.Members())
		}
	}
}

func TestBatchLongerThanASegment(t *testing.T) {
	fs := NewMemFS()
	l := open(t, "wal", Options{FS: fs})
	m := Member{2, 1}
	all := entries(1, 3, 1, 10)
	must(t, submit(l, func(b *Batch) { b.Append(m, nil, all) }))
	for i := range uint64(5) {
		long := entries(4+2*i, 2, 1, 100_000)
		must(t, submit(l, func(b *Batch) { b.Append(m, nil, long) }))
		all = append(all, long...)
	}
	wantEntries(t, l, m, all)
	closeLog(t, l)
	l = open(t, "wal", Options{FS: fs})
	wantEntries(t, l, m, all)
}
