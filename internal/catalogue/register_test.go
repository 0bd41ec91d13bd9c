package catalogue

import (
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A node that was given up and comes back keeps the member of the catalogue's own
// group that it still hosts: it may be the only voter that has everything. The
// simulator lost a catalogue so, for the node deleted it to become another.
func TestHazard35_ANodeThatWasGivenUpKeepsItsMemberOfTheCatalogue(t *testing.T) {
	m := New()
	index := uint64(0)
	apply := func(c Command) []byte {
		t.Helper()
		b, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		index++
		result, err := m.Apply(index, int64(index), b)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	register := func(id ident.NodeID, has ident.MemberID) ident.MemberID {
		t.Helper()
		r := &RegisterNode{ID: id, Name: "n", Zone: "z", Weight: 1, Has: has}
		n, err := r.Result(apply(r))
		if err != nil {
			t.Fatal(err)
		}
		return n.Member
	}
	first, second := register(1, 0), register(2, 0)
	for _, giveUp := range []Command{&SetNodeState{ID: 1, To: placement.Dead}, &ForgetNode{ID: 1, Force: true}} {
		apply(giveUp)
		if got := register(1, first); got != first {
			t.Errorf("after %T it is member %d, it was and has %d", giveUp, got, first)
		}
	}
	if got := register(1, second); got != first {
		t.Errorf("a node that is known becomes member %d instead of %d", got, first)
	}
	if got := register(3, second); got == second {
		t.Error("a node takes the member of another")
	}
	if got := register(4, 99); got == 99 {
		t.Error("a node has a member that never was given out")
	}
	apply(&SetNodeState{ID: 2, To: placement.Dead})
	if got := register(2, 0); got == second {
		t.Error("a node that has lost its member gets it again")
	}
}
