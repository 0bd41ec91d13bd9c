package fleet

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// hostedModel is a host of which only who is hosted matters.
type hostedModel map[ident.GroupID]group.Info

func (h hostedModel) Info(id ident.GroupID) (group.Info, bool) {
	info, ok := h[id]
	return info, ok
}

func (h hostedModel) Infos() []group.Info {
	infos := make([]group.Info, 0, len(h))
	for _, info := range h {
		infos = append(infos, info)
	}
	return infos
}

// carryOut does what a host would, and tells whether all of it could be done. Where
// trouble says so, nothing is.
func (h hostedModel) carryOut(do toDo, trouble func() bool) bool {
	ok := true
	for _, info := range do.remove {
		if trouble() {
			return false
		}
		delete(h, info.Group)
	}
	for _, spec := range do.start {
		if _, here := h[spec.Group]; here || trouble() {
			ok = false
			continue
		}
		h[spec.Group] = group.Info{Group: spec.Group, Name: spec.Name, Member: spec.Member}
	}
	return ok
}

func (do toDo) String() string {
	slices.SortFunc(do.start, func(a, b group.Spec) int { return cmp.Compare(a.Group, b.Group) })
	slices.SortFunc(do.remove, func(a, b group.Info) int { return cmp.Compare(a.Group, b.Group) })
	var b bytes.Buffer
	for _, s := range do.start {
		fmt.Fprintf(&b, "start %s as %s; ", s.Group, s.Member)
	}
	for _, info := range do.remove {
		fmt.Fprintf(&b, "remove %s as %s; ", info.Group, info.Member)
	}
	return b.String()
}

func drawChange(t *rapid.T) catalogue.Command {
	name := func() string { return fmt.Sprint("g", rapid.IntRange(0, 5).Draw(t, "name")) }
	nodes := func() []ident.NodeID {
		return rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(1, 4), func(i int) ident.NodeID { return ident.NodeID(i) }), 1, 3,
			func(id ident.NodeID) ident.NodeID { return id }).Draw(t, "members")
	}
	of := func() ident.GroupID { return ident.GroupID(rapid.IntRange(2, 16).Draw(t, "group")) }
	number := func(most int) uint64 { return uint64(rapid.IntRange(1, most).Draw(t, "number")) }
	switch rapid.IntRange(0, 6).Draw(t, "command") {
	case 0, 1:
		return &catalogue.AddGroup{Name: name(), Type: "t", Replicas: 3, Members: nodes()}
	case 2:
		return &catalogue.RemoveGroup{Name: name()}
	case 3, 4:
		return &catalogue.SetTargets{Targets: []catalogue.Target{{Group: of(), IfEpoch: number(4), Members: nodes()}}}
	}
	report := &catalogue.Report{Group: of(), Index: number(40), Epoch: number(4)}
	first := number(4)
	for i, node := range nodes() {
		report.Members = append(report.Members, catalogue.Member{ID: ident.MemberID(first + uint64(i)), Node: node})
	}
	return report
}

// Whatever happens, a look at what changed finds exactly what a look at everything
// finds: through refused commands, restored snapshots, another copy, failures, and
// looks that are made now and then only.
func TestPropertyALookAtTheChangesFindsAll(t *testing.T) {
	all, some := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		const here ident.NodeID = 1
		type entry struct {
			index   uint64
			command []byte
		}
		var (
			log  []entry
			host = hostedModel{}
			c    = catalogue.New()
			d    = differences{node: here, host: host}
			now  = time.Unix(1, 0)
			old  = snapshotOf(t, c)
			from = 0
		)
		apply := func(e entry) {
			_, _ = c.Apply(e.index, int64(e.index), e.command)
			c.AppliedUpTo(e.index)
		}
		commit := func(command catalogue.Command) {
			b, err := catalogue.Encode(command)
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, entry{uint64(len(log) + 1), b})
			apply(log[len(log)-1])
		}
		for node := range ident.NodeID(4) {
			commit(&catalogue.RegisterNode{ID: node + 1, Name: "n", Zone: "z", Weight: 1})
		}
		floor := uint64(0) // a copy that is older than a removal is not looked at
		pass := func() {
			do := expectAll(t, &d, c, now, host)
			if do.all {
				all++
			} else {
				some++
			}
			if len(do.remove) > 0 {
				floor = c.Index()
			}
			if !host.carryOut(do, func() bool { return rapid.IntRange(0, 9).Draw(t, "trouble") == 0 }) {
				d.failed(now)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0: // the snapshot arrives as one from the leader does
				old, from = snapshotOf(t, c), len(log)
				if err := c.Restore(bytes.NewReader(old)); err != nil {
					t.Fatal(err)
				}
			case 1: // the node's member of the catalogue is replaced, and replays
				c = catalogue.New()
				if err := c.Restore(bytes.NewReader(old)); err != nil {
					t.Fatal(err)
				}
				until := rapid.IntRange(from, len(log)).Draw(t, "replayed")
				for _, e := range log[from:until] {
					apply(e)
				}
				if c.Index() >= floor {
					pass()
				}
				for _, e := range log[until:] {
					apply(e)
				}
			default:
				commit(drawChange(t))
			}
			if rapid.Bool().Draw(t, "busy") {
				continue // several changes are looked at together
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "time")) * lookAtAll / 3)
			pass()
		}
	})
	if all == 0 || some < all/4 {
		t.Errorf("%d looks at everything, %d at what changed: one of them was not tried", all, some)
	}
}

func expectAll(t *rapid.T, d *differences, c *catalogue.Machine, now time.Time, host hostedModel) toDo {
	t.Helper()
	fresh := differences{node: d.node, host: host}
	want := fresh.look(c, now)
	do := d.look(c, now)
	if do.String() != want.String() {
		t.Fatalf("a look at the changes found %q, one at everything %q", do, want)
	}
	return do
}

func snapshotOf(t *rapid.T, c *catalogue.Machine) []byte {
	var b bytes.Buffer
	if err := c.Snapshot()(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A failure does not make every later change a look at everything: it waits its time.
func TestAFailureIsLookedAtAgainInTime(t *testing.T) {
	c := catalogue.New()
	d := differences{node: 1, host: hostedModel{}}
	now := time.Unix(1, 0)
	if !d.look(c, now).all {
		t.Fatal("the first look is not at everything")
	}
	d.failed(now.Add(reconcileRetry))
	if d.look(c, now.Add(reconcileRetry/2)).all {
		t.Error("everything was looked at before it was time")
	}
	if !d.look(c, now.Add(reconcileRetry)).all {
		t.Error("not everything was looked at after a failure")
	}
	if d.look(c, now.Add(reconcileRetry+lookAtAll/2)).all {
		t.Error("everything was looked at again after it was")
	}
	if !d.look(c, now.Add(reconcileRetry+lookAtAll)).all {
		t.Error("the safety net is missing")
	}
}

// Two groups that were added in one entry of the log are both found by a node that
// looks at its copy between the two commands.
func TestDifferencesBetweenCommandsOfAnEntry(t *testing.T) {
	for _, all := range []bool{false, true} {
		c := catalogue.New()
		host := hostedModel{}
		d := differences{node: 1, host: host}
		now := time.Unix(1, 0)
		apply := func(index uint64, command catalogue.Command) {
			t.Helper()
			b, err := catalogue.Encode(command)
			if err == nil {
				_, err = c.Apply(index, int64(index), b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		look := func() {
			host.carryOut(d.look(c, now), func() bool { return false })
		}
		apply(1, &catalogue.RegisterNode{ID: 1, Name: "n", Zone: "z", Weight: 1})
		c.AppliedUpTo(1)
		if !all {
			look()
		}
		for _, name := range []string{"a", "b"} {
			apply(2, &catalogue.AddGroup{Name: name, Type: "t", Replicas: 1, Members: []ident.NodeID{1}})
			look()
		}
		c.AppliedUpTo(2)
		look()
		for _, g := range c.HostedBy(1) {
			if _, here := host.Info(g.ID); !here {
				t.Errorf("group %q is not hosted (everything compared at first: %t)", g.Name, all)
			}
		}
	}
}

// What one more group costs a node that hosts five thousand.
func BenchmarkLook(b *testing.B) {
	const groups = 5000
	c := catalogue.New()
	host := hostedModel{}
	index := uint64(0)
	apply := func(command catalogue.Command) {
		index++
		encoded, err := catalogue.Encode(command)
		if err == nil {
			_, err = c.Apply(index, int64(index), encoded)
			c.AppliedUpTo(index)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	apply(&catalogue.RegisterNode{ID: 1, Name: "n", Zone: "z", Weight: 1})
	for i := range groups {
		apply(&catalogue.AddGroup{Name: fmt.Sprintf("group-%06d", i), Type: "t", Replicas: 1, Members: []ident.NodeID{1}})
	}
	now := time.Unix(1, 0)
	d := differences{node: 1, host: host}
	host.carryOut(d.look(c, now), func() bool { return false })
	for _, all := range []bool{true, false} {
		name := map[bool]string{true: "everything", false: "changes"}[all]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				apply(&catalogue.UpdateGroup{Name: "group-000100", Config: []byte{byte(index)}})
				b.StartTimer()
				if all {
					d.lookAtAll(c, now)
				} else {
					d.look(c, now)
				}
			}
		})
	}
}
