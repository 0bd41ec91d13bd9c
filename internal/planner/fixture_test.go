package planner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// fleet is a catalogue, a clock and gossip, of which the planner is to make something.
type fleet struct {
	t       *testing.T
	c       *catalogue.Machine
	index   uint64
	now     time.Time
	limits  Limits
	hearing map[ident.NodeID]Hearing
	missed  map[ident.NodeID]bool
	damaged map[ident.GroupID][]catalogue.Member
	lag     map[ident.GroupID]uint64
	planner Planner

	logAhead time.Time // log time does not go back when a clock does
}

// newFleet has active nodes in so many zones, and settled groups of three members on
// the nodes that the planner would choose.
func newFleet(t *testing.T, nodes, zones, groups int) *fleet {
	t.Helper()
	f := &fleet{t: t, c: catalogue.New(), now: time.Unix(1_800_000_000, 0), limits: Defaults(), hearing: make(map[ident.NodeID]Hearing)}
	for i := range nodes {
		f.join(ident.NodeID(i+1), fmt.Sprint("z", i%zones))
	}
	for i := range groups {
		f.add(fmt.Sprintf("g%03d", i))
	}
	f.after(time.Hour)
	return f
}

func (f *fleet) apply(command catalogue.Command) {
	f.t.Helper()
	b, err := catalogue.Encode(command)
	if err == nil {
		f.index++
		_, err = f.c.Apply(f.index, max(f.now.UnixNano(), f.logAhead.UnixNano()), b)
		f.c.AppliedUpTo(f.index)
	}
	if err != nil {
		f.t.Fatalf("%T: %v", command, err)
	}
}

func (f *fleet) join(id ident.NodeID, zone string) {
	f.t.Helper()
	f.apply(&catalogue.RegisterNode{ID: id, Name: fmt.Sprint("n", id), Zone: zone, Weight: 1})
	f.apply(&catalogue.SetNodeState{ID: id, To: placement.Active})
	f.hearing[id] = Hearing{Alive: true, Since: f.now}
	f.decide() // as it is told of every change
}

func (f *fleet) add(name string) {
	f.t.Helper()
	p := Placement(f.c, f.limits, f.now)
	p.SetGroup(placement.Group{ID: 1 << 40, Name: name, Replicas: 3})
	for _, t := range p.Plan().Targets {
		if t.Group == 1<<40 {
			f.apply(&catalogue.AddGroup{Name: name, Type: "t", Replicas: 3, Members: t.Members, Preferred: t.Leader})
		}
	}
}

func (f *fleet) after(d time.Duration) { f.now = f.now.Add(d) }

// silence has gossip hear nothing of a node any more; hear has it heard again.
func (f *fleet) silence(id ident.NodeID)    { f.hearing[id] = Hearing{Since: f.now} }
func (f *fleet) hear(id ident.NodeID)       { f.hearing[id] = Hearing{Alive: true, Since: f.now} }
func (f *fleet) hears(id ident.NodeID) bool { return f.hearing[id].Alive }

// decide has the planner decide, and does nothing of it.
func (f *fleet) decide() Decision {
	return f.planner.Decide(View{Now: f.now, Catalogue: f.c, Limits: f.limits, Hearing: f.hearing, Missed: f.missed, Damaged: f.damaged, Lag: f.lag})
}

// do decides and commits.
func (f *fleet) do() Decision {
	f.t.Helper()
	d := f.decide()
	for i := range d.States {
		f.apply(&d.States[i])
	}
	if len(d.Targets) > 0 {
		f.apply(&catalogue.SetTargets{Targets: d.Targets, Now: d.Time})
	}
	return d
}

// settle has some groups reach their targets, all of them where none is named.
func (f *fleet) settle(names ...string) {
	f.t.Helper()
	for _, g := range f.c.Groups("", 0) {
		if g.Settled != g.Epoch && (len(names) == 0 || slices.Contains(names, g.Name)) {
			f.apply(&catalogue.Report{Group: g.ID, Index: g.ConfiguredIndex + 1, Epoch: g.Epoch, Members: g.Target})
		}
	}
}

// finish lets the planner go on until it has nothing to do for a while.
func (f *fleet) finish() {
	f.t.Helper()
	for quiet, rounds := 0, 0; quiet < 200; rounds++ {
		if d := f.do(); len(d.Targets) > 0 || len(d.States) > 0 {
			quiet = 0
		} else {
			quiet++
		}
		f.settle()
		f.after(10 * time.Second)
		if rounds > 100_000 {
			f.t.Fatal("the planner makes no end")
		}
	}
}

func (f *fleet) state(id ident.NodeID) placement.State {
	f.t.Helper()
	node, ok := f.c.Node(id)
	if !ok {
		f.t.Fatalf("no node %s", id)
	}
	return node.State
}

func (f *fleet) group(name string) *catalogue.Group {
	f.t.Helper()
	g, ok := f.c.Group(name)
	if !ok {
		f.t.Fatalf("no group %s", name)
	}
	return g
}

// moving counts the groups whose members move.
func (f *fleet) moving() int {
	n := 0
	for _, g := range f.c.Groups("", 0) {
		if g.Settled != g.Epoch && g.Cause.Kind != placement.Lead {
			n++
		}
	}
	return n
}

// loads counts the members that each node should have.
func (f *fleet) loads() map[ident.NodeID]int {
	loads := make(map[ident.NodeID]int)
	for _, g := range f.c.Groups("", 0) {
		for _, node := range g.TargetNodes() {
			loads[node]++
		}
	}
	return loads
}

func (f *fleet) set(name, value string) {
	f.t.Helper()
	key, text, err := Setting(name, value)
	if err != nil {
		f.t.Fatal(err)
	}
	f.apply(&catalogue.SetSettings{Settings: map[string]string{key: text}})
}
