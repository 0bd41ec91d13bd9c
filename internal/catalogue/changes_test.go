package catalogue

import (
	"fmt"
	"slices"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func TestChanges(t *testing.T) {
	f := newFixture(t, 2)
	changed := f.m.Changed()
	g := f.add("g", 1, 2)
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the change")
	}
	changed = f.m.Changed()
	f.refused(&RemoveGroup{Name: "other"}, ErrNoGroup)
	select {
	case <-changed:
		t.Error("a refusal was announced as a change")
	default:
	}
	groups, nodes, index, complete := f.m.Changes(0)
	if !slices.Equal(groups, []ident.GroupID{g.ID}) || !slices.Equal(nodes, []ident.NodeID{1, 2}) || index != 4 || !complete {
		t.Errorf("%v %v %d %t", groups, nodes, index, complete)
	}
	f.must(&RemoveGroup{Name: "g"})
	groups, nodes, index, complete = f.m.Changes(4)
	if !slices.Equal(groups, []ident.GroupID{g.ID}) || nodes != nil || index != 5 || !complete {
		t.Errorf("%v %v %d %t", groups, nodes, index, complete)
	}
	if groups, nodes, _, complete := f.m.Changes(5); groups != nil || nodes != nil || !complete {
		t.Errorf("nothing changed: %v %v %t", groups, nodes, complete)
	}
	if _, _, _, complete := f.m.Changes(6); complete {
		t.Error("what is to come cannot be complete")
	}
}

func TestChangesForgottenAndRestored(t *testing.T) {
	f := newFixture(t, 1)
	first := f.index
	for i := range ringSize {
		f.add(fmt.Sprint("g", i), 1)
	}
	if groups, nodes, _, complete := f.m.Changes(first); len(groups) != ringSize || nodes != nil || !complete {
		t.Errorf("%d groups, %v, %t", len(groups), nodes, complete)
	}
	if _, _, _, complete := f.m.Changes(first - 1); complete {
		t.Error("a change that was forgotten is said to be complete")
	}
	restored := New()
	if err := restored.Restore(pipe(t, f.m)); err != nil {
		t.Fatal(err)
	}
	if groups, _, index, complete := restored.Changes(f.index); groups != nil || index != f.index || !complete {
		t.Errorf("%v %d %t", groups, index, complete)
	}
	if _, _, _, complete := restored.Changes(f.index - 1); complete {
		t.Error("a restored machine cannot know what changed before")
	}
}

// A command with more changes than the ring holds.
func TestRingOverflowsInOneCommand(t *testing.T) {
	r := newRing(4)
	r.node(1)
	r.end(1)
	for id := range ident.GroupID(5) {
		r.group(id + 1)
	}
	r.end(2)
	if _, _, complete := r.since(1); complete {
		t.Error("five changes do not fit in four")
	}
	r.group(9)
	r.end(3)
	if groups, _, complete := r.since(2); !complete || !slices.Equal(groups, []ident.GroupID{9}) {
		t.Errorf("%v %t", groups, complete)
	}
}
