package wal

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

func TestBatchesOfManyChunksAreWrittenAsTheyWereFilled(t *testing.T) {
	fs := NewMemFS()
	for name, o := range map[string]Options{
		"disk":   {SegmentBytes: 1 << 20},
		"memory": {SegmentBytes: 1 << 20, FS: NewMemFS()},
		"paged":  {SegmentBytes: 1 << 20, FS: onDisk{fs}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := "wal"
			if o.FS == nil {
				dir = filepath.Join(t.TempDir(), "wal")
			}
			r := rand.New(rand.NewPCG(3, 4))
			l := open(t, dir, o)
			want := map[Member][]Entry{}
			for range 60 {
				must(t, submit(l, func(b *Batch) {
					for range r.IntN(40) {
						m := Member{2 + r.Uint64N(4), 1}
						size := r.IntN(300)
						switch r.IntN(30) {
						case 0:
							size = 60_000 + r.IntN(10_000) // about a chunk
						case 1:
							size = 150_000 + r.IntN(1000)
						}
						next := uint64(len(want[m]) + 1)
						e := Entry{Index: next, Term: 1, Data: content(m, next, 1, size)}
						b.Append(m, &State{Commit: next}, []Entry{e})
						want[m] = append(want[m], e)
					}
				}))
			}
			for range 2 {
				for m, entries := range want {
					wantEntries(t, l, m, entries)
				}
				closeLog(t, l)
				l = open(t, dir, o)
			}
		})
	}
}

func TestLargeBatchesLeaveTheirMemoryToLaterOnes(t *testing.T) {
	l := open(t, "wal", Options{FS: NewMemFS(), SegmentBytes: 1 << 20})
	one := entries(1, 1, 1, 1000)
	fill := func() {
		b := l.NewBatch()
		for range 2000 {
			b.Append(Member{2, 1}, nil, one)
		}
		b.Discard()
	}
	fill()
	if n := testing.AllocsPerRun(5, fill); n > 20 {
		t.Errorf("%.0f allocations for a batch of 2 MB", n)
	}
	var list chunkList
	for range 2 * keptChunks {
		list.giveBack(&Batch{full: [][]byte{nil}, buf: make([]byte, 8, chunkBytes)})
	}
	if len(list.free) != keptChunks {
		t.Errorf("%d chunks are kept, the bound is %d", len(list.free), keptChunks)
	}
}

// A round ends with a whole page on files that are cached in pages, and what is
// behind the end of the segment is not touched.
func TestRoundsEndWithWholePages(t *testing.T) {
	f := &recordedFile{}
	for _, c := range []struct {
		off, limit int64
		sizes      []int
		end        int64
	}{
		{4096, 1 << 20, []int{100}, 8192},
		{5000, 1 << 20, []int{3192}, 8192},
		{5000, 1 << 20, []int{3192, 4096, 1}, 16384},
		{8100, 8192, []int{40}, 8192},
		{8100, 8150, []int{40}, 8150},
	} {
		var pieces [][]byte
		var want []byte
		for i, n := range c.sizes {
			pieces = append(pieces, bytes.Repeat([]byte{byte(i + 1)}, n))
			want = append(want, pieces[i]...)
		}
		must(t, writePieces(f, pieces, c.off, c.limit))
		if !bytes.HasPrefix(f.wrote, want) || f.off != c.off || c.off+int64(len(f.wrote)) != c.end {
			t.Errorf("%+v: wrote %d bytes at %d", c, len(f.wrote), f.off)
		}
	}
}

type recordedFile struct {
	File
	wrote []byte
	off   int64
}

func (f *recordedFile) WriteVec(pieces [][]byte, off int64) error {
	f.wrote, f.off = bytes.Join(pieces, nil), off
	return nil
}

func TestMorePiecesThanOneCallTakes(t *testing.T) {
	file, err := OSFS{}.Create(filepath.Join(t.TempDir(), "f"))
	must(t, err)
	defer file.Close()
	v, ok := file.(vectorFile)
	if !ok {
		t.Skip("this system has no such call")
	}
	var pieces [][]byte
	for i := range 3000 {
		pieces = append(pieces, bytes.Repeat([]byte{byte(i)}, 1+i%700))
	}
	want := bytes.Join(pieces, nil)
	must(t, v.WriteVec(pieces, 100))
	got := make([]byte, len(want))
	if _, err := file.ReadAt(got, 100); err != nil || !bytes.Equal(got, want) {
		t.Errorf("what is read is not what was written: %v", err)
	}
}
