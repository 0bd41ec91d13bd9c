package catalogue

import (
	"fmt"
	"io"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

const benchmarkGroups = 10_000

func filled(b *testing.B) *fixture {
	f := newFixture(b, 100)
	for i := range benchmarkGroups {
		n := ident.NodeID(i % 98)
		f.add(fmt.Sprint("group-", i), n+1, n+2, n+3)
	}
	return f
}

func BenchmarkApply(b *testing.B) {
	b.Run("AddGroup", func(b *testing.B) {
		f := filled(b)
		next := 0
		run(b, f, func() Command {
			next++
			n := ident.NodeID(next % 98)
			return &AddGroup{Name: fmt.Sprint("more-", next), Type: "counter", Replicas: 3, Members: []ident.NodeID{n + 1, n + 2, n + 3}}
		})
	})
	b.Run("Report", func(b *testing.B) {
		f := filled(b)
		next := uint64(0)
		run(b, f, func() Command {
			next++
			n := ident.NodeID(next % 98)
			return &Report{Group: ident.GroupID(2 + next%benchmarkGroups), Index: 2 + next, Members: []Member{{1, n + 1}, {2, n + 2}, {3, n + 3}}}
		})
	})
}

// run measures Apply alone, over commands encoded before.
func run(b *testing.B, f *fixture, next func() Command) {
	const ahead = 1000
	var encoded [][]byte
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%ahead == 0 {
			b.StopTimer()
			encoded = encoded[:0]
			for range ahead {
				c, err := Encode(next())
				if err != nil {
					b.Fatal(err)
				}
				encoded = append(encoded, c)
			}
			b.StartTimer()
		}
		f.index++
		if _, err := f.m.Apply(f.index, 1, encoded[i%ahead]); err != nil {
			b.Fatal(err)
		}
		f.m.AppliedUpTo(f.index)
	}
}

func BenchmarkHostedBy(b *testing.B) {
	f := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		if len(f.m.HostedBy(50)) < 300 {
			b.Fatal("too few")
		}
	}
}

func BenchmarkGroupByID(b *testing.B) {
	f := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := f.m.GroupByID(5000); !ok {
			b.Fatal("no group")
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	f := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := f.m.Snapshot()(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRestore(b *testing.B) {
	f := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := New().Restore(pipe(b, f.m)); err != nil {
			b.Fatal(err)
		}
	}
}
