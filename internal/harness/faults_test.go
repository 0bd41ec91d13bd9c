package harness

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// loaded starts a fleet with groups of three and a load on all of them.
func loaded(t *testing.T, c Config, groups int) (*Fleet, *Load) {
	t.Helper()
	ctx := within(t, time.Minute)
	f := New(t, c)
	must(t, f.AddGroups(ctx, "g", groups, min(3, max(c.Nodes, 1))))
	await(t, ctx, f, "all groups to be led and at rest", Quiet)
	l := f.StartLoad(LoadConfig{Groups: f.Groups(), Clients: min(groups, 16), Interval: 5 * time.Millisecond})
	t.Cleanup(l.Halt)
	progress(t, ctx, l)
	return f, l
}

func TestThreeNodesInOneZoneServeAndRestart(t *testing.T) {
	ctx := within(t, time.Minute)
	f, l := loaded(t, Config{Nodes: 3}, 9)
	victim := leaderOf(t, ctx, f, f.Groups()[0])
	victim.Kill()
	progress(t, ctx, l)
	must(t, victim.Restart(ctx))
	await(t, ctx, f, "all groups to be led and at rest", Quiet, Members(27))
	progress(t, ctx, l)
	finish(t, ctx, l)
}

func TestSixNodesInThreeZonesKeepMembersApart(t *testing.T) {
	ctx := within(t, time.Minute)
	f := New(t, Config{Nodes: 6, Zones: 3})
	must(t, f.AddGroups(ctx, "g", 24, 3))
	await(t, ctx, f, "all groups at rest, and 12 members on each node or nearly", Quiet, Members(72), func(s view.Status) error {
		for _, n := range s.Nodes {
			if n.Members < 9 || n.Members > 15 {
				return fmt.Errorf("node %s has %d members of 72 on 6 nodes", n.Name, n.Members)
			}
		}
		return nil
	})
	for _, name := range f.Groups() {
		g, err := f.Nodes()[0].Client().Group(ctx, name)
		must(t, err)
		zones := make(map[string]bool)
		for _, m := range g.Members {
			zones[m.Zone] = true
		}
		if len(g.Members) != 3 || len(zones) != 3 {
			t.Errorf("group %s has %d members in %d zones", name, len(g.Members), len(zones))
		}
	}
}

func TestTheCataloguesLeaderIsKilled(t *testing.T) {
	ctx := within(t, time.Minute)
	f, l := loaded(t, Config{Nodes: 3}, 6)
	s := await(t, ctx, f, "a leader of the catalogue", Led)
	victim := f.Node(s.Catalogue.Leader)
	victim.Kill()
	progress(t, ctx, l)
	// The fleet's own state can still be changed.
	must(t, f.AddGroups(ctx, "after", 3, 3))
	must(t, victim.Restart(ctx))
	finish(t, ctx, l)
}

func TestAZoneIsKilled(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 6, Zones: 3}, 24)
	for _, n := range f.Zone("z2") {
		n.Kill()
	}
	progress(t, ctx, l)
	for _, n := range f.Zone("z2") {
		must(t, n.Restart(ctx))
	}
	await(t, ctx, f, "all groups at rest", Quiet, Members(72))
	progress(t, ctx, l)
	finish(t, ctx, l)
}

func TestAllAreKilledAtOnceAndComeBack(t *testing.T) {
	ctx := within(t, 90*time.Second)
	f, l := loaded(t, Config{Nodes: 3}, 9)
	for range 2 {
		f.killAll()
		startTogether(t, f.Nodes())
		for _, n := range f.Nodes() {
			must(t, n.AwaitActive(ctx))
		}
		await(t, ctx, f, "all groups to be led", Led)
		progress(t, ctx, l)
	}
	finish(t, ctx, l)
}

func startTogether(t *testing.T, nodes []*Node) {
	t.Helper()
	for _, n := range nodes {
		must(t, n.Start())
	}
}

func TestHazard24_ALeaderThatWasFrozenDoesNotLie(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 3}, 6)
	for range 3 {
		victim := leaderOf(t, ctx, f, f.Groups()[0])
		must(t, victim.Pause())
		progress(t, ctx, l)
		must(t, victim.Continue())
		await(t, ctx, f, "all groups to be led", Led)
		// A query at the one that slept must know what happened meanwhile.
		for _, group := range f.Groups() {
			known := l.acknowledgedEach()[group]
			b, err := victim.Client().Query(ctx, group, "get", nil, false, 0)
			must(t, err)
			if got := parse(t, b); got < int64(known) {
				t.Fatalf("node %s answers %d for group %s, after %d additions were acknowledged", victim.Name, got, group, known)
			}
		}
	}
	finish(t, ctx, l)
}

func TestAWipedNodeComesBackAsAnother(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 4, PurgeAfter: 2 * time.Second}, 12)
	victim := f.Nodes()[1]
	before, err := victim.Client().Status(ctx)
	must(t, err)
	victim.Kill()
	must(t, victim.Wipe())
	must(t, victim.Start())
	must(t, victim.AwaitActive(ctx))
	after := await(t, ctx, f, "the old node to be given up and its members to be replaced", Quiet, Members(36), func(s view.Status) error {
		return NodeIs(idOf(before, victim.Name), "dead", func(n view.Node) bool { return n.State == "dead" && n.Members == 0 })(byID(s))
	})
	if len(after.Nodes) != 5 {
		t.Fatalf("the fleet lists %d nodes, not the four and the one that is lost", len(after.Nodes))
	}
	progress(t, ctx, l)
	finish(t, ctx, l)
}

func idOf(s view.Status, name string) string {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n.ID.String()
		}
	}
	return ""
}

// byID lets nodes be found by id where names are not theirs alone.
func byID(s view.Status) view.Status {
	nodes := make([]view.Node, len(s.Nodes))
	for i, n := range s.Nodes {
		nodes[i] = n
		nodes[i].Name = n.ID.String()
	}
	s.Nodes = nodes
	return s
}

func TestEveryFaultInTurnAndEachAdditionOnce(t *testing.T) {
	long(t)
	ctx := within(t, 5*time.Minute)
	f, l := loaded(t, Config{Nodes: 5, Zones: 3}, 20)
	nodes := f.Nodes()
	step := func(what string, do func()) {
		t.Helper()
		t.Log(what)
		do()
		await(t, ctx, f, "all groups to be led after: "+what, Led)
		progress(t, ctx, l)
	}
	for i, n := range nodes {
		step("kill "+n.Name, n.Kill)
		step("restart "+n.Name, func() { must(t, n.Restart(ctx)) })
		other := nodes[(i+1)%len(nodes)]
		step("freeze "+other.Name, func() { must(t, other.Pause()) })
		step("thaw "+other.Name, func() { must(t, other.Continue()) })
	}
	step("kill two and restart them", func() {
		nodes[0].Kill()
		nodes[3].Kill()
		startTogether(t, []*Node{nodes[0], nodes[3]})
		must(t, nodes[0].AwaitActive(ctx))
		must(t, nodes[3].AwaitActive(ctx))
	})
	step("stop one politely and restart it", func() {
		must(t, nodes[2].Stop(ctx))
		must(t, nodes[2].Restart(ctx))
	})
	step("kill all and restart them", func() {
		f.killAll()
		startTogether(t, nodes)
		for _, n := range nodes {
			must(t, n.AwaitActive(ctx))
		}
	})
	finish(t, ctx, l)
}

// longestOutage is how long a group may be without service when a node of its
// fleet is killed.
const longestOutage = 5 * time.Second

func TestAnyNodeKilledAtAnyMomentIsMadeUpForSoon(t *testing.T) {
	long(t)
	ctx := within(t, 4*time.Minute)
	f := New(t, Config{Nodes: 5, Zones: 3})
	must(t, f.AddGroups(ctx, "g", 50, 3))
	await(t, ctx, f, "all groups at rest", Quiet, Members(150))
	// A client for each group, so that every group is asked all the time.
	l := f.StartLoad(LoadConfig{Groups: f.Groups(), Interval: 20 * time.Millisecond})
	t.Cleanup(l.Halt)
	progress(t, ctx, l)
	for _, n := range f.Nodes() {
		l.ResetGaps()
		n.Kill()
		progress(t, ctx, l) // perhaps by answers that were on their way already
		progress(t, ctx, l)
		var worst time.Duration
		slow := 0
		for group, gap := range l.Gaps() {
			worst = max(worst, gap)
			if gap > longestOutage {
				slow++
				t.Errorf("group %s did not serve for %s after node %s was killed", group, gap, n.Name)
			}
		}
		t.Logf("after node %s was killed, the longest gap was %s", n.Name, worst.Round(time.Millisecond))
		must(t, n.Restart(ctx))
		await(t, ctx, f, "all groups at rest", Quiet)
		progress(t, ctx, l)
	}
	finish(t, ctx, l)
}

// A frozen node keeps its connections and its leaderships as far as it knows, and
// answers nobody: callers must not wait for it once others lead.
func TestAFrozenNodeIsMadeUpForSoon(t *testing.T) {
	ctx := within(t, time.Minute)
	f := New(t, Config{Nodes: 3})
	must(t, f.AddGroups(ctx, "g", 12, 3))
	await(t, ctx, f, "all groups at rest", Quiet)
	frozen := leaderOf(t, ctx, f, f.Groups()[0])
	var others []*Node
	for _, n := range f.Nodes() {
		if n != frozen {
			others = append(others, n)
		}
	}
	l := f.StartLoad(LoadConfig{Groups: f.Groups(), Interval: 20 * time.Millisecond, Through: others})
	t.Cleanup(l.Halt)
	progress(t, ctx, l)
	l.ResetGaps()
	must(t, frozen.Pause())
	progress(t, ctx, l)
	for group, gap := range l.Gaps() {
		if gap > longestOutage {
			t.Errorf("group %s did not serve for %s after node %s was frozen", group, gap, frozen.Name)
		}
	}
	must(t, frozen.Continue())
	await(t, ctx, f, "all groups to be led", Led)
	progress(t, ctx, l)
	finish(t, ctx, l)
}

func TestANodeIsKilledWhileAllStart(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 3}, 9)
	f.killAll()
	var wg sync.WaitGroup
	for i, n := range f.Nodes() {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := n.Start(); err != nil {
				t.Error(err)
			}
			if i == 1 { // as early as can be: recovery may be on its way
				n.Kill()
				if err := n.Start(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	for _, n := range f.Nodes() {
		must(t, n.AwaitActive(ctx))
	}
	progress(t, ctx, l)
	finish(t, ctx, l)
}
