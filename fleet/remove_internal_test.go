package fleet

import (
	"io"
	"testing"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/group"
)

// A node whose route still leads to the group that had the name before closes and
// keeps the group itself all the same. The simulator found it removed without having
// been closed: what it acknowledged then was lost.
func TestARouteToAnOlderGroupDoesNotKeepAGroupFromBeingClosed(t *testing.T) {
	raw := group.RawType("raw", func() group.Machine { return nothing{} })
	n, err := Activate(t.Context(), "z", Config{InMemory: true, Local: true, Name: "n", Types: []group.Type{raw}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	add := func() cache.Route {
		t.Helper()
		if err := n.AddConsensusGroup(t.Context(), "g", 1, raw); err != nil {
			t.Fatal(err)
		}
		route, err := n.router.locate(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		return route
	}
	old := add()
	if err := n.RemoveConsensusGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	is := add()
	g, err := n.groupNow(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	forget := func() {
		n.router.table.Drop("g", is)
		n.router.table.Put("g", old)
	}
	forget()
	if _, err := n.export(t.Context(), g); err != nil {
		t.Fatalf("read its state: %v", err)
	}
	forget()
	if err := n.seal(t.Context(), g, true); err != nil {
		t.Fatalf("close it: %v", err)
	}
}

// nothing is a machine without a state.
type nothing struct{}

func (nothing) Apply(group.Meta, []byte) ([]byte, error) { return nil, nil }
func (nothing) Query([]byte) ([]byte, error)             { return nil, nil }
func (nothing) Snapshot() (func(io.Writer) error, error) {
	return func(io.Writer) error { return nil }, nil
}
func (nothing) Restore(io.Reader) error { return nil }

// A call on a node whose route still leads to the group that had the name before
// reaches the group that has it now: nothing was sent to the other one.
func TestARouteToAnOlderGroupDoesNotKeepACallFromTheNewOne(t *testing.T) {
	raw := group.RawType("raw", func() group.Machine { return nothing{} })
	n, err := Activate(t.Context(), "z", Config{InMemory: true, Local: true, Name: "n", Types: []group.Type{raw}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	add := func() cache.Route {
		t.Helper()
		if err := n.AddConsensusGroup(t.Context(), "g", 1, raw); err != nil {
			t.Fatal(err)
		}
		route, err := n.router.locate(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		return route
	}
	old := add()
	if err := n.RemoveConsensusGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	is := add()
	n.router.table.Drop("g", is)
	n.router.table.Put("g", old)
	if _, err := n.Command(t.Context(), "g", nil); err != nil {
		t.Fatal(err)
	}
}
