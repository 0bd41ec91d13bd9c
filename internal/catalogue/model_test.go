package catalogue

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

func drawCommand(t *rapid.T) Command {
	name := func() string { return fmt.Sprint("g", rapid.IntRange(0, 5).Draw(t, "name")) }
	node := func() ident.NodeID { return ident.NodeID(rapid.IntRange(1, 5).Draw(t, "node")) }
	nodes := func() []ident.NodeID {
		return rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(1, 5), func(i int) ident.NodeID { return ident.NodeID(i) }), 1, 4,
			func(id ident.NodeID) ident.NodeID { return id }).Draw(t, "members")
	}
	group := func() ident.GroupID { return ident.GroupID(rapid.IntRange(2, 12).Draw(t, "group")) }
	number := func(most int) uint64 { return uint64(rapid.IntRange(1, most).Draw(t, "number")) }
	some := func() []byte { return rapid.SampledFrom([][]byte{nil, {}, []byte("bytes")}).Draw(t, "bytes") }
	state := func() placement.State { return placement.State(rapid.IntRange(0, 5).Draw(t, "state")) }
	switch rapid.IntRange(0, 14).Draw(t, "command") {
	case 0, 1:
		return &RegisterNode{ID: node(), Name: "n", Zone: "z", Weight: 1}
	case 2:
		return &SetNodeState{ID: node(), To: state(), IfState: rapid.SliceOfN(rapid.Just(state()), 0, 1).Draw(t, "expected")}
	case 3:
		return &SetNodeAddr{ID: node(), Wire: "w", Admin: "a"}
	case 4:
		return &ForgetNode{ID: node(), Force: rapid.Bool().Draw(t, "force")}
	case 5, 6, 7:
		return &AddGroup{Name: name(), Type: "t", Replicas: 3, Config: some(), Members: nodes(), RestoreArchive: rapid.Bool().Draw(t, "restore")}
	case 8:
		remove := &RemoveGroup{Name: name()}
		if rapid.Bool().Draw(t, "keep") {
			remove.Keep = &Archive{State: some(), Term: 1, Index: number(9)}
		}
		return remove
	case 9:
		return &UpdateGroup{Name: name(), Config: some(), Replicas: rapid.IntRange(0, 3).Draw(t, "replicas")}
	case 10:
		set := &SetTargets{Now: int64(number(90))}
		for range rapid.IntRange(0, 3).Draw(t, "targets") {
			set.Targets = append(set.Targets, Target{Group: group(), IfEpoch: number(3), Members: nodes(), Cause: Cause{Kind: placement.Balance, Text: "t"}, Rest: int64(number(3)), Back: rapid.Bool().Draw(t, "back")})
		}
		return set
	case 11:
		report := &Report{Group: group(), Index: number(20), Epoch: number(3)}
		for i, n := range nodes() {
			report.Members = append(report.Members, Member{ID: ident.MemberID(i + 1), Node: n})
		}
		return report
	case 12:
		return &DropArchive{Name: name()}
	case 13:
		return &RecoverGroup{Name: name(), IfID: group(), State: some(), Members: nodes(), Text: "t"}
	}
	return &SetSettings{Settings: map[string]string{name(): fmt.Sprint(number(3)), name(): ""}}
}

// Two machines get the same commands; one is snapshotted and restored now and
// then. They give the same answers and have the same state.
func TestPropertyEqualMachines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := New(), New()
		for index := range uint64(rapid.IntRange(1, 60).Draw(t, "commands")) {
			command := drawCommand(t)
			encoded, err := Encode(command)
			if err != nil {
				t.Fatal(err)
			}
			one := EncodeAnswer(a.Apply(index+1, int64(index), encoded))
			two := EncodeAnswer(b.Apply(index+1, int64(index), encoded))
			if !bytes.Equal(one, two) {
				t.Fatalf("%T%+v: answers %q and %q", command, command, one, two)
			}
			state := write(t, b)
			if !bytes.Equal(write(t, a), state) {
				t.Fatalf("%T%+v: states differ", command, command)
			}
			checkInvariants(t, a)
			if rapid.IntRange(0, 9).Draw(t, "restore") == 0 {
				b = New()
				if err := b.Restore(bytes.NewReader(state)); err != nil {
					t.Fatal(err)
				}
			}
			checkInvariants(t, b)
		}
	})
}

func write(t *rapid.T, m *Machine) []byte {
	var b bytes.Buffer
	if err := m.Snapshot()(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func checkInvariants(t *rapid.T, m *Machine) {
	hosted, counted := make(map[ident.NodeID]int), newCensus()
	for _, g := range m.Groups("", 0) {
		counted.count(g, 1)
		if byID, ok := m.GroupByID(g.ID); !ok || byID != g {
			t.Fatalf("group %s is not found by its identifier", g.Name)
		}
		nodes := make(map[ident.NodeID]bool)
		for _, members := range [2][]Member{g.Target, g.Configured} {
			seen := make(map[ident.MemberID]bool)
			for _, member := range members {
				if seen[member.ID] || uint64(member.ID) >= g.NextMember {
					t.Fatalf("group %+v has a member twice or one that was never given", g)
				}
				seen[member.ID] = true
				nodes[member.Node] = true
			}
		}
		for node := range nodes {
			hosted[node]++
			if !hosts(m, node, g.ID) {
				t.Fatalf("node %s does not know that it hosts %s", node, g.Name)
			}
		}
	}
	for node := ident.NodeID(1); node <= 5; node++ {
		if got := len(m.HostedBy(node)); got != hosted[node] {
			t.Fatalf("node %s hosts %d groups, its index has %d", node, hosted[node], got)
		}
	}
	if census := m.Census(); !reflect.DeepEqual(census, placement.Census(counted)) {
		t.Fatalf("the census is %+v, counted are %+v", census, counted)
	}
	if m.NumGroups() != len(m.byID) || len(m.hosted) != len(hosted) {
		t.Fatal("an index has what the state has not")
	}
}

// A field of a record that is not in its encoding would be lost.
func TestPropertyCommandsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		command := drawCommand(t)
		encoded, err := Encode(command)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Encode(decoded)
		if err != nil || !bytes.Equal(encoded, again) {
			t.Fatalf("%T%+v became %+v", command, command, decoded)
		}
	})
}

// Readers run with Apply and Snapshot; the race detector is the judge.
func TestConcurrentReaders(t *testing.T) {
	f := full(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var since uint64
			for {
				select {
				case <-stop:
					return
				case <-f.m.Changed():
				}
				_, _, since, _ = f.m.Changes(since)
				var out bytes.Buffer
				if err := f.m.Snapshot()(&out); err != nil {
					t.Error(err)
				}
				for _, g := range f.m.Groups("", 0) {
					_, _ = g.MemberOn(1)
					_ = g.TargetNodes()
				}
				_, _, _ = f.m.Nodes(), f.m.HostedBy(2), f.m.Archives()
			}
		})
	}
	for i := range 200 {
		g := f.add(fmt.Sprint("x", i), 1, 2)
		f.must(&SetTargets{Targets: []Target{{Group: g.ID, IfEpoch: 1, Members: []ident.NodeID{2, 3}}}})
		f.must(&Report{Group: g.ID, Index: 2, Members: []Member{{1, 1}, {2, 2}, {3, 3}}})
		if i%2 == 0 {
			f.must(&RemoveGroup{Name: fmt.Sprint("x", i), Keep: &Archive{}})
		}
	}
	close(stop)
	readers.Wait()
}
