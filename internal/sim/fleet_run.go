package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// fleetRun is one run of a fleet: a world whose nodes are whole ones.
type fleetRun struct {
	*world
	plan     FleetPlan
	machines []*machine // by place
	all      []*machine // those whose disks are gone too
	byGroup  map[ident.GroupID]*replicated

	fleetID  ident.FleetID // the first that a node became part of
	record   *ledgerOfFleet
	lineages []*lineage
	names    []*name
	ops      map[uint64]*call
	open     int // calls under way
	problem  string
	adding   int   // groups that are being added
	added    int64 // when that ended last
	lost     int64 // when a disk was lost or damaged last

	balancing balancing
}

// RunFleet carries a plan out.
func RunFleet(p FleetPlan) Result {
	f := &fleetRun{plan: p, byGroup: make(map[ident.GroupID]*replicated), ops: make(map[uint64]*call)}
	f.world = newWorld(p.world(), rand.New(rand.NewPCG(p.Seed, 0xd6e8feb86659fd93)))
	f.world.fleet = f
	f.record = &ledgerOfFleet{f: f, machine: catalogue.New(), before: newDecided()}
	for i := range p.Size.Groups {
		f.names = append(f.names, &name{text: groupName(i)})
	}
	f.machines = make([]*machine, p.Size.Nodes)
	for i := range f.nodes {
		f.newMachine(f.newNode(i))
	}
	for i, m := range f.machines {
		late := time.Duration(0)
		if i > 0 && i >= p.founders && p.lateJoiner > 0 {
			late = time.Duration(f.about(p.lateJoiner))
		}
		f.after(late, m.node.start)
	}
	for _, n := range f.names {
		f.tend(n)
	}
	for range p.Size.Clients {
		f.later()
	}
	f.disturb()
	f.disturbFounding()
	f.disturbFleet()
	f.watchPace(0)
	f.runUntil(int64(p.Duration), func() bool { return p.Steps > 0 && f.result.Steps >= p.Steps })
	if f.failure == nil {
		f.healFleet()
	}
	for _, m := range f.all {
		if m.node.process != nil {
			m.node.process.end()
		}
	}
	return f.finish()
}

// mostSteps is how many events a second may have, far above what a run of a fleet
// needs: with more of them something goes round in circles.
const mostSteps = 2_000_000

func (f *fleetRun) watchPace(before int64) {
	steps := f.result.Steps
	if steps-before > mostSteps {
		f.violate(Bounded, "%d events in a second", steps-before)
	}
	f.after(time.Second, func() { f.watchPace(steps) })
}

// draw returns random bits that name something; never zero.
func (f *fleetRun) draw() uint64 {
	for {
		if v := f.random.Uint64(); v != 0 {
			return v
		}
	}
}

func (f *fleetRun) does(a Acts) bool { return f.plan.Acts&a != 0 && !f.healing }

// serving lists the machines whose nodes can be called.
func (f *fleetRun) serving() []*machine {
	var some []*machine
	for _, m := range f.machines {
		if m.serves() {
			some = append(some, m)
		}
	}
	return some
}

// anyServing picks one of them; nil when there is none.
func (f *fleetRun) anyServing() *machine {
	some := f.serving()
	if len(some) == 0 {
		return nil
	}
	return some[f.random.IntN(len(some))]
}

func (f *fleetRun) machineOf(n *node) *machine {
	if i := slices.IndexFunc(f.all, func(m *machine) bool { return m.node == n }); i >= 0 {
		return f.all[i]
	}
	return f.newMachine(n) // in the place of one whose disk was lost
}
