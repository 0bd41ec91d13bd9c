package catalogue

import (
	"bytes"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func FuzzApply(f *testing.F) {
	for _, command := range []Command{
		&RegisterNode{ID: 1, Name: "n", Weight: 1}, &SetNodeState{ID: 1}, &SetNodeAddr{ID: 1}, &ForgetNode{ID: 1},
		&AddGroup{Name: "g", Type: "t", Replicas: 1, Members: []ident.NodeID{1}}, &RemoveGroup{Name: "g", Keep: &Archive{}},
		&UpdateGroup{Name: "g"}, &SetTargets{Targets: []Target{{Group: 2, IfEpoch: 1, Members: []ident.NodeID{1}}}},
		&Report{Group: 2, Index: 2, Members: []Member{{1, 1}}}, &DropArchive{Name: "g"}, &SetSettings{Settings: map[string]string{"a": "b"}},
	} {
		b, err := Encode(command)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		one, two := full(t).m, full(t).m
		answer := EncodeAnswer(one.Apply(100, 1, b))
		if !bytes.Equal(answer, EncodeAnswer(two.Apply(100, 1, b))) || !bytes.Equal(snapshotOf(t, one), snapshotOf(t, two)) {
			t.Error("the same bytes did not do the same")
		}
		if err := two.Restore(pipe(t, one)); err != nil {
			t.Errorf("the state cannot be restored: %v", err)
		}
	})
}

func FuzzRestore(f *testing.F) {
	f.Add(snapshotOf(f, full(f).m))
	f.Add(snapshotOf(f, New()))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := New()
		if m.Restore(bytes.NewReader(b)) != nil {
			return
		}
		again := New()
		if err := again.Restore(pipe(t, m)); err != nil {
			t.Errorf("what was restored cannot be restored again: %v", err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(EncodeAnswer([]byte("r"), nil))
	f.Add(EncodeAnswer(nil, refuse(ErrNoGroup, "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		result, err := DecodeAnswer(b)
		if err != nil {
			return
		}
		_, _ = new(AddGroup).Result(result)
		_, _ = new(RegisterNode).Result(result)
		_, _ = new(SetTargets).Result(result)
	})
}
