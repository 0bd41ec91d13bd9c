package fleet

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// bodies makes one of every value that crosses between nodes as msgpack.
func bodies() []any {
	return []any{
		&locateRequest{Name: "orders"}, &locateReply{Group: 7, Type: "counter", Members: []ident.NodeID{1, 2}, Leader: 1, Term: 3},
		&transferRequest{Group: 7, To: 2}, &enterRequest{Node: 1}, &enterReply{First: []group.Peer{{Member: 1, Node: 2}}},
		&forwardRequest{View: &viewRequest{Node: "1"}}, &foundRequest{}, &foundReply{}, &memberReport{}, &group.Salvaged{}, &exported{}, &view.NodeDetail{},
	}
}

// FuzzBody reads anything as any request or answer: no panic, no memory that the
// bytes do not justify, and what passes is written and read again the same.
func FuzzBody(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for i, v := range bodies() {
		name := reflect.TypeOf(v).Elem().Name()
		b := encodeRequest(opLocate, v)[1:]
		seeds.Add(name, uint8(i), b)
		seeds.Add(name+"-torn-tail", uint8(i), b[:len(b)-1])
		seeds.Add(name+"-bit-flipped", uint8(i), fuzzseeds.With(b, len(b)/2, b[len(b)/2]^4))
		seeds.Add(name+"-huge-list", uint8(i), []byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	}
	seeds.Add("empty", uint8(0), []byte{})
	seeds.Add("nested-without-end", uint8(0), append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 900)...))
	seeds.Add("huge-field", uint8(1), []byte{0x81, 0xa7, 'M', 'e', 'm', 'b', 'e', 'r', 's', 0xdd, 0xff, 0xff, 0xff, 0xff})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		all := bodies()
		fresh := func() any { return reflect.New(reflect.TypeOf(all[int(which)%len(all)]).Elem()).Interface() }
		v := fresh()
		var err error
		fuzzseeds.Bounded(t, len(b), 512, func() { err = decodeBody(b, v) })
		if err != nil {
			if !errors.Is(err, errMalformedRequest) {
				t.Fatal(err)
			}
			return
		}
		once := encodeRequest(opLocate, v)[1:]
		again := fresh()
		if err := decodeBody(once, again); err != nil {
			t.Fatalf("%+v cannot be read again: %v", v, err)
		}
		if twice := encodeRequest(opLocate, again)[1:]; len(twice) != len(once) { // maps have no order
			t.Fatalf("%+v became %+v", v, again)
		}
	})
}

// FuzzHeads reads anything as the fixed heads of requests and as an answer.
func FuzzHeads(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("command", appendCommand(nil, 7, &group.Proposal{ID: group.CommandID{Session: 1, Sequence: 2}, AcknowledgeBelow: 1, Body: []byte("body")}))
	seeds.Bytes("query", appendGroup(nil, opQuery, 7, []byte("body")))
	seeds.Bytes("result", answerBody([]byte("result")))
	seeds.Bytes("not-the-leader", answerFor(&group.NotLeaderError{Group: "g", Leader: 3, Term: 9}))
	seeds.Bytes("overloaded", answerFor(group.ErrOverloaded))
	seeds.Add("empty", []byte{})
	seeds.Add("unknown-operation", []byte{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	seeds.Add("error-without-code", []byte{byte(answerError)})
	seeds.Add("error-of-a-later-version", []byte{byte(answerError), 0xff})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, c, err := decodeCommand(b); err == nil && !bytes.Equal(appendCommand(nil, g, &c)[1:], b[1:]) {
			t.Fatalf("command %+v is not what was read", c)
		}
		if g, body, err := decodeGroup(b); err == nil && !bytes.Equal(appendGroup(nil, operation(b[0]), g, body), b) {
			t.Fatalf("group %v with %q is not what was read", g, body)
		}
		body, err := readAnswer(1, "g", b)
		switch {
		case err == nil && !bytes.Equal(answerBody(body), b):
			t.Fatalf("answer %q is not what was read", body)
		case err != nil && len(answerFor(err)) > len(b)+len(err.Error())+32:
			t.Fatalf("an error of %d bytes became one of %d", len(b), len(answerFor(err)))
		}
	})
}

// A request that is nested without end is refused; decoding it would end the process.
func TestDeeplyNestedRequestIsRefused(t *testing.T) {
	b := append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 20<<20)...)
	for _, v := range bodies() {
		if err := decodeBody(b, v); !errors.Is(err, errMalformedRequest) {
			t.Fatalf("%T: %v", v, err)
		}
	}
}
