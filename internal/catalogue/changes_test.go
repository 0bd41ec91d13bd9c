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

// Commands that were proposed together share an entry of the log, and so its index.
// Who looks between two of them must hear of the second as well.
func TestChangesOfCommandsThatShareAnEntry(t *testing.T) {
	f := newFixture(t, 1)
	before := f.index
	f.index++
	apply := func(name string) ident.GroupID {
		t.Helper()
		c := &AddGroup{Name: name, Type: "t", Replicas: 1, Members: []ident.NodeID{1}}
		b, err := Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		result, err := f.m.Apply(f.index, 1, b)
		if err != nil {
			t.Fatal(err)
		}
		g, err := c.Result(result)
		if err != nil {
			t.Fatal(err)
		}
		return g.ID
	}
	changed := f.m.Changed()
	first := apply("a")
	groups, _, index, complete := f.m.Changes(before)
	if groups != nil || index != before || !complete {
		t.Errorf("between two commands: groups %v up to %d, complete %t, want none up to %d: there may be more of that entry", groups, index, complete, before)
	}
	if at, seen := f.m.Index(), f.m.SeenIndex(); at != before || seen != f.index {
		t.Errorf("between two commands: index %d, seen %d, want %d and %d", at, seen, before, f.index)
	}
	select {
	case <-changed:
		t.Error("the first half of an entry was announced")
	default:
	}
	second := apply("b")
	f.m.AppliedUpTo(f.index)
	groups, _, index, complete = f.m.Changes(index)
	if !slices.Equal(groups, []ident.GroupID{first, second}) || index != f.index || !complete {
		t.Errorf("after both: groups %v up to %d, complete %t, want %v and %v up to %d", groups, index, complete, first, second, f.index)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the change")
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
