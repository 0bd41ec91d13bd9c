package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path/filepath"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// FuzzRecord: whatever bytes a record has, decoding neither panics nor takes more
// memory than they justify, and entries that were read encode to the same again.
func FuzzRecord(f *testing.F) {
	l, err := Open("wal", Options{FS: NewMemFS(), SegmentBytes: small})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	b := l.NewBatch()
	b.Append(Member{2, 1}, &State{1, 2, 3}, entries(4, 3, 5, 6))
	b.Append(Member{1 << 63, 1 << 40}, nil, entries(1<<61, 1, 1<<63, 0))
	b.Reset(Member{2, 1}, 9, 8, State{7, 6, 5})
	b.Compact(Member{2, 1}, 300, 70000)
	b.Delete(Member{2, 1})
	seeds := fuzzseeds.Seeds{}
	for i, name := range []string{"append-with-state", "append-high-numbers", "reset", "compact", "delete"} {
		body, _, _ := item(b.record(&b.records[i]))
		seeds.Bytes(name, bytes.Clone(body))
	}
	if len(b.records) != 5 {
		f.Fatalf("%d records for five names", len(b.records))
	}
	b.Discard()
	seeds.Add("empty", []byte{})
	seeds.Add("unknown-kind", []byte{kindVoid + 1, 0, 2, 1})
	seeds.Add("void", []byte{kindVoid, 0, 2, 1})
	seeds.Add("move-of-nothing", []byte{kindMove, 0, 2, 1, 1, 0})
	seeds.Add("huge-count", []byte{kindMove, 0, 2, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	seeds.Add("huge-length", []byte{kindMove, 0, 2, 1, 1, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	seeds.Add("base-beyond-all", []byte{kindCompact, 0, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, body []byte) {
		var r record
		var ok bool
		fuzzseeds.Bounded(t, len(body), 1, func() { r, ok = decodeRecord(body) })
		if !ok {
			return
		}
		var all []Entry
		rest := r.entries
		for i := range r.count {
			var e Entry
			if e, rest, ok = nextEntry(rest); !ok {
				return
			}
			e.Index = r.first + uint64(i)
			all = append(all, e)
		}
		if r.kind != kindAppend || !r.hasState && len(all) == 0 {
			return
		}
		b := l.NewBatch()
		defer b.Discard()
		var st *State
		if r.hasState {
			st = &r.state
		}
		b.Append(r.member, st, all)
		again, _, ok := item(b.record(&b.records[0]))
		back, decoded := decodeRecord(again)
		if b.err != nil || !ok || !decoded || back.member != r.member || back.state != r.state || back.count != r.count || back.first != r.first && r.count > 0 {
			t.Fatalf("%+v became %+v (%v)", r, back, b.err)
		}
	})
}

// FuzzSegment: whatever a segment holds, opening the log ends in an error of a
// known kind or in a log that can be used.
func FuzzSegment(f *testing.F) {
	base := NewMemFS()
	l, err := Open("wal", Options{FS: base, SegmentBytes: small})
	if err != nil {
		f.Fatal(err)
	}
	m := Member{2, 1}
	for i := range uint64(4) {
		must(f, submit(l, func(b *Batch) { b.Append(m, &State{Term: i}, entries(i+1, 1, 1, 40)); b.Compact(m, i/2, 1) }))
	}
	closeLog(f, l)
	name := filepath.Join("wal", segmentName(1))
	file, err := base.Open(name)
	must(f, err)
	image := make([]byte, small)
	if _, err := file.ReadAt(image, 0); err != nil {
		f.Fatal(err)
	}
	// The same bytes in each run, so that what was found can be found again.
	fixed := header{logID: 1, number: 1, generation: 0x0123456789abcdef, bytes: small}
	copy(image, fixed.append(nil))
	for b := image[dataStart:]; b[8] == kindFrame; b = b[frameBytes+int(binary.LittleEndian.Uint32(b[12:])):] {
		binary.LittleEndian.PutUint64(b[16:], fixed.generation)
	}
	mendFrames(image[dataStart:])
	saved := checkpoint{id: 1, first: 1}.append(nil)
	used := 0
	for b := image[dataStart:]; b[8] == kindFrame; b = image[dataStart+used:] {
		used += frameBytes + int(binary.LittleEndian.Uint32(b[12:]))
	}
	data := image[dataStart : dataStart+used]
	seeds := fuzzseeds.Seeds{}
	for name, b := range fuzzseeds.Damaged("whole", data) {
		seeds.Add(name, uint16(0), b, false)
	}
	seeds.Add("whole-mended", uint16(0), data, true)
	seeds.Add("empty", uint16(0), []byte{}, false)
	seeds.Add("torn-tail", uint16(used-16), make([]byte, 16), false)
	seeds.Add("torn-middle", uint16(100), make([]byte, 64), false)
	seeds.Add("zeros-mended", uint16(100), make([]byte, 64), true)
	seeds.Add("seal-at-once", uint16(8), []byte{kindSeal}, false)
	seeds.Add("later-version", uint16(9), []byte{formatVersion + 1}, false)
	seeds.Add("huge-frame", uint16(12), []byte{0xf8, 0xff, 0xff, 0xff}, true)
	seeds.Add("huge-record", uint16(frameBytes), []byte{0xff, 0xff, 0xff, 0xff}, false)
	seeds.Add("unknown-kind-mended", uint16(frameBytes+itemHeader), []byte{kindVoid + 1}, true)
	seeds.Add("unknown-kind", uint16(8), []byte{9}, false)
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, at uint16, data []byte, mend bool) {
		changed := bytes.Clone(image)
		off := dataStart + int(at)
		copy(changed[min(off, small):], data)
		if mend { // make what stands there pass the checksums, so that decoding is reached
			mendFrames(changed[dataStart:])
		}
		fs := NewMemFS()
		file, err := fs.Create(name)
		must(t, err)
		if _, err := file.WriteAt(changed, 0); err != nil {
			t.Fatal(err)
		}
		must(t, checkpointFile{fs, "wal"}.SaveCheckpoint(saved))
		var offline error // what reading the log tells while it is not open
		for _, offline = range Inspect("wal", Options{FS: fs}) {
		}
		l, err := Open("wal", Options{FS: fs, SegmentBytes: small})
		if err != nil && offline == nil || offline != nil && !errors.Is(offline, ErrCorrupt) && !errors.Is(offline, ErrFormat) {
			t.Fatalf("offline: %v; open: %v", offline, err)
		}
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		defer l.Close()
		for _, m := range l.Members() {
			r, _ := l.Load(m)
			if r.Last > r.Base {
				if _, err := l.Entries(m, r.Base+1, r.Last+1, 1<<20); err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("entries: %v", err)
				}
			}
			must(t, submit(l, func(b *Batch) { b.Append(m, nil, []Entry{{Index: r.Last + 1, Term: 1}}) }))
		}
	})
}

// mendFrames gives all records, and then their frames, right checksums.
func mendFrames(b []byte) {
	for len(b) >= frameBytes {
		payload := int(binary.LittleEndian.Uint32(b[12:]))
		if b[8] != kindFrame || payload%8 != 0 || payload > len(b)-frameBytes {
			return
		}
		sum := uint32(0)
		for rest := b[frameBytes : frameBytes+payload]; len(rest) > 0; {
			body, size, ok := item(rest)
			if !ok {
				return
			}
			clear(rest[itemHeader+len(body) : size])
			binary.LittleEndian.PutUint32(rest[4:], crc32.Checksum(body, castagnoli))
			sum = crc32.Update(sum, castagnoli, rest[:itemHeader])
			rest = rest[size:]
		}
		f := frame{
			payload: uint32(payload), generation: binary.LittleEndian.Uint64(b[16:]), round: binary.LittleEndian.Uint64(b[24:]),
			start: binary.LittleEndian.Uint32(b[32:]), sum: sum,
		}
		f.put(b)
		b = b[frameBytes+payload:]
	}
}
