package fleet

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
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
	for i, v := range bodies() {
		f.Add(uint8(i), encodeRequest(opLocate, v)[1:])
	}
	f.Add(uint8(0), append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 5000)...))
	f.Add(uint8(1), []byte{0x81, 0xa7, 'M', 'e', 'm', 'b', 'e', 'r', 's', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		all := bodies()
		fresh := func() any { return reflect.New(reflect.TypeOf(all[int(which)%len(all)]).Elem()).Interface() }
		v := fresh()
		if err := decodeBody(b, v); err != nil {
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
	f.Add(appendCommand(nil, 7, &group.Proposal{ID: group.CommandID{Session: 1, Sequence: 2}, AcknowledgeBelow: 1, Body: []byte("body")}))
	f.Add(appendGroup(nil, opQuery, 7, []byte("body")))
	f.Add(answerBody([]byte("result")))
	f.Add(answerFor(&group.NotLeaderError{Group: "g", Leader: 3, Term: 9}))
	f.Add(answerFor(group.ErrOverloaded))
	f.Add([]byte{byte(answerError), 0xff})
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
