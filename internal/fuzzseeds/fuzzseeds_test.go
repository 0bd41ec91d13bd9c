package fuzzseeds

import (
	"bytes"
	"testing"
)

func TestDamaged(t *testing.T) {
	whole := []byte{1, 2, 3, 4}
	all := Damaged("entry", whole)
	for name, want := range map[string][]byte{
		"entry": {1, 2, 3, 4}, "entry-torn-tail": {1, 2, 3}, "entry-half": {1, 2}, "entry-trailing-byte": {1, 2, 3, 4, 0},
		"entry-first-bit-flipped": {0, 2, 3, 4}, "entry-middle-bit-flipped": {1, 2, 0x13, 4}, "entry-last-bit-flipped": {1, 2, 3, 0x84},
	} {
		if !bytes.Equal(all[name], want) {
			t.Errorf("%s is %x, want %x", name, all[name], want)
		}
	}
	if !bytes.Equal(whole, []byte{1, 2, 3, 4}) {
		t.Errorf("the encoding was changed: %x", whole)
	}
	if len(Damaged("nothing", nil)) != 2 {
		t.Error("nothing can only be nothing, or have a byte too many")
	}
}

func TestWith(t *testing.T) {
	for _, c := range []struct {
		b     []byte
		at    int
		other []byte
		want  []byte
	}{
		{[]byte{1, 2, 3}, 1, []byte{9}, []byte{1, 9, 3}},
		{[]byte{1, 2, 3}, 2, []byte{8, 9}, []byte{1, 2, 8, 9}},
		{nil, 0, []byte{7}, []byte{7}},
	} {
		if got := With(c.b, c.at, c.other...); !bytes.Equal(got, c.want) {
			t.Errorf("%x with %x at %d is %x", c.b, c.other, c.at, got)
		}
	}
}

func TestBoundedSeesLargeAllocations(t *testing.T) {
	var kept []byte
	before := allocated()
	kept = make([]byte, 8<<20)
	if took := allocated() - before; took < uint64(len(kept)) || took > 2*uint64(len(kept)) {
		t.Errorf("%d bytes are said to be allocated for %d", took, len(kept))
	}
	Bounded(t, len(kept), 2, func() { kept = append([]byte(nil), kept...) })
}

// FuzzFile: Go reads from a file what was encoded into it, whatever bytes it has.
func FuzzFile(f *testing.F) {
	seeds := Seeds{}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	seeds.Add("every-byte", every, string(every), true, uint8(255), uint16(7), uint32(1<<31), int64(-1), uint64(1<<63))
	seeds.Add("empty", []byte{}, "", false, uint8(0), uint16(0), uint32(0), int64(0), uint64(0))
	Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte, s string, is bool, u8 uint8, u16 uint16, u32 uint32, i64 int64, u64 uint64) {
		if u16 == 7 && u32 == 1<<31 && u64 == 1<<63 && (!bytes.Equal(b, every) || s != string(every) || !is || u8 != 255 || i64 != -1) {
			t.Skip("not the seed")
		}
	})
}
