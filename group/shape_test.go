package group

import (
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
)

type recursive struct {
	Next     *recursive
	Children map[string]recursive
}

type exportedFields struct{ A, B int }

// embedding embeds a struct that is not exported, whose fields are.
type embedding struct {
	exportedFields
	C int
}

func TestShapeSaysWhatCanNotBeReplicated(t *testing.T) {
	type unexported struct{ a int }
	type leftOut struct {
		A int
		b int `msgpack:"-"`
	}
	_, _ = unexported{}.a, leftOut{}.b
	for _, c := range []struct {
		value             any
		inState, inResult string // what the message says, empty where it is fine
	}{
		{struct{ A map[string][]int }{}, "", ""},
		{recursive{}, "", ""},
		{embedding{}, "", ""},
		{leftOut{}, "", ""},
		{struct{ A time.Time }{}, "", ""},
		{struct{ A *big.Int }{}, "", ""},
		{struct{ A big.Int }{}, "", ""},
		{unexported{}, ".a: an unexported field", ".a: an unexported field"},
		{struct{ *exportedFields }{}, "embedded pointer", "embedded pointer"},
		{struct{ A any }{}, ".A: a snapshot does not keep", ""},
		{struct{ A []map[string]any }{}, ".A[][]: a snapshot", ""},
		{struct{ A error }{}, "error can not be decoded", "error can not be decoded"},
		{struct{ A chan int }{}, "a chan can not", "a chan can not"},
		{struct{ A func() }{}, "a func can not", "a func can not"},
		{struct{ A complex128 }{}, "a complex128 can not", "a complex128 can not"},
		{struct{ A uintptr }{}, "a uintptr can not", "a uintptr can not"},
		{struct{ A map[*int]int }{}, "pointer as a map's key", "pointer as a map's key"},
		{struct{ A map[string]big.Int }{}, "put *big.Int there", "put *big.Int there"},
		{struct {
			A *big.Int
			B big.Int
			C map[string]struct{ B big.Int }
		}{}, "put *big.Int there", "put *big.Int there"},
		{struct {
			A string `msgpack:"a,intern"`
		}{}, "intern", "intern"},
		{struct {
			A map[string]int `msgpack:"a,omitempty"`
		}{}, "omitempty", ""},
	} {
		for _, state := range []bool{true, false} {
			want := c.inResult
			if state {
				want = c.inState
			}
			_, err := shapeOf(reflect.TypeOf(c.value), state)
			switch {
			case want == "" && err != nil:
				t.Errorf("%T, state %t: %v", c.value, state, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("%T, state %t: %v, want %q", c.value, state, err, want)
			}
		}
	}
}

// TestShapeAcceptsOnlyWhatTheLibraryCarries: what is let through survives a round trip.
func TestShapeAcceptsOnlyWhatTheLibraryCarries(t *testing.T) {
	roundTrip(t, recursive{Next: &recursive{}, Children: map[string]recursive{"b": {}, "a": {Next: &recursive{}}}})
	roundTrip(t, embedding{exportedFields{1, 2}, 3})
	roundTrip(t, struct {
		A *big.Int
		B map[string]*big.Int
	}{big.NewInt(5), map[string]*big.Int{"b": big.NewInt(-7), "a": big.NewInt(0)}})
	roundTrip(t, struct {
		A [3]int8
		B []bool
		C map[bool][]byte
		D float32
		E uint64
		F time.Duration
	}{[3]int8{-1, 0, 1}, []bool{true}, map[bool][]byte{true: {1}, false: {}}, 1.5, 1 << 63, time.Hour})
}

func roundTrip[T any](t *testing.T, in T) {
	t.Helper()
	codec, err := newMsgpackOf[T](true)
	if err != nil {
		t.Fatal(err)
	}
	b, err := codec.encode(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := codec.decode(b, &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%+v came back as %+v", in, out)
	}
}
