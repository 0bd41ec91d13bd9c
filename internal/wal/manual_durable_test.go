package wal

import (
	"slices"
	"testing"
)

// What is told as durable is exactly what was synced, in order, before anybody who
// waits for it hears of it.
func TestManualTellsWhatIsDurable(t *testing.T) {
	var told []string
	l, err := Open("wal", Options{FS: NewMemFS(), SegmentBytes: 64 << 10, Manual: &Manual{
		Monotonic: func() int64 { return 1 }, Random: func() uint64 { return 4 },
		Durable: func(r *Record) {
			for _, e := range r.Entries {
				told = append(told, r.Kind+string(e.Data))
			}
			if len(r.Entries) == 0 {
				told = append(told, r.Kind)
			}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := Member{Group: 1, ID: 2}
	b := l.NewBatch()
	b.Reset(m, 1, 1, State{Term: 1})
	b.Append(m, &State{Term: 2}, []Entry{{Index: 2, Term: 2, Data: []byte(" a")}, {Index: 3, Term: 2, Data: []byte(" b")}})
	b.Compact(m, 2, 2)
	b.Delete(m)
	want := []string{"reset", "append a", "append b", "compact", "delete"}
	heard := false
	if err := l.Submit(b, true, func(err error) { heard = err == nil && slices.Equal(told, want) }); err != nil {
		t.Fatal(err)
	}
	if len(told) != 0 {
		t.Fatal("told before the sync:", told)
	}
	for did := true; did; {
		if did, err = l.Turn(); err != nil {
			t.Fatal(err)
		}
	}
	if !heard {
		t.Fatalf("told %q, want %q, before the completion", told, want)
	}
}
