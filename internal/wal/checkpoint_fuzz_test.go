package wal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// FuzzCheckpoint: what passes for a checkpoint is one, to the last byte.
func FuzzCheckpoint(f *testing.F) {
	first := checkpoint{1, 1}.append(nil)
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("first", first)
	seeds.Add("high-numbers", checkpoint{1 << 63, 1 << 40}.append(nil))
	seeds.Add("empty", []byte{})
	seeds.Add("no-segment", checkpoint{1, 0}.append(nil))
	seeds.Add("version-alone", []byte{9, 0, 0, 0})
	seeds.Add("old-version", fuzzseeds.With(first, 0, formatVersion-1))
	seeds.Add("later-version", fuzzseeds.With(first, 0, formatVersion+1))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoint("wal", b)
		switch {
		case err != nil:
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
		case c.first == 0 || !bytes.Equal(c.append(nil), b):
			t.Fatalf("%x was taken for %+v", b, c)
		}
	})
}

// FuzzSegmentHeader: what passes for a header is written the same again.
func FuzzSegmentHeader(f *testing.F) {
	sound := header{1, 2, 3, 64 << 10}.append(nil)
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("sound", sound)
	seeds.Add("empty", []byte{})
	seeds.Add("magic-alone", []byte(segmentMagic))
	seeds.Add("another-magic", fuzzseeds.With(sound, 0, []byte("not ours")...))
	seeds.Add("old-version", fuzzseeds.With(sound, 8, formatVersion-1))
	seeds.Add("later-version", fuzzseeds.With(sound, 8, formatVersion+1))
	seeds.Add("huge-file", header{1, 2, 3, 1<<64 - 1}.append(nil))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, reason, err := decodeHeader(b)
		if reason != "" || err != nil {
			return
		}
		if again := h.append(nil); len(b) < segmentHeader || !bytes.Equal(again[:48], b[:48]) {
			t.Fatalf("%x was taken for %+v", b, h)
		}
	})
}
