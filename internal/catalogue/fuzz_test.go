package catalogue

import (
	"bytes"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/ident"
)

func FuzzApply(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	encoded := map[string][]byte{}
	for name, command := range map[string]Command{
		"register-node": &RegisterNode{ID: 1, Name: "n", Weight: 1}, "set-node-state": &SetNodeState{ID: 1}, "set-node-addr": &SetNodeAddr{ID: 1},
		"forget-node": &ForgetNode{ID: 1}, "add-group": &AddGroup{Name: "g", Type: "t", Replicas: 1, Members: []ident.NodeID{1}},
		"remove-group": &RemoveGroup{Name: "b", Keep: &Archive{State: []byte("last"), Term: 1, Index: 2}}, "update-group": &UpdateGroup{Name: "b"},
		"set-targets": &SetTargets{Targets: []Target{{Group: 2, IfEpoch: 1, Members: []ident.NodeID{1}}}},
		"report":      &Report{Group: 2, Index: 2, Members: []Member{{1, 1}}}, "drop-archive": &DropArchive{Name: "a"},
		"set-settings":  &SetSettings{Settings: map[string]string{"a": "b"}},
		"recover-group": &RecoverGroup{Name: "b", IfID: 3, State: []byte("s"), Members: []ident.NodeID{1}, Text: "t"},
		"restore":       &AddGroup{Name: "a", Type: "t", Replicas: 1, Members: []ident.NodeID{1}, RestoreArchive: true},
	} {
		b, err := Encode(command)
		if err != nil {
			f.Fatal(err)
		}
		encoded[name] = b
		seeds.Add(name, b)
		seeds.Add(name+"-torn-tail", b[:len(b)-1])
	}
	group := encoded["add-group"]
	seeds.Add("empty", []byte{})
	seeds.Add("bit-flipped", fuzzseeds.With(group, len(group)/2, group[len(group)/2]^0x10))
	seeds.Add("trailing-byte", append(bytes.Clone(group), 0))
	seeds.Add("old-version", fuzzseeds.With(group, 0, commandVersion-1))
	seeds.Add("later-version", fuzzseeds.With(group, 0, commandVersion+1))
	seeds.Add("unknown-kind", fuzzseeds.With(group, 1, 100))
	seeds.Add("huge-name", append(group[:2:2], 0xdb, 0xff, 0xff, 0xff, 0xff, 'x'))
	seeds.Add("huge-list", append(encoded["set-targets"][:2:2], 0xdd, 0xff, 0xff, 0xff, 0xff))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		one, two := full(t).m, full(t).m
		fuzzseeds.Bounded(t, len(b), 512, func() { _, _ = decode(b) })
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
	state := snapshotOf(f, full(f).m)
	fresh := snapshotOf(f, New())
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("full", state)
	seeds.Bytes("fresh", fresh)
	seeds.Add("empty", []byte{})
	seeds.Add("old-version", fuzzseeds.With(state, 0, oldestSnapshot-1))
	seeds.Add("later-version", fuzzseeds.With(state, 0, snapshotVersion+1))
	seeds.Add("huge-list", append(fresh[:4:4], 0xdd, 0xff, 0xff, 0xff, 0xff))
	seeds.Add("long-list", append(fresh[:4:4], 0xdd, 0, 0, 0x03, 0xff))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := New()
		var err error
		fuzzseeds.Bounded(t, len(b), 512, func() { err = m.Restore(bytes.NewReader(b)) })
		if err != nil {
			return
		}
		again := New()
		if err := again.Restore(pipe(t, m)); err != nil {
			t.Errorf("what was restored cannot be restored again: %v", err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	fixture := full(f)
	record := func(visit func(*coder)) []byte {
		b, err := pack(visit)
		if err != nil {
			f.Fatal(err)
		}
		return EncodeAnswer(b, nil)
	}
	nodes, groups := fixture.m.Nodes(), fixture.m.Groups("", 0)
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("result", EncodeAnswer([]byte("r"), nil))
	seeds.Bytes("refusal", EncodeAnswer(nil, refuse(ErrNoGroup, "x")))
	seeds.Bytes("node", record(nodeResult(&nodes[0])))
	seeds.Bytes("group", record(groupResult(groups[0])))
	seeds.Add("empty", []byte{})
	seeds.Add("old-version", fuzzseeds.With(EncodeAnswer([]byte("r"), nil), 0, answerVersion-1))
	seeds.Add("later-version", fuzzseeds.With(EncodeAnswer([]byte("r"), nil), 0, answerVersion+1))
	seeds.Add("huge-result", []byte{answerVersion, 0, 0xa0, 0xc6, 0xff, 0xff, 0xff, 0xff, 1})
	seeds.Add("long-result", []byte{answerVersion, 0, 0xa0, 0xc6, 0x03, 0xff, 0xff, 0xff, 1})
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var result []byte
		var err error
		fuzzseeds.Bounded(t, len(b), 16, func() { result, err = DecodeAnswer(b) })
		if err != nil {
			return
		}
		_, _ = new(AddGroup).Result(result)
		_, _ = new(RegisterNode).Result(result)
		_, _ = new(SetTargets).Result(result)
	})
}
