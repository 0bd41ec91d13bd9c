package catalogue

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// The old group goes and the new one comes with one command: whatever crashes, the name
// stands for one of them.
func TestRecoverGroupReplacesTheGroupInOneStep(t *testing.T) {
	f := newFixture(t, 4)
	f.must(&AddGroup{Name: "g", Type: "register", Replicas: 3, Config: []byte("first"), Initial: []byte("old"), Members: []ident.NodeID{1, 2, 3}, Preferred: 1})
	f.must(&UpdateGroup{Name: "g", Config: []byte("config"), Replicas: 2})
	old, _ := f.m.Group("g")
	before := f.index
	r := &RecoverGroup{Name: "g", IfID: old.ID, State: []byte("state"), Members: []ident.NodeID{4, 3}, Preferred: 3, Text: "recovered by hand"}
	answered, err := r.Result(f.must(r))
	if err != nil {
		t.Fatal(err)
	}
	g, ok := f.m.Group("g")
	if !ok || g.ID == old.ID || answered.ID != g.ID {
		t.Fatalf("the name stands for %+v, %t, the answer was %+v", g, ok, answered)
	}
	if _, there := f.m.GroupByID(old.ID); there {
		t.Error("the old group is still there")
	}
	members := []Member{{1, 3}, {2, 4}}
	if g.Type != "register" || g.Replicas != 2 || string(g.Config) != "config" || string(g.FirstConfig) != "config" || string(g.Initial) != "state" ||
		!slices.Equal(g.First, members) || !slices.Equal(g.Target, members) || !slices.Equal(g.Configured, members) || g.Preferred != 3 ||
		g.Epoch != 1 || g.Settled != 1 || g.NextMember != 3 || g.Cause != (Cause{Text: "recovered by hand"}) || g.Created != int64(f.index)*1000 || g.Since != g.Created {
		t.Errorf("%+v", g)
	}
	if groups, _, _, complete := f.m.Changes(before); !complete || !slices.Equal(groups, []ident.GroupID{old.ID, g.ID}) {
		t.Errorf("told of %v, %t: the members of both have something to do", groups, complete)
	}
	for node, want := range map[ident.NodeID]int{1: 0, 2: 0, 3: 1, 4: 1} {
		if got := len(f.m.HostedBy(node)); got != want {
			t.Errorf("node %s hosts %d groups, want %d", node, got, want)
		}
	}
	f.refused(r, ErrNoGroup) // a second try of the same recovery does no harm
}

// What an operator kept under the name is not the recovery's to replace or to use.
func TestRecoverGroupLeavesTheArchiveOfItsNameAlone(t *testing.T) {
	f := newFixture(t, 1)
	f.add("g", 1)
	f.must(&RemoveGroup{Name: "g", Keep: &Archive{State: []byte("kept"), Term: 3, Index: 9}})
	g := f.add("g", 1)
	kept, _ := f.m.Archive("g")
	f.must(&RecoverGroup{Name: "g", IfID: g.ID, State: []byte("state"), Members: []ident.NodeID{1}})
	if now, ok := f.m.Archive("g"); !ok || now != kept || len(f.m.Archives()) != 1 {
		t.Errorf("the archive is %+v, %t", now, ok)
	}
}

func TestRecoverGroupRefuses(t *testing.T) {
	f := newFixture(t, 2)
	g := f.add("g", 1)
	f.refused(&RecoverGroup{Name: "other", IfID: g.ID, Members: []ident.NodeID{1}}, ErrNoGroup)
	f.refused(&RecoverGroup{Name: "g", IfID: g.ID + 1, Members: []ident.NodeID{1}}, ErrNoGroup)
	f.refused(&RecoverGroup{Name: "g", IfID: g.ID, Members: []ident.NodeID{1, 9}}, ErrNoNode)
	for text, r := range map[string]*RecoverGroup{
		"group is zero": {Name: "g", Members: []ident.NodeID{1}},
		"members are 0": {Name: "g", IfID: 2},
		"state has":     {Name: "g", IfID: 2, Members: []ident.NodeID{1}, State: make([]byte, MaxState+1)},
		"text":          {Name: "g", IfID: 2, Members: []ident.NodeID{1}, Text: strings.Repeat("x", MaxReason+1)},
	} {
		if _, err := Encode(r); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want it to say %q", err, text)
		}
	}
}

// Commands without a recovery are written as before, so that programs which
// do not know of it read them.
func TestRecoverGroupChangesNoOtherFormat(t *testing.T) {
	b, err := Encode(&RecoverGroup{Name: "g", IfID: 2, Members: []ident.NodeID{1}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte{commandVersion, 13}) || kindRecoverGroup != 13 || commandVersion != 2 {
		t.Errorf("% x", b[:2])
	}
}
