package wal

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// BenchmarkSubmit measures one entry a batch, from several lanes that each wait
// for their own.
func BenchmarkSubmit(b *testing.B) {
	for _, kind := range []string{"disk", "memory"} {
		for _, lanes := range []int{1, 16} {
			for _, size := range []int{16, 1 << 10, 64 << 10} {
				b.Run(fmt.Sprintf("%s/lanes=%d/bytes=%d", kind, lanes, size), func(b *testing.B) {
					o := Options{SegmentBytes: 64 << 20}
					if kind == "memory" {
						o = Options{FS: NewMemFS(), SegmentBytes: 1 << 20}
					}
					l := open(b, filepath.Join(b.TempDir(), "wal"), o)
					b.SetBytes(int64(size))
					b.ReportAllocs()
					b.ResetTimer()
					var wg sync.WaitGroup
					for lane := range lanes {
						n := b.N / lanes
						if lane == 0 {
							n += b.N % lanes
						}
						wg.Add(1)
						go func() {
							defer wg.Done()
							m := Member{uint64(lane + 2), 1}
							done := make(chan error, 1)
							finish := func(err error) { done <- err }
							one := []Entry{{Term: 1, Data: make([]byte, size)}}
							for i := range n {
								one[0].Index = uint64(i + 1)
								w := l.NewBatch()
								w.Append(m, nil, one)
								if i%64 == 63 {
									w.Compact(m, uint64(i-32), 1)
								}
								if err := l.Submit(w, true, finish); err != nil {
									b.Error(err)
									return
								}
								if err := <-done; err != nil {
									b.Error(err)
									return
								}
							}
						}()
					}
					wg.Wait()
				})
			}
		}
	}
}

// BenchmarkBatch measures filling a batch with the entries of many members.
func BenchmarkBatch(b *testing.B) {
	l := open(b, "wal", Options{FS: NewMemFS(), SegmentBytes: 1 << 20})
	one := []Entry{{Index: 1, Term: 1, Data: make([]byte, 16)}}
	st := State{Term: 1, Vote: 1, Commit: 1}
	must(b, submit(l, func(w *Batch) {
		for g := range uint64(100) {
			w.Append(Member{g + 2, 1}, &st, nil)
		}
	}))
	b.ReportAllocs()
	for b.Loop() {
		w := l.NewBatch()
		for g := range uint64(100) {
			w.Append(Member{g + 2, 1}, &st, one)
		}
		w.Discard()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
}

// BenchmarkWriter measures the writer with batches of a hundred members, in memory.
func BenchmarkWriter(b *testing.B) {
	l := open(b, "wal", Options{FS: NewMemFS(), SegmentBytes: 1 << 20})
	one := []Entry{{Term: 1, Data: make([]byte, 16)}}
	st := State{Term: 1, Vote: 1, Commit: 1}
	done := make(chan error, 1)
	finish := func(err error) { done <- err }
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		i++
		one[0].Index = i
		w := l.NewBatch()
		for g := range uint64(100) {
			w.Append(Member{g + 2, 1}, &st, one)
			if i%64 == 0 {
				w.Compact(Member{g + 2, 1}, i-32, 1)
			}
		}
		if err := l.Submit(w, true, finish); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
}

// BenchmarkRecovery measures Open of 256 MiB on disk.
func BenchmarkRecovery(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "wal")
			o := Options{SegmentBytes: 64 << 20}
			l := open(b, dir, o)
			next := uint64(1)
			for l.Stats().Bytes < 256<<20 {
				must(b, submit(l, func(w *Batch) {
					for range 1 << 20 / (size + 64) / 48 {
						for g := range uint64(48) {
							w.Append(Member{g + 2, 1}, nil, []Entry{{Index: next, Term: 1, Data: make([]byte, size)}})
						}
						next++
					}
					if size >= 64<<10 {
						w.Append(Member{1, 1}, nil, []Entry{{Index: next, Term: 1, Data: make([]byte, size)}})
						next++
					}
				}))
			}
			closeLog(b, l)
			bytes := int64(l.Stats().Bytes)
			b.SetBytes(bytes)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				l, err := Open(dir, o)
				must(b, err)
				b.StopTimer()
				closeLog(b, l)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkEntries measures reading a log whose records lie between others.
func BenchmarkEntries(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l := open(b, filepath.Join(b.TempDir(), "wal"), Options{SegmentBytes: 16 << 20})
			const n = 256
			for i := range uint64(n) {
				must(b, submit(l, func(w *Batch) {
					for g := range uint64(8) {
						w.Append(Member{g + 2, 1}, nil, []Entry{{Index: i + 1, Term: 1, Data: make([]byte, size)}})
					}
				}))
			}
			b.SetBytes(int64(n * size))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				got := 0
				for got < n {
					entries, err := l.Entries(Member{uint64(2 + i%8), 1}, uint64(got+1), n+1, 1<<20)
					must(b, err)
					got += len(entries)
				}
			}
		})
	}
}
