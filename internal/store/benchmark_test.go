package store

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"
)

// Many callers at a time, as when a node starts: RunParallel alone would have no
// more of them than there are cores.
const callers = 256

func BenchmarkPutMember(b *testing.B) {
	d := openTest(b, b.TempDir())
	record := make([]byte, 200)
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(callers)
	before := transactions(b, d)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := d.PutMember(key(2+int(next.Add(1)%10_000), 1), record); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(max(transactions(b, d)-before, 1)), "writes/sync")
}

func BenchmarkPutMemberAlone(b *testing.B) {
	d := openTest(b, b.TempDir())
	record := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		must(b, d.PutMember(key(2, 1), record))
	}
}

func BenchmarkCommitSmallSnapshot(b *testing.B) {
	const members = 10_000
	d := openTest(b, b.TempDir())
	fillMembers(b, d, members)
	body := make([]byte, 1000)
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(callers)
	before := transactions(b, d)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := next.Add(1)
			w, err := d.CreateSnapshot(key(2+int(n%members), 1))
			if err == nil {
				w.Write(body)
				err = w.Commit(Snapshot{Index: uint64(1 + n/members), Term: 1})
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(max(transactions(b, d)-before, 1)), "writes/sync")
}

func BenchmarkCommitLargeSnapshot(b *testing.B) {
	d := openTest(b, b.TempDir())
	must(b, d.PutMember(key(2, 1), nil))
	body := make([]byte, 1<<20)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	index := uint64(0)
	for b.Loop() {
		index++
		must(b, save(b, d, key(2, 1), Snapshot{Index: index}, body))
	}
}

func BenchmarkOpenSmallSnapshot(b *testing.B) {
	d := openTest(b, b.TempDir())
	must(b, d.PutMember(key(2, 1), nil))
	must(b, save(b, d, key(2, 1), snapshotAt(1), make([]byte, 1000)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, r, err := d.OpenSnapshot(key(2, 1))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, r)
			r.Close()
		}
	})
}

// BenchmarkOpen starts a node of ten thousand members.
func BenchmarkOpen(b *testing.B) {
	d := openTest(b, b.TempDir())
	fillMembers(b, d, 10_000)
	parallel(b, 10_000, func(i int) {
		must(b, save(b, d, key(2+i, 1), snapshotAt(1), make([]byte, 1000)))
	})
	must(b, d.Close())
	b.ReportAllocs()
	for b.Loop() {
		s, err := open(d.dir, Options{})
		must(b, err)
		if members, err := s.Members(); err != nil || len(members) != 10_000 {
			b.Fatal(len(members), err)
		}
		must(b, s.Close())
	}
}

func fillMembers(b *testing.B, d *disk, n int) {
	b.Helper()
	parallel(b, n, func(i int) { must(b, d.PutMember(key(2+i, 1), make([]byte, 200))) })
}

func parallel(b *testing.B, n int, do func(i int)) {
	b.Helper()
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := c; i < n; i += callers {
				do(i)
			}
		})
	}
	all.Wait()
}
