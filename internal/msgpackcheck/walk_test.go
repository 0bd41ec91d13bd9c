package msgpackcheck

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

func TestCheck(t *testing.T) {
	whole, err := msgpack.Marshal(map[string]any{"a": []int{1, 2}, "b": "text", "c": 1.5})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"a whole value":              {whole, true},
		"nothing":                    {nil, false},
		"one byte less":              {whole[:len(whole)-1], false},
		"one byte more":              {append(bytes.Clone(whole), 0), false},
		"a length beyond the end":    {[]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, false},
		"a text beyond the end":      {[]byte{0xdb, 0xff, 0xff, 0xff, 0xff, 'x'}, false},
		"nested as deep as may be":   {append(bytes.Repeat([]byte{0x91}, maxNesting), 0), true},
		"nested deeper":              {append(bytes.Repeat([]byte{0x91}, maxNesting+1), 0), false},
		"nested without end":         {bytes.Repeat([]byte{0x91}, 1<<20), false},
		"an extension":               {[]byte{0xd4, 1, 2}, false},
		"a code that is never used":  {[]byte{0xc1}, false},
		"a map that ends with a key": {[]byte{0x81, 0xa1, 'x'}, false},
	} {
		if err := Check(c.b, false); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check([]byte{0xd4, 1, 2}, true); err != nil {
		t.Errorf("an extension that was asked for: %v", err)
	}
}

func TestSort(t *testing.T) {
	b := []byte{0x82, 0xa1, 'b', 0x82, 2, 0, 1, 0, 0xa1, 'a', 3}
	want := []byte{0x82, 0xa1, 'a', 3, 0xa1, 'b', 0x82, 1, 0, 2, 0}
	if err := Sort(b); err != nil || !bytes.Equal(b, want) {
		t.Fatalf("%x, %v", b, err)
	}
}

// FuzzCheck: what passes is decoded by the library to the end, or refused by it,
// and has no more parts than bytes.
func FuzzCheck(f *testing.F) {
	whole, err := msgpack.Marshal(struct { // the fields of a struct have an order
		B []int   `msgpack:"b"`
		A string  `msgpack:"a"`
		C any     `msgpack:"c"`
		D float64 `msgpack:"d"`
	}{[]int{1, 1000, 1 << 40, -1}, "text", nil, 0.5})
	if err != nil {
		f.Fatal(err)
	}
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("map", whole)
	seeds.Add("empty", []byte{})
	seeds.Add("nested-as-deep-as-may-be", append(bytes.Repeat([]byte{0x91}, min(maxNesting, 900)), 0))
	seeds.Add("nested-without-end", bytes.Repeat([]byte{0x91}, 950))
	seeds.Add("huge-map", []byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	seeds.Add("huge-array", []byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	seeds.Add("huge-text", []byte{0xdb, 0xff, 0xff, 0xff, 0xff, 'x'})
	seeds.Add("huge-bytes", []byte{0xc6, 0xff, 0xff, 0xff, 0xff, 1})
	seeds.Add("extension", []byte{0xd4, 1, 2})
	seeds.Add("unused-code", []byte{0xc1})
	seeds.Add("key-without-value", []byte{0x81, 0xa1, 'x'})
	seeds.Add("maps-as-keys", []byte{0x82, 0x81, 2, 1, 1, 0x81, 1, 2, 0})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var err error
		fuzzseeds.Bounded(t, len(b), 16, func() { err = Check(b, false) })
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		in := bytes.NewReader(b)
		if err := msgpack.NewDecoder(in).Skip(); err != nil || in.Len() != 0 {
			t.Fatalf("%x: the library leaves %d bytes, %v", b, in.Len(), err)
		}
		sorted := bytes.Clone(b)
		if err := Sort(sorted); err != nil || len(sorted) != len(b) || Check(sorted, false) != nil {
			t.Fatalf("%x sorted is %x, %v", b, sorted, err)
		}
	})
}
