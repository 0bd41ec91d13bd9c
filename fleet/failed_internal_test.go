package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// catalogueOf is a catalogue of active nodes, each in a zone of its own, with settled
// groups of three members; apply gives it one more command.
func catalogueOf(t *testing.T, nodes, groups int) (c *catalogue.Machine, apply func(catalogue.Command)) {
	t.Helper()
	c = catalogue.New()
	index := uint64(0)
	apply = func(command catalogue.Command) {
		t.Helper()
		b, err := catalogue.Encode(command)
		if err == nil {
			index++
			_, err = c.Apply(index, int64(index), b)
		}
		if err != nil {
			t.Fatalf("%T: %v", command, err)
		}
	}
	for i := range nodes {
		id := ident.NodeID(i + 1)
		apply(&catalogue.RegisterNode{ID: id, Name: fmt.Sprint("n", i), Zone: fmt.Sprint("z", i), Weight: 1})
		apply(&catalogue.SetNodeState{ID: id, To: placement.Active})
	}
	for i := range groups {
		name := fmt.Sprint("g", i)
		apply(&catalogue.AddGroup{Name: name, Type: "t", Replicas: 3, Members: []ident.NodeID{1, 2, 3}})
		g, ok := c.Group(name)
		if !ok {
			t.Fatal("no group " + name)
		}
		apply(&catalogue.Report{Group: g.ID, Index: 1, Epoch: g.Epoch, Members: g.Target})
	}
	return c, apply
}

// Damaged members are replaced no faster than groups may move: what moves already counts.
func TestDamagedMembersAreReplacedWithinTheLimitOfMoves(t *testing.T) {
	c, apply := catalogueOf(t, 6, 20)
	p := planRun{moves: make(map[ident.GroupID]*stuckMove)}
	limit := moveLimit(6)
	bad := make(map[ident.GroupID][]catalogue.Member)
	for _, g := range c.Groups("", c.NumGroups()) {
		bad[g.ID] = []catalogue.Member{g.Target[0]}
	}
	now := time.Unix(1, 0)
	first := p.replacements(c, c.Nodes(), bad, now)
	if len(first) != limit {
		t.Fatalf("%d groups are to move, %d may", len(first), limit)
	}
	apply(&catalogue.SetTargets{Targets: first[:limit-1]})
	if again := p.replacements(c, c.Nodes(), bad, now); len(again) != 1 {
		t.Fatalf("%d more groups are to move while %d do, %d may", len(again), limit-1, limit)
	}
	apply(&catalogue.SetTargets{Targets: first[limit-1:]})
	if again := p.replacements(c, c.Nodes(), bad, now); len(again) != 0 {
		t.Fatalf("%d more groups are to move while %d do, %d may", len(again), limit, limit)
	}
}

// A group keeps its quorum: of three members with damaged data two are left alone.
func TestAGroupWithoutAMajorityOfSoundMembersIsLeftAlone(t *testing.T) {
	c, _ := catalogueOf(t, 6, 1)
	p := planRun{moves: make(map[ident.GroupID]*stuckMove)}
	g, _ := c.Group("g0")
	for damaged, want := range []int{0, 1, 0, 0} {
		got := p.replacements(c, c.Nodes(), map[ident.GroupID][]catalogue.Member{g.ID: g.Target[:damaged]}, time.Unix(1, 0))
		if len(got) != want {
			t.Errorf("%d damaged members: %d targets, want %d", damaged, len(got), want)
		}
	}
}
