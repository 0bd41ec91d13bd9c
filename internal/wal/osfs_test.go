package wal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestAllocatedSpaceIsZeroAndKeepsWhatIsThere(t *testing.T) {
	dirs := map[string]string{"temporary folder": t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "wal"); err == nil {
		t.Cleanup(func() { os.RemoveAll(shm) })
		dirs["memory"] = shm
	}
	for name, dir := range dirs {
		t.Run(name, func(t *testing.T) {
			name := filepath.Join(dir, "f")
			file, err := OSFS{}.Create(name)
			must(t, err)
			defer file.Close()
			var want []byte
			for _, size := range []int64{100, pageBytes, 3*pageBytes + 1, zeroChunk - 7, zeroChunk, 2*zeroChunk + 5*pageBytes, 5} {
				must(t, os.Rename(name, name+"x")) // a file in use may have got another name
				name += "x"
				must(t, file.Allocate(size))
				want = append(want, make([]byte, max(0, int(size)-len(want)))...)
				got, err := os.ReadFile(name)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("after Allocate(%d): %d bytes, %v, or not what was there and zeros", size, len(got), err)
				}
				end := int64(len(want)) - 10
				if _, err := file.WriteAt([]byte("not zeros"), end); err != nil {
					t.Fatal(err)
				}
				copy(want[end:], "not zeros")
			}
		})
	}
}

// BenchmarkAllocate measures the making of a segment.
func BenchmarkAllocate(b *testing.B) {
	dir := b.TempDir()
	b.SetBytes(64 << 20)
	for b.Loop() {
		file, err := OSFS{}.Create(filepath.Join(dir, "f"))
		must(b, err)
		must(b, file.Allocate(64<<20))
		must(b, file.Close())
	}
}
