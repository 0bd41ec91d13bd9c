// Package fuzzseeds keeps the seeds of fuzz targets as files with names that say
// what they are: testdata/fuzz/FuzzTarget/torn-tail. The code that makes them, from
// what the real encoders write, stands in the target; in each ordinary run of the
// tests Keep compares the files with it, so that seeds do not fall behind a format.
// After a change of format that is meant:
//
//	RAFTFLEET_WRITE_SEEDS=1 go test -run '^Fuzz' ./PACKAGE
//
// writes them again. What the fuzzer itself found lies beside them, and is left alone.
package fuzzseeds

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
)

// write is the variable that makes Keep write files.
const write = "RAFTFLEET_WRITE_SEEDS"

// maxFileBytes bounds a seed: many small ones teach the fuzzer more.
const maxFileBytes = 4 << 10

// Seeds are the arguments of a target's function without its testing.T, by name.
type Seeds map[string][]any

// Add adds one seed. A name is given once.
func (s Seeds) Add(name string, arguments ...any) {
	if _, twice := s[name]; twice {
		panic("fuzzseeds: two seeds are named " + name)
	}
	s[name] = arguments
}

// Bytes adds an encoding as it is and damaged, for a target that takes bytes alone.
func (s Seeds) Bytes(name string, b []byte) {
	for name, b := range Damaged(name, b) {
		s.Add(name, b)
	}
}

// Damaged returns an encoding as it is under its name, without its last byte, cut in
// half, with a bit flipped at its beginning, middle and end, and with a byte too many.
func Damaged(name string, b []byte) map[string][]byte {
	all := map[string][]byte{name: b, name + "-trailing-byte": append(bytes.Clone(b), 0)}
	if len(b) > 0 {
		all[name+"-torn-tail"] = b[:len(b)-1]
		all[name+"-half"] = b[:len(b)/2]
		all[name+"-first-bit-flipped"] = With(b, 0, b[0]^1)
		all[name+"-middle-bit-flipped"] = With(b, len(b)/2, b[len(b)/2]^0x10)
		all[name+"-last-bit-flipped"] = With(b, len(b)-1, b[len(b)-1]^0x80)
	}
	return all
}

// With returns a copy of b that has other bytes at a place, and is longer if need be.
func With(b []byte, at int, other ...byte) []byte {
	changed := bytes.Clone(b[:at])
	changed = append(changed, other...)
	if end := at + len(other); end < len(b) {
		changed = append(changed, b[end:]...)
	}
	return changed
}

// Keep fails the target where its files are not these seeds. Go itself gives the files
// to the target's function, in each run.
func Keep(f *testing.F, seeds Seeds) {
	f.Helper()
	dir := filepath.Join("testdata", "fuzz", f.Name())
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		file := filepath.Join(dir, name)
		want := encode(seeds[name])
		if len(want) > maxFileBytes {
			f.Errorf("seed %s has %d bytes as a file: make it smaller than %d", name, len(want), maxFileBytes)
		}
		if os.Getenv(write) != "" {
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(file, want, 0o644)); err != nil {
				f.Fatal(err)
			}
			continue
		}
		switch got, err := os.ReadFile(file); {
		case errors.Is(err, fs.ErrNotExist):
			f.Errorf("%s is missing: write it with %s=1 go test -run '^%s$' .", file, write, f.Name())
		case err != nil:
			f.Fatal(err)
		case !bytes.Equal(got, want):
			f.Errorf("%s is not what is made now; if a format changed on purpose, write it again with %s=1 go test -run '^%s$' .\nin the file:\n%s\nmade:\n%s",
				file, write, f.Name(), got, want)
		}
	}
}

// Bounded runs a decoder on an input of so many bytes, and fails the test when more
// memory was allocated for it than a megabyte and perByte for each of them: what a
// length within the input claims must not decide. What other goroutines allocate
// meanwhile counts too, so the bounds are rough.
func Bounded(t *testing.T, input, perByte int, decode func()) {
	t.Helper()
	before := allocated()
	decode()
	if took, most := allocated()-before, uint64(1<<20+input*perByte); took > most {
		t.Errorf("%d bytes were allocated for %d bytes of input, at most %d should be", took, input, most)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// encode writes arguments as Go's fuzzing reads them from a file.
func encode(arguments []any) []byte {
	var b strings.Builder
	b.WriteString("go test fuzz v1\n")
	for _, v := range arguments {
		switch v := v.(type) {
		case []byte:
			fmt.Fprintf(&b, "[]byte(%q)\n", v)
		case string:
			fmt.Fprintf(&b, "string(%q)\n", v)
		case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
			fmt.Fprintf(&b, "%T(%v)\n", v, v)
		default:
			panic(fmt.Sprintf("fuzzseeds: a seed cannot hold a %T", v))
		}
	}
	return []byte(b.String())
}
