package planner

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A move that makes no progress is given up after a while; the group rests, longer each
// time; the next planner goes on where this one stopped.
func TestAStuckMoveIsGivenUp(t *testing.T) {
	f := newFleet(t, 5, 5, 0)
	f.apply(&catalogue.AddGroup{Name: "g", Type: "t", Replicas: 3, Members: []ident.NodeID{1, 2, 3}, Preferred: 1})
	for tries := range 8 {
		f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: f.group("g").ID, IfEpoch: f.group("g").Epoch, Members: []ident.NodeID{1, 2, 4}, Preferred: 1}}})
		began := f.now
		for f.group("g").Failures == tries {
			f.after(10 * time.Second)
			if tries == 1 && f.now.Sub(began) == f.limits.StuckAfter*3/4 {
				f.planner = Planner{} // another node leads
			}
			f.do()
			if f.now.Sub(began) > 2*f.limits.StuckAfter {
				t.Fatalf("try %d is not given up after %s", tries, f.now.Sub(began))
			}
		}
		if waited := f.now.Sub(began); waited < f.limits.StuckAfter {
			t.Errorf("given up after %s", waited)
		}
		f.settle()
		g := f.group("g")
		if rest := time.Duration(g.RestUntil - g.Since); rest != f.limits.StuckAfter<<min(tries, mostDoublings) || !slices.Equal(g.TargetNodes(), []ident.NodeID{1, 2, 3}) {
			t.Errorf("after failure %d it rests for %s, with target %v", tries+1, rest, g.TargetNodes())
		}
	}
	g := f.group("g")
	f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: []ident.NodeID{1, 2, 4}, Preferred: 1}}})
	f.settle()
	if g = f.group("g"); g.Failures != 0 {
		t.Errorf("it moved at last, and %d failures count", g.Failures)
	}
}

// A move that makes progress is left alone, however long it takes.
func TestASlowMoveIsNotGivenUp(t *testing.T) {
	f := newFleet(t, 6, 3, 30)
	f.finish()
	f.join(7, "z0")
	f.after(time.Hour)
	d := f.do()
	id := d.Targets[0].Group
	left := uint64(1_000_000)
	for range 1000 {
		f.after(20 * time.Second)
		left -= 100
		if d = f.do(); len(d.Inspect) > 0 {
			f.lag = make(map[ident.GroupID]uint64)
			for _, g := range d.Inspect {
				f.lag[g] = left
			}
		} else {
			f.lag = nil
		}
	}
	if g, _ := f.c.GroupByID(id); g.Failures != 0 || g.Settled == g.Epoch {
		t.Errorf("%+v", g)
	}
}

// A move that makes progress is left alone by the next planner too, which knows nothing
// of the progress before its time.
func TestASlowMoveIsNotGivenUpByTheNextPlanner(t *testing.T) {
	f := newFleet(t, 5, 1, 20)
	f.join(6, "z0")
	f.after(time.Hour)
	id := f.do().Targets[0].Group
	g, _ := f.c.GroupByID(id)
	var last Decision
	for left := uint64(1_000_000); left > 1_000_000-3600; left-- {
		for _, other := range f.c.Groups("", 0) {
			if other.ID != id {
				f.settle(other.Name)
			}
		}
		if f.lag = nil; slices.Contains(last.Inspect, id) {
			f.lag = map[ident.GroupID]uint64{id: left}
		}
		if left%1200 == 0 { // longer than Limits.StuckAfter
			f.planner, last = Planner{}, Decision{}
		}
		f.after(time.Second)
		if last = f.do(); f.group(g.Name).Epoch != g.Epoch {
			t.Fatalf("given up: %+v", f.group(g.Name))
		}
	}
}

// A move that is stuck goes back to what the group has. Where a node of that was given up
// meanwhile, another takes the place, and not one that did not come about. A target that
// waits for a node that was given up is replaced, and does not rest.
func TestAStuckMoveGoesBackToNodesThatExist(t *testing.T) {
	dead := func(id ident.NodeID) catalogue.Command { return &catalogue.SetNodeState{ID: id, To: placement.Dead} }
	for _, c := range []struct {
		name string
		lost []catalogue.Command
		want []ident.NodeID
		back bool
	}{
		{"all live", nil, []ident.NodeID{1, 2, 3}, true},
		{"one is dead", []catalogue.Command{dead(3)}, []ident.NodeID{1, 2, 5}, true},
		{"one was forgotten", []catalogue.Command{dead(3), &catalogue.ForgetNode{ID: 3, Force: true}}, []ident.NodeID{1, 2, 5}, true},
		{"the target is hopeless", []catalogue.Command{dead(4)}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFleet(t, 5, 5, 0)
			f.apply(&catalogue.AddGroup{Name: "g", Type: "t", Replicas: 3, Members: []ident.NodeID{1, 2, 3}})
			f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: f.group("g").ID, IfEpoch: 1, Members: []ident.NodeID{1, 2, 4}}}})
			f.after(f.limits.StuckAfter / 2)
			if d := f.do(); len(d.Targets) != 0 || len(d.Inspect) != 1 {
				t.Fatalf("halfway: %+v", d)
			}
			for _, command := range c.lost {
				f.apply(command)
			}
			f.after(f.limits.StuckAfter)
			f.do()
			g := f.group("g")
			if g.Back != c.back || c.want != nil && !slices.Equal(g.TargetNodes(), c.want) {
				t.Errorf("its target is %v (back: %v), want %v (%v)", g.TargetNodes(), g.Back, c.want, c.back)
			}
			if slices.Contains(g.TargetNodes(), 4) {
				t.Errorf("its target is still %v", g.TargetNodes())
			}
		})
	}
}

// Damaged members are replaced no faster than groups may move: what moves already counts.
func TestDamagedMembersAreReplacedWithinTheLimitOfMoves(t *testing.T) {
	f := newFleet(t, 6, 3, 20)
	f.finish()
	f.damaged = make(map[ident.GroupID][]catalogue.Member)
	for _, g := range f.c.Groups("", 0) {
		f.damaged[g.ID] = []catalogue.Member{g.Target[0]}
	}
	limit := f.limits.MovesFor(6)
	first := f.do().Targets
	if len(first) != limit || !strings.Contains(first[0].Cause.Text, "damaged") {
		t.Fatalf("%d groups are to move, %d may: %+v", len(first), limit, first)
	}
	g, _ := f.c.GroupByID(first[0].Group)
	f.after(time.Second)
	if again := f.do().Targets; len(again) != 0 {
		t.Fatalf("%d more groups are to move while %d do", len(again), limit)
	}
	f.settle(g.Name)
	delete(f.damaged, g.ID)
	f.after(time.Second)
	if again := f.do().Targets; len(again) != 1 {
		t.Fatalf("%d more groups are to move while %d do, %d may", len(again), limit-1, limit)
	}
}

// A group keeps its quorum: of three members with damaged data two are left alone.
func TestAGroupWithoutAMajorityOfSoundMembersIsLeftAlone(t *testing.T) {
	f := newFleet(t, 6, 3, 1)
	f.finish()
	g := f.c.Groups("", 0)[0]
	for damaged, want := range []int{0, 1, 0, 0} {
		f.damaged = map[ident.GroupID][]catalogue.Member{g.ID: g.Target[:damaged]}
		if got := f.decide().Targets; len(got) != want {
			t.Errorf("%d damaged members: %d targets, want %d", damaged, len(got), want)
		}
	}
}
