package wal

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzCheckpoint: what passes for a checkpoint is one, to the last byte.
func FuzzCheckpoint(f *testing.F) {
	f.Add(checkpoint{1, 1}.append(nil))
	f.Add(checkpoint{1 << 63, 1 << 40}.append(nil))
	f.Add([]byte{})
	f.Add([]byte{9, 0, 0, 0})
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
	f.Add(header{1, 2, 3, 64 << 10}.append(nil))
	f.Add([]byte(segmentMagic))
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
