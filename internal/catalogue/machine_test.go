package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// fixture applies commands one after another, as a log would.
type fixture struct {
	t     testing.TB
	m     *Machine
	index uint64
}

func newFixture(t testing.TB, nodes int) *fixture {
	f := &fixture{t: t, m: New()}
	for i := range nodes {
		f.must(&RegisterNode{ID: ident.NodeID(i + 1), Name: fmt.Sprint("n", i+1), Zone: fmt.Sprint("z", i%3), Weight: 1})
	}
	return f
}

// apply sends the command and its answer through their encodings.
func (f *fixture) apply(command Command) ([]byte, error) {
	f.t.Helper()
	b, err := Encode(command)
	if err != nil {
		f.t.Fatalf("encode %+v: %v", command, err)
	}
	f.index++
	defer f.m.AppliedUpTo(f.index)
	return DecodeAnswer(EncodeAnswer(f.m.Apply(f.index, int64(f.index)*1000, b)))
}

func (f *fixture) must(command Command) []byte {
	f.t.Helper()
	result, err := f.apply(command)
	if err != nil {
		f.t.Fatalf("%T: %v", command, err)
	}
	return result
}

func (f *fixture) refused(command Command, want error) {
	f.t.Helper()
	before := stateOf(f.t, f.m)
	if _, err := f.apply(command); !errors.Is(err, want) {
		f.t.Errorf("%T%+v: %v, want %v", command, command, err, want)
	}
	if !bytes.Equal(before, stateOf(f.t, f.m)) {
		f.t.Errorf("%T was refused and changed the state", command)
	}
}

func (f *fixture) add(name string, nodes ...ident.NodeID) *Group {
	f.t.Helper()
	add := &AddGroup{Name: name, Type: "counter", Replicas: 3, Members: nodes, Preferred: nodes[0]}
	g, err := add.Result(f.must(add))
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

func snapshotOf(t testing.TB, m *Machine) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Snapshot()(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// stateOf is the state without its index.
func stateOf(t testing.TB, m *Machine) []byte {
	index := m.index
	m.index = 0
	defer func() { m.index = index }()
	return snapshotOf(t, m)
}

func TestRegisterNode(t *testing.T) {
	f := newFixture(t, 0)
	register := &RegisterNode{ID: 7, Name: "a", Zone: "z", Weight: 2, Wire: "h:1", Admin: "h:2"}
	n, err := register.Result(f.must(register))
	want := Node{ID: 7, Name: "a", Zone: "z", Weight: 2, State: placement.Joining, Since: 1000, Wire: "h:1", Admin: "h:2", Member: 1}
	if err != nil || *n != want {
		t.Fatalf("%+v, %v, want %+v", n, err, want)
	}
	f.must(&SetNodeState{ID: 7, To: placement.Suspect, Reason: "silent"})
	again := &RegisterNode{ID: 7, Name: "b", Weight: 1}
	if n, _ := again.Result(f.must(again)); n.Member != 1 || n.State != placement.Suspect || n.Since != 2000 || n.Name != "b" || n.Zone != "" || n.Wire != "" {
		t.Errorf("registered again: %+v", n)
	}
	other := &RegisterNode{ID: 5, Name: "c", Weight: 1}
	if n, _ := other.Result(f.must(other)); n.Member != 2 {
		t.Errorf("second node: %+v", n)
	}
	f.must(&ForgetNode{ID: 7})
	if n, _ := again.Result(f.must(again)); n.Member != 3 || n.State != placement.Joining {
		t.Errorf("registered after it was forgotten: %+v", n)
	}
	if nodes := f.m.Nodes(); len(nodes) != 2 || nodes[0].ID != 5 || nodes[1].ID != 7 {
		t.Errorf("nodes %+v", nodes)
	}
}

func TestNodeComesBack(t *testing.T) {
	for _, c := range []struct {
		from   placement.State
		to     placement.State
		member ident.MemberID
	}{
		{placement.Joining, placement.Joining, 1}, {placement.Active, placement.Active, 1}, {placement.Suspect, placement.Suspect, 1},
		{placement.Draining, placement.Joining, 1}, {placement.Inactive, placement.Joining, 1}, {placement.Dead, placement.Joining, 2},
	} {
		f := newFixture(t, 1)
		set := &SetNodeState{ID: 1, To: c.from, Reason: "because"}
		if n, _ := set.Result(f.must(set)); c.from == placement.Dead && n.Member != 0 {
			t.Errorf("a dead node has member %s", n.Member)
		}
		back := &RegisterNode{ID: 1, Name: "n1", Weight: 1}
		if n, _ := back.Result(f.must(back)); n.State != c.to || n.Member != c.member {
			t.Errorf("%s, registered again: %+v, want %s with member %s", c.from, n, c.to, c.member)
		}
	}
}

// The record says when a node came back that had taken part, and not of one that is
// new or was drained.
func TestWhenANodeReturnedIsRemembered(t *testing.T) {
	f := newFixture(t, 0)
	register := func() int64 {
		t.Helper()
		r := &RegisterNode{ID: 1, Name: "a", Zone: "z", Weight: 1}
		f.must(r)
		n, _ := f.m.Node(1)
		if n.Returned != 0 && n.Returned != int64(f.index)*1000 {
			t.Errorf("it returned at %d, now is %d", n.Returned, f.index*1000)
		}
		return n.Returned
	}
	for range 2 {
		if register() != 0 {
			t.Error("a new node returned, or one that tries again to be one")
		}
	}
	for _, from := range []placement.State{placement.Active, placement.Suspect, placement.Draining, placement.Dead} {
		f.must(&SetNodeState{ID: 1, To: from})
		if register() == 0 {
			t.Errorf("it was %s and did not return", from)
		}
	}
	if register() == 0 { // it fell before it was active again
		t.Error("it did not return")
	}
	f.must(&SetNodeState{ID: 1, To: placement.Active})
	if n, _ := f.m.Node(1); n.Returned == 0 {
		t.Error("it is active, and that it returned is forgotten")
	}
	f.must(&SetNodeState{ID: 1, To: placement.Inactive})
	if register() != 0 {
		t.Error("it had been drained, and returned")
	}
	again := New()
	f.must(&SetNodeState{ID: 1, To: placement.Active})
	register()
	if err := again.Restore(bytes.NewReader(snapshotOf(t, f.m))); err != nil {
		t.Fatal(err)
	}
	if a, b := f.m.Nodes(), again.Nodes(); a[0].Returned == 0 || a[0] != b[0] {
		t.Errorf("%+v, restored %+v", a, b)
	}
}

// A state that an older program wrote is read; it knows of nobody that returned.
func TestAnOlderStateIsRestored(t *testing.T) {
	f := full(t)
	f.must(&SetNodeState{ID: 1, To: placement.Active})
	f.must(&RegisterNode{ID: 1, Name: "n1", Zone: "z", Weight: 1})
	var old bytes.Buffer
	if err := f.m.image().writeAs(oldestSnapshot, &old); err != nil {
		t.Fatal(err)
	}
	again := New()
	if err := again.Restore(&old); err != nil {
		t.Fatal(err)
	}
	want := f.m.Nodes()
	for i := range want {
		want[i].Returned = 0
	}
	if got := again.Nodes(); !slices.Equal(got, want) || again.NumGroups() != f.m.NumGroups() || again.Index() != f.m.Index() {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestNodeStates(t *testing.T) {
	f := newFixture(t, 1)
	set := &SetNodeState{ID: 1, To: placement.Active, Reason: "seen", IfState: []placement.State{placement.Joining, placement.Suspect}}
	n, err := set.Result(f.must(set))
	if err != nil || n.State != placement.Active || n.Since != 2000 || n.Reason != "seen" {
		t.Fatalf("%+v, %v", n, err)
	}
	f.refused(set, ErrStateMoved)
	same := &SetNodeState{ID: 1, To: placement.Active, Reason: "still"}
	if n, _ := same.Result(f.must(same)); n.Since != 2000 || n.Reason != "still" {
		t.Errorf("the same state again: %+v", n)
	}
	f.refused(&SetNodeState{ID: 9, To: placement.Active}, ErrNoNode)
	addr := &SetNodeAddr{ID: 1, Wire: "x:1", Admin: "x:2"}
	if n, _ := addr.Result(f.must(addr)); n.Wire != "x:1" || n.Admin != "x:2" || n.Name != "n1" {
		t.Errorf("%+v", n)
	}
	f.refused(&SetNodeAddr{ID: 9}, ErrNoNode)
	f.refused(&ForgetNode{ID: 9}, ErrNoNode)
}

func TestForgetNode(t *testing.T) {
	f := newFixture(t, 3)
	f.add("g", 1, 2)
	f.must(&SetNodeState{ID: 1, To: placement.Active})
	f.refused(&ForgetNode{ID: 1}, ErrNodeInUse)
	f.must(&ForgetNode{ID: 3}) // hosts nothing
	f.must(&SetNodeState{ID: 2, To: placement.Dead})
	f.must(&ForgetNode{ID: 2})
	f.must(&ForgetNode{ID: 1, Force: true})
	if len(f.m.Nodes()) != 0 || len(f.m.HostedBy(1)) != 1 {
		t.Errorf("nodes %v, node 1 hosts %d groups", f.m.Nodes(), len(f.m.HostedBy(1)))
	}
}

func TestAddGroup(t *testing.T) {
	f := newFixture(t, 3)
	add := &AddGroup{Name: "orders", Type: "counter", Replicas: 3, Config: []byte("c"), Initial: []byte("i"),
		Members: []ident.NodeID{3, 1, 2}, Preferred: 2}
	g, err := add.Result(f.must(add))
	if err != nil || g.ID != 2 || g.Epoch != 1 || g.Created != 4000 || g.Config != nil || g.Initial != nil {
		t.Fatalf("%+v, %v", g, err)
	}
	g, _ = f.m.Group("orders")
	first := []Member{{1, 1}, {2, 2}, {3, 3}}
	if !slices.Equal(g.First, first) || !slices.Equal(g.Target, first) || !slices.Equal(g.Configured, first) ||
		g.NextMember != 4 || g.ConfiguredIndex != 1 || g.Preferred != 2 || string(g.Config) != "c" || string(g.Initial) != "i" {
		t.Errorf("%+v", g)
	}
	f.refused(add, ErrGroupExists)
	f.refused(&AddGroup{Name: "x", Type: "t", Replicas: 1, Members: []ident.NodeID{1, 9}}, ErrNoNode)
	f.refused(&AddGroup{Name: "x", Replicas: 1, RestoreArchive: true, Members: []ident.NodeID{1}}, ErrNoArchive)
	if byID, ok := f.m.GroupByID(2); !ok || byID != g {
		t.Errorf("by identifier: %+v", byID)
	}
}

func TestRemoveGroupAndArchive(t *testing.T) {
	f := newFixture(t, 3)
	g := f.add("g", 1, 2)
	f.must(&UpdateGroup{Name: "g", Config: []byte("config"), Replicas: 2})
	f.refused(&RemoveGroup{Name: "h"}, ErrNoGroup)
	f.refused(&RemoveGroup{Name: "g", IfID: 99}, ErrNoGroup)
	f.must(&RemoveGroup{Name: "g", IfID: g.ID, Keep: &Archive{State: []byte("state"), Term: 4, Index: 44}})
	if _, ok := f.m.Group("g"); ok || f.m.NumGroups() != 0 || len(f.m.HostedBy(1)) != 0 {
		t.Error("the group is still there")
	}
	a, ok := f.m.Archive("g")
	if !ok || a.Type != "counter" || string(a.Config) != "config" || string(a.State) != "state" || a.Group != g.ID ||
		a.Term != 4 || a.Index != 44 || a.Removed != int64(f.index)*1000 {
		t.Fatalf("archive %+v", a)
	}
	f.refused(&AddGroup{Name: "g", Type: "register", Replicas: 1, RestoreArchive: true, Members: []ident.NodeID{3}}, ErrInvalid)
	f.must(&AddGroup{Name: "g", Replicas: 1, RestoreArchive: true, Members: []ident.NodeID{3}})
	restored, _ := f.m.Group("g")
	if restored.ID == g.ID || string(restored.Initial) != "state" || string(restored.Config) != "config" || restored.Type != "counter" {
		t.Errorf("restored %+v", restored)
	}
	if len(f.m.Archives()) != 0 {
		t.Error("the archive is still there")
	}
	f.must(&RemoveGroup{Name: "g", Keep: &Archive{}})
	f.must(&DropArchive{Name: "g"})
	f.refused(&DropArchive{Name: "g"}, ErrNoArchive)
}

func TestUpdateGroup(t *testing.T) {
	f := newFixture(t, 2)
	g := f.add("g", 1, 2)
	update := &UpdateGroup{Name: "g", Replicas: 5, IfID: g.ID}
	if g, err := update.Result(f.must(update)); err != nil || g.Replicas != 5 || g.Epoch != 1 {
		t.Errorf("%+v, %v", g, err)
	}
	f.must(&UpdateGroup{Name: "g", Config: []byte{}})
	if g, _ := f.m.Group("g"); g.Config == nil || len(g.Config) != 0 || g.Replicas != 5 {
		t.Errorf("%+v", g)
	}
	f.refused(&UpdateGroup{Name: "g", IfID: 77}, ErrNoGroup)
	f.refused(&UpdateGroup{Name: "h"}, ErrNoGroup)
}

// A member that was named for a node, and may have begun there, is the one that a later
// target has on that node, until a target was reached without it.
func TestAMemberThatMayHaveBegunGoesOn(t *testing.T) {
	f := newFixture(t, 5)
	a := f.add("a", 1, 2, 3)
	set := func(nodes ...ident.NodeID) *Group {
		t.Helper()
		g, _ := f.m.Group("a")
		f.must(&SetTargets{Targets: []Target{{Group: a.ID, IfEpoch: g.Epoch, Members: nodes}}})
		g, _ = f.m.Group("a")
		return g
	}
	set(1, 2, 4) // member 4 begins on node 4
	set(1, 2, 5) // and member 5 on node 5
	set(1, 2, 3)
	g := set(2, 4, 5)
	if !slices.Equal(g.Target, []Member{{2, 2}, {4, 4}, {5, 5}}) || g.NextMember != 6 {
		t.Fatalf("%+v", g)
	}
	g = set(1, 2, 3)
	f.must(&Report{Group: a.ID, Index: 9, Epoch: g.Epoch, Members: a.First})
	if g = set(1, 2, 4); g.Target[2] != (Member{6, 4}) {
		t.Errorf("a member that was let go goes on: %+v", g)
	}
}

// Another preferred leader alone neither ends a rest nor takes back that a move failed.
func TestAnotherLeaderDoesNotEndARest(t *testing.T) {
	f := newFixture(t, 4)
	a := f.add("a", 1, 2, 3)
	set := func(change Target) *Group {
		t.Helper()
		g, _ := f.m.Group("a")
		change.Group, change.IfEpoch = g.ID, g.Epoch
		f.must(&SetTargets{Targets: []Target{change}})
		g, _ = f.m.Group("a")
		return g
	}
	settle := func(g *Group) *Group {
		t.Helper()
		f.must(&Report{Group: g.ID, Index: 10 + g.Epoch, Epoch: g.Epoch, Members: g.Target})
		g, _ = f.m.Group("a")
		return g
	}
	moved := settle(set(Target{Members: []ident.NodeID{2, 3, 4}, Preferred: 2, Rest: 1_000_000}))
	led := set(Target{Members: []ident.NodeID{2, 3, 4}, Preferred: 3, Cause: Cause{Kind: placement.Lead}})
	if led.Epoch == moved.Epoch || led.Preferred != 3 || led.RestUntil != moved.RestUntil {
		t.Errorf("it rested until %d; with another leader: %+v", moved.RestUntil, led)
	}
	if longer := set(Target{Members: []ident.NodeID{2, 3, 4}, Preferred: 4, Rest: 2_000_000}); longer.RestUntil != longer.Since+2_000_000 {
		t.Errorf("a longer rest: %+v", longer)
	}
	failed := settle(set(Target{Members: a.TargetNodes(), Preferred: 1, Back: true, Rest: 1_000_000}))
	led = settle(set(Target{Members: a.TargetNodes(), Preferred: 2}))
	if !led.Back || led.Failures != 1 || led.RestUntil != failed.RestUntil {
		t.Errorf("its move failed, and it rests until %d; with another leader: %+v", failed.RestUntil, led)
	}
	if next := set(Target{Members: []ident.NodeID{2, 3, 4}}); next.Back || next.RestUntil != 0 || next.Failures != 1 {
		t.Errorf("the next try: %+v", next)
	}
}

// A member that was accounted for and let go may have been deleted: a late report does not
// bring it back.
func TestALateReportBringsNobodyBack(t *testing.T) {
	f := newFixture(t, 4)
	a := f.add("a", 1, 2, 3)
	f.must(&SetTargets{Targets: []Target{{Group: a.ID, IfEpoch: 1, Members: []ident.NodeID{1, 2}}}})
	f.must(&Report{Group: a.ID, Index: 5, Epoch: 2, Members: a.First[:2]})
	f.must(&Report{Group: a.ID, Index: 6, Members: a.First})
	if g, _ := f.m.Group("a"); !slices.Equal(g.Configured, a.First[:2]) || hosts(f.m, 3, a.ID) {
		t.Errorf("%+v", g)
	}
}

func hosts(m *Machine, node ident.NodeID, group ident.GroupID) bool {
	return slices.ContainsFunc(m.HostedBy(node), func(g *Group) bool { return g.ID == group })
}

func TestSettings(t *testing.T) {
	f := newFixture(t, 0)
	f.must(&SetSettings{Settings: map[string]string{"paused": "yes", "epsilon": "5"}})
	f.must(&SetSettings{Settings: map[string]string{"paused": ""}})
	if got := f.m.Settings(); len(got) != 1 || got["epsilon"] != "5" {
		t.Errorf("%v", got)
	}
}

func TestGroupsInPages(t *testing.T) {
	f := newFixture(t, 1)
	for _, name := range []string{"d", "a", "c", "b"} {
		f.add(name, 1)
	}
	names := func(groups []*Group) string {
		var all []string
		for _, g := range groups {
			all = append(all, g.Name)
		}
		return strings.Join(all, "")
	}
	for _, c := range []struct {
		after string
		limit int
		want  string
	}{{"", 0, "abcd"}, {"", 2, "ab"}, {"b", 2, "cd"}, {"bb", 1, "c"}, {"d", 9, ""}} {
		if got := names(f.m.Groups(c.after, c.limit)); got != c.want {
			t.Errorf("after %q, %d: %q, want %q", c.after, c.limit, got, c.want)
		}
	}
}

func TestLimitsNameFieldAndRemedy(t *testing.T) {
	member := []ident.NodeID{1}
	for _, c := range []struct {
		command Command
		says    string
	}{
		{&AddGroup{Name: "", Type: "t", Replicas: 1, Members: member}, "name is empty"},
		{&AddGroup{Name: strings.Repeat("x", 201), Type: "t", Replicas: 1, Members: member}, "201 bytes: give at most 200"},
		{&AddGroup{Name: "a\nb", Type: "t", Replicas: 1, Members: member}, "U+000A"},
		{&AddGroup{Name: "\xff", Type: "t", Replicas: 1, Members: member}, "not UTF-8"},
		{&AddGroup{Name: "a", Type: "", Replicas: 1, Members: member}, "type is empty"},
		{&AddGroup{Name: "a", Type: "t", Replicas: 0, Members: member}, "replicas is 0"},
		{&AddGroup{Name: "a", Type: "t", Replicas: 1}, "members are 0 nodes"},
		{&AddGroup{Name: "a", Type: "t", Replicas: 2, Members: []ident.NodeID{1, 1}}, "twice"},
		{&AddGroup{Name: "a", Type: "t", Replicas: 1, Members: member, Preferred: 2}, "preferred leader"},
		{&AddGroup{Name: "a", Type: "t", Replicas: 1, Members: member, Initial: make([]byte, MaxState+1)}, "initial state has"},
		{&AddGroup{Name: "a", Replicas: 1, Members: member, RestoreArchive: true, Initial: []byte("x")}, "give one of them"},
		{&RegisterNode{ID: 0, Name: "n", Weight: 1}, "node is zero"},
		{&RegisterNode{ID: 1, Name: "n", Weight: 0}, "weight is 0"},
		{&SetNodeState{ID: 1, To: 99}, "state is 99"},
		{&SetNodeState{ID: 1, IfState: []placement.State{99}}, "expected state is 99"},
		{&UpdateGroup{Name: "a", Replicas: 32}, "replicas is 32"},
		{&RemoveGroup{Name: "a", Keep: &Archive{State: make([]byte, MaxState+1)}}, "kept state has"},
		{&SetTargets{Targets: []Target{{Group: 2}}}, "members are 0 nodes"},
		{&Report{Group: 2, Index: 1}, "0 members"},
		{&Report{Group: 2, Index: 1, Members: []Member{{1, 1}, {1, 2}}}, "repeats"},
		{&SetSettings{Settings: map[string]string{"": "x"}}, "setting is empty"},
	} {
		_, err := Encode(c.command)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%T: %v, want ErrInvalid that says %q", c.command, err, c.says)
		}
	}
}

func TestCommandOfANewerProgram(t *testing.T) {
	newer, _ := pack(func(c *coder) {
		c.version(commandVersion)
		k := kind(200)
		id(c, &k)
	})
	m := New()
	for _, b := range [][]byte{nil, {}, {0xff}, newer, {2}, append(newer, 0)} {
		index := m.Index() + 1
		if _, err := m.Apply(index, 0, b); !errors.Is(err, ErrBadCommand) {
			t.Errorf("% x: %v", b, err)
		}
		m.AppliedUpTo(index)
	}
	if m.Index() != 6 {
		t.Errorf("index %d, want 6: refused commands count", m.Index())
	}
}

func TestAnswers(t *testing.T) {
	for code, sentinel := range codes {
		_, err := DecodeAnswer(EncodeAnswer(nil, refuse(sentinel, "detail %d", code)))
		if !errors.Is(err, sentinel) || err.Error() != refuse(sentinel, "detail %d", code).Error() {
			t.Errorf("%v became %v", sentinel, err)
		}
	}
	if _, err := DecodeAnswer(EncodeAnswer(nil, errors.New("anything else"))); err == nil || !strings.Contains(err.Error(), "anything else") {
		t.Errorf("%v", err)
	}
	if result, err := DecodeAnswer(EncodeAnswer([]byte("r"), nil)); err != nil || string(result) != "r" {
		t.Errorf("%q, %v", result, err)
	}
	if _, err := DecodeAnswer(nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
	if _, err := DecodeAnswer([]byte{9}); !errors.Is(err, ErrVersion) {
		t.Errorf("%v", err)
	}
}
