package group

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/msgpackcheck"
)

type namedKey string

type nested struct {
	Inner map[int]map[string]int
	List  []map[namedKey]string
}

type every struct {
	Strings map[string]string
	Numbers map[string]int64
	Ints    map[int]string
	Named   map[namedKey]bool
	Arrays  map[[2]uint8]int
	Floats  map[float64]string
	Nested  map[string]nested
	Times   map[string]time.Time
	At      time.Time
	Bytes   []byte
	Pointer *int64
	Empty   map[string]int
}

func everyGenerator() *rapid.Generator[every] {
	text := rapid.StringN(0, 5, 8)
	number := rapid.Int64()
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
	})
	return rapid.Custom(func(t *rapid.T) every {
		return every{
			Strings: rapid.MapOf(text, text).Draw(t, "strings"),
			Numbers: rapid.MapOf(text, number).Draw(t, "numbers"),
			Ints:    rapid.MapOf(rapid.Int(), text).Draw(t, "ints"),
			Named:   rapid.MapOf(rapid.Map(text, func(s string) namedKey { return namedKey(s) }), rapid.Bool()).Draw(t, "named"),
			Arrays:  map[[2]uint8]int{{1, 2}: 3, {0, rapid.Uint8().Draw(t, "a")}: 4},
			Floats:  rapid.MapOf(rapid.Float64(), text).Draw(t, "floats"),
			Nested: rapid.MapOf(text, rapid.Custom(func(t *rapid.T) nested {
				return nested{
					Inner: rapid.MapOf(rapid.Int(), rapid.MapOf(text, rapid.Int())).Draw(t, "inner"),
					List:  []map[namedKey]string{{"a": "b", "c": "d", namedKey(text.Draw(t, "k")): "e"}},
				}
			})).Draw(t, "nested"),
			Times:   rapid.MapOf(text, instant).Draw(t, "times"),
			At:      instant.Draw(t, "at"),
			Bytes:   rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
			Pointer: rapid.Ptr(number, true).Draw(t, "pointer"),
		}
	})
}

// rebuilt returns an equal map that was filled in another order, which Go iterates differently.
func rebuilt[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return nil
	}
	entries := make([]K, 0, len(m))
	for k := range m {
		entries = append(entries, k)
	}
	slices.Reverse(entries)
	r := make(map[K]V, 4*len(m))
	for _, k := range entries {
		r[k] = m[k]
	}
	return r
}

// TestHazard51_EqualValuesAreEqualBytes: whatever kinds of maps a state has, and however they came to be.
func TestHazard51_EqualValuesAreEqualBytes(t *testing.T) {
	codec, err := newMsgpackOf[every](true)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := everyGenerator().Draw(t, "value")
		same := v
		same.Strings, same.Numbers, same.Ints = rebuilt(v.Strings), rebuilt(v.Numbers), rebuilt(v.Ints)
		same.Named, same.Floats, same.Nested = rebuilt(v.Named), rebuilt(v.Floats), rebuilt(v.Nested)
		same.Times = rebuilt(v.Times)
		for name, n := range same.Nested {
			same.Nested[name] = nested{Inner: rebuilt(n.Inner), List: n.List}
		}
		a, err := codec.encode(nil, &v)
		if err != nil {
			t.Fatal(err)
		}
		b, err := codec.encode(nil, &same)
		if err != nil || !bytes.Equal(a, b) {
			t.Fatalf("equal values differ, %v:\n%x\n%x", err, a, b)
		}
		var back every
		if err := codec.decode(a, &back); err != nil {
			t.Fatal(err)
		}
		again, err := codec.encode(nil, &back)
		if err != nil || !bytes.Equal(a, again) {
			t.Fatalf("a value differs after a round trip, %v:\n%x\n%x", err, a, again)
		}
		if !maps.Equal(v.Times, back.Times) || !maps.Equal(v.Numbers, back.Numbers) || (back.Empty == nil) != (v.Empty == nil) {
			t.Fatalf("%+v\ncame back as\n%+v", v, back)
		}
	})
}

// TestHazard51_LibrarySortsThreeKindsOfMaps shows why msgpackcheck.Sort exists: the library's own switch leaves most maps in
// Go's random order. If this fails, the library has learned more and Sort may go.
func TestHazard51_LibrarySortsThreeKindsOfMaps(t *testing.T) {
	encodings := func(v any) int {
		different := map[string]bool{}
		for range 200 {
			var b bytes.Buffer
			if err := msgpack.NewEncoder(&b).SetSortMapKeys(true).Encode(v); err != nil {
				t.Fatal(err)
			}
			different[b.String()] = true
		}
		return len(different)
	}
	plain, numbers, ints, inner := map[string]string{}, map[string]int{}, map[int]string{}, map[string]any{"x": map[string]int{}}
	for i := range 8 {
		key := fmt.Sprint(i)
		plain[key], numbers[key], ints[i] = key, i, key
		inner["x"].(map[string]int)[key] = i
	}
	if n := encodings(plain); n != 1 {
		t.Errorf("map[string]string has %d encodings", n)
	}
	for name, v := range map[string]any{"map[string]int": numbers, "map[int]string": ints, "map[string]any of map[string]int": inner} {
		if n := encodings(v); n < 2 {
			t.Errorf("%s is sorted by the library now", name)
		}
	}
}

func TestMsgpackReadsTimesInUTC(t *testing.T) {
	type value struct {
		At    time.Time
		List  []time.Time
		Map   map[string]time.Time
		Keys  map[time.Time]int
		Any   any
		Other *struct{ At time.Time }
	}
	codec, err := newMsgpackOf[value](false)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 5).In(time.FixedZone("far", 3600))
	in := value{at, []time.Time{at}, map[string]time.Time{"a": at}, map[time.Time]int{at: 1}, at, &struct{ At time.Time }{at}}
	b, err := codec.encode(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	var out value
	if err := codec.decode(b, &out); err != nil {
		t.Fatal(err)
	}
	utc := at.UTC()
	want := value{utc, []time.Time{utc}, map[string]time.Time{"a": utc}, map[time.Time]int{utc: 1}, utc, &struct{ At time.Time }{utc}}
	if !reflect.DeepEqual(out, want) {
		t.Fatalf("%+v, want %+v", out, want)
	}
}

// TestMsgpackBelievesNoLength: a few bytes that promise billions of elements are refused before memory is taken.
func TestMsgpackBelievesNoLength(t *testing.T) {
	codec, err := newMsgpackOf[[]int64](false)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{
		{0xdd, 0xff, 0xff, 0xff, 0xff},
		{0xdf, 0xff, 0xff, 0xff, 0xff},
		{0xdb, 0xff, 0xff, 0xff, 0xff},
		{0xc6, 0xff, 0xff, 0xff, 0xff, 1},
		{0xc9, 0xff, 0xff, 0xff, 0xff, 1},
		{0x92, 1},
		{0x91, 0xd3, 1},
		{0xc1},
		{0x90, 0x90},
		{},
		bytes.Repeat([]byte{0x91}, 100_000),
	} {
		var v []int64
		if err := codec.decode(b, &v); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", b[:min(len(b), 10)], err)
		}
	}
}

func FuzzDecodeMsgpack(f *testing.F) {
	codec, err := newMsgpackOf[every](true)
	if err != nil {
		f.Fatal(err)
	}
	anything, err := newMsgpackOf[any](false)
	if err != nil {
		f.Fatal(err)
	}
	one := int64(1)
	seed := every{
		Strings: map[string]string{"a": "x", "": "y"}, Numbers: map[string]int64{"low": -1 << 63}, Ints: map[int]string{-1: "x", 300: ""},
		Named: map[namedKey]bool{"yes": true}, Arrays: map[[2]uint8]int{{1, 2}: 3}, Floats: map[float64]string{0.5: "half"},
		Nested: map[string]nested{"n": {Inner: map[int]map[string]int{1: {"a": 1}}, List: []map[namedKey]string{{"a": "b"}, nil}}},
		Times:  map[string]time.Time{"t": time.Unix(1e9, 5).UTC()}, At: time.Unix(1<<40, 0).UTC(), Bytes: []byte{0, 255}, Pointer: &one,
	}
	b, err := codec.encode(nil, &seed)
	if err != nil {
		f.Fatal(err)
	}
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("every-kind", b)
	seeds.Bytes("map", []byte{0x82, 0xa1, 'b', 1, 0xa1, 'a', 2})
	seeds.Add("empty", []byte{})
	seeds.Add("huge-array", []byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	seeds.Add("huge-map", []byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	seeds.Add("huge-text", []byte{0xdb, 0xff, 0xff, 0xff, 0xff, 'x'})
	seeds.Add("huge-bytes", []byte{0xc6, 0xff, 0xff, 0xff, 0xff, 1})
	seeds.Add("huge-extension", []byte{0xc9, 0xff, 0xff, 0xff, 0xff, 1})
	seeds.Add("nested-deep", bytes.Repeat([]byte{0x91}, 900))
	seeds.Add("unused-code", []byte{0xc1})
	seeds.Add("key-twice", []byte{0x82, 0xa1, 'a', 1, 0xa1, 'a', 2})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v every
		var err error
		fuzzseeds.Bounded(t, len(b), 512, func() { err = codec.decode(b, &v) })
		if err == nil {
			if _, err := codec.encode(nil, &v); err != nil {
				t.Fatalf("decoded but not encoded: %v", err)
			}
		}
		var a any
		_ = anything.decode(b, &a)

		sorted := bytes.Clone(b)
		if msgpackcheck.Sort(sorted) != nil {
			return
		}
		again := bytes.Clone(sorted)
		if err := msgpackcheck.Sort(again); err != nil || !bytes.Equal(sorted, again) {
			t.Fatalf("sorted twice, %v:\n%x\n%x", err, sorted, again)
		}
	})
}
