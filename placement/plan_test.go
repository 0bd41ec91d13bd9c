package placement

import (
	"fmt"
	"slices"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// fleetOf makes active nodes, so many a zone, numbered from 1.
func fleetOf(perZone ...int) []Node {
	var nodes []Node
	for z, count := range perZone {
		for range count {
			nodes = append(nodes, Node{ID: ident.NodeID(len(nodes) + 1), Zone: fmt.Sprintf("z%d", z), State: Active})
		}
	}
	return nodes
}

func newGroups(count, replicas int) []Group {
	groups := make([]Group, count)
	for i := range groups {
		groups[i] = Group{ID: ident.GroupID(i + 2), Name: fmt.Sprintf("group-%d", i), Replicas: replicas}
	}
	return groups
}

// carryOut returns the input as it is once the plan's targets are met.
func carryOut(in Input, r Result) Input {
	groups := slices.Clone(in.Groups)
	at := make(map[ident.GroupID]int, len(groups))
	for i, g := range groups {
		at[g.ID] = i
	}
	for _, t := range r.Targets {
		g := &groups[at[t.Group]]
		g.Members, g.Leader, g.Voters = t.Members, t.Leader, nil
	}
	in.Groups = groups
	return in
}

func planned(in Input) Input { return carryOut(in, Plan(in)) }

func membersOf(in Input) map[ident.NodeID]int {
	count := make(map[ident.NodeID]int)
	for _, g := range in.Groups {
		for _, id := range g.Members {
			count[id]++
		}
	}
	return count
}

func setState(nodes []Node, id ident.NodeID, s State) []Node {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		if nodes[i].ID == id {
			nodes[i].State = s
		}
	}
	return nodes
}

func TestEmptyInputs(t *testing.T) {
	if r := Plan(Input{}); len(r.Targets)+len(r.Infeasible) != 0 {
		t.Fatalf("nothing to plan, planned %+v", r)
	}
	r := Plan(Input{Groups: newGroups(2, 3)})
	if len(r.Targets) != 0 || len(r.Infeasible) != 1 || r.Infeasible[0].Kind != FewNodes || r.Infeasible[0].Groups != 2 {
		t.Fatalf("no nodes: %+v", r)
	}
	if r := Plan(Input{Nodes: fleetOf(2, 2)}); len(r.Targets)+len(r.Infeasible) != 0 {
		t.Fatalf("no groups: %+v", r)
	}
}

func TestColdPlanIsSpreadAndBalanced(t *testing.T) {
	for _, c := range []struct {
		zones            []int
		groups, replicas int
	}{{[]int{2, 2, 2}, 60, 3}, {[]int{4, 4, 4}, 1000, 3}, {[]int{20, 20, 20, 20, 20}, 2000, 3}, {[]int{2, 2, 2}, 50, 5}} {
		in := planned(Input{Nodes: fleetOf(c.zones...), Groups: newGroups(c.groups, c.replicas)})
		nodes, leaders := len(in.Nodes), make(map[ident.NodeID]int)
		for _, g := range in.Groups {
			leaders[g.Leader]++
		}
		mean := float64(c.groups*c.replicas) / float64(nodes)
		for id, have := range membersOf(in) {
			if float64(have) > mean*1.05+2 || float64(have) < mean*0.95-2 {
				t.Errorf("%v: node %s has %d members, mean %.1f", c, id, have, mean)
			}
		}
		mean = float64(c.groups) / float64(nodes)
		for _, n := range in.Nodes {
			if have := float64(leaders[n.ID]); have > mean*1.05+5 || have < mean*0.95-5 {
				t.Errorf("%v: node %s leads %.0f, mean %.1f", c, n.ID, have, mean)
			}
		}
	}
}

func TestDeadMembersAreReplacedFirst(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(3, 3, 3), Groups: newGroups(40, 3)})
	in.Nodes = setState(setState(in.Nodes, 1, Dead), 9, Draining)
	r := Plan(in)
	last := Create
	for _, target := range r.Targets {
		if target.Reason.Kind < last {
			t.Errorf("%s after %s", target.Reason, last)
		}
		last = target.Reason.Kind
		if slices.Contains(target.Members, 1) || slices.Contains(target.Members, 9) || len(target.Members) != 3 {
			t.Errorf("target %+v", target)
		}
	}
	after := carryOut(in, r)
	for _, g := range after.Groups {
		if slices.Contains(g.Members, 1) || slices.Contains(g.Members, 9) || g.Leader == 1 || g.Leader == 9 {
			t.Errorf("group %+v was not repaired", g)
		}
	}
}

func TestSuspectKeepsAndGetsNothing(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(2, 2, 2), Groups: newGroups(40, 3)})
	before := membersOf(in)[2]
	in.Nodes = setState(in.Nodes, 2, Suspect)
	if r := Plan(in); len(r.Targets) != 0 {
		t.Fatalf("a suspicion alone moves %+v", r.Targets)
	}
	in.Groups = append(in.Groups, Group{ID: 1000, Name: "late", Replicas: 3})
	in = planned(in)
	if after := membersOf(in)[2]; after != before {
		t.Fatalf("the suspect node went from %d members to %d", before, after)
	}
}

func TestJoiningGetsNothing(t *testing.T) {
	in := Input{Nodes: setState(fleetOf(2, 2, 2), 3, Joining), Groups: newGroups(20, 3)}
	if got := membersOf(planned(in))[3]; got != 0 {
		t.Fatalf("the joining node got %d members", got)
	}
}

func TestNewNodeFills(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(3, 3, 3), Groups: newGroups(300, 3)})
	before := in
	in.Nodes = append(fleetOf(3, 3, 3), Node{ID: 100, Zone: "z0", State: Active})
	r := Plan(in)
	after := carryOut(in, r)
	if got := membersOf(after)[100]; got < 65 {
		t.Fatalf("the new node got %d members", got)
	}
	for i, g := range after.Groups {
		for _, id := range g.Members {
			if id != 100 && !slices.Contains(before.Groups[i].Members, id) {
				t.Errorf("group %s got a member on %s, not on the new node", g.Name, id)
			}
		}
	}
}

func TestWithoutQuorumNothingIsTouched(t *testing.T) {
	nodes := setState(setState(fleetOf(2, 2, 2), 1, Dead), 3, Dead)
	g := Group{ID: 7, Name: "g", Replicas: 3, Members: []ident.NodeID{1, 3, 5}, Leader: 1}
	r := Plan(Input{Nodes: nodes, Groups: []Group{g}})
	if len(r.Targets) != 0 || len(r.Infeasible) == 0 || r.Infeasible[0].Kind != NoQuorum {
		t.Fatalf("%+v", r)
	}
	// The target lost its quorum, the voters that there are did not.
	g.Voters = []ident.NodeID{2, 4, 5}
	if r := Plan(Input{Nodes: nodes, Groups: []Group{g}}); len(r.Targets) != 1 || r.Targets[0].Reason.Kind != Repair {
		t.Fatalf("%+v", r)
	}
}

func TestHalfIsNoQuorum(t *testing.T) {
	in := Input{Nodes: setState(fleetOf(2, 2), 1, Dead), Groups: []Group{{ID: 7, Name: "g", Replicas: 2, Members: []ident.NodeID{1, 3}, Leader: 3}}}
	if r := Plan(in); len(r.Targets) != 0 || r.Infeasible[0].Kind != NoQuorum {
		t.Fatalf("one of two voters lives: %+v", r)
	}
}

func TestTooFewNodes(t *testing.T) {
	group := func(ids ...ident.NodeID) []Group {
		return []Group{{ID: 7, Name: "g", Replicas: 3, Members: ids, Leader: ids[0]}}
	}
	nodes := fleetOf(1, 1, 1)
	for _, c := range []struct {
		name   string
		nodes  []Node
		groups []Group
		want   []ident.NodeID
	}{
		{"a dead node without a successor stays", setState(nodes, 1, Dead), group(1, 2, 3), []ident.NodeID{1, 2, 3}},
		{"a draining node without a successor stays", setState(nodes, 1, Draining), group(1, 2, 3), []ident.NodeID{1, 2, 3}},
		{"an unknown node goes", nodes[:2], group(1, 2, 3), []ident.NodeID{1, 2}},
		{"nothing goes while nobody can come", setState(setState(nodes, 1, Draining), 3, Dead), group(1, 2, 3), []ident.NodeID{1, 2, 3}},
		{"the last one stays though draining", setState(nodes[:1], 1, Draining), group(1), []ident.NodeID{1}},
	} {
		in := planned(Input{Nodes: c.nodes, Groups: c.groups})
		if got := in.Groups[0].Members; !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if state := c.nodes[slices.IndexFunc(c.nodes, func(n Node) bool { return n.ID == 1 })].State; state != Active && in.Groups[0].Leader == 1 {
			t.Errorf("%s: node 1 is %s and leads", c.name, state)
		}
	}
}

func TestResize(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(2, 2, 2), Groups: newGroups(1, 3)})
	leader := in.Groups[0].Leader
	in.Groups[0].Replicas = 5
	in = planned(in)
	if g := in.Groups[0]; len(g.Members) != 5 || g.Leader != leader {
		t.Fatalf("%+v", g)
	}
	in.Groups[0].Replicas = 1
	r := Plan(in)
	in = carryOut(in, r)
	if g := in.Groups[0]; len(g.Members) != 1 || g.Leader != leader || r.Targets[0].Reason.Kind != Resize {
		t.Fatalf("%+v, want the leader %s alone", g, leader)
	}
}

func TestSpreadRepair(t *testing.T) {
	g := Group{ID: 7, Name: "g", Replicas: 3, Members: []ident.NodeID{1, 2, 3}, Leader: 1}
	in := Input{Nodes: fleetOf(3, 3, 3), Groups: []Group{g}}
	r := Plan(in)
	if len(r.Targets) != 1 || r.Targets[0].Reason.Kind != Spread {
		t.Fatalf("%+v", r)
	}
	after := r.Targets[0]
	if !slices.Contains(after.Members, 1) || after.Leader != 1 {
		t.Errorf("the leader moved: %+v", after)
	}
	zones := make(map[string]bool)
	for _, id := range after.Members {
		zones[in.Nodes[id-1].Zone] = true
	}
	if len(zones) != 3 {
		t.Errorf("%+v is in %d zones", after, len(zones))
	}
}

func TestMaxPerZone(t *testing.T) {
	nodes := fleetOf(1, 6, 6)
	strict := Plan(Input{Nodes: nodes, Groups: newGroups(100, 3)})
	if !slices.ContainsFunc(strict.Infeasible, func(r Reason) bool { return r.Kind == ZoneSkew && r.Zone == "z0" }) {
		t.Errorf("strict spread overloads the small zone and does not say so: %+v", strict.Infeasible)
	}
	in := Input{Nodes: nodes, Groups: newGroups(100, 3), Policy: Policy{MaxPerZone: 2}}
	relaxed := planned(in)
	if got := membersOf(relaxed)[1]; got > 27 {
		t.Errorf("the small zone's node holds %d of 300 members, its share is 23", got)
	}
	for _, g := range relaxed.Groups {
		use := make(map[string]int)
		for _, id := range g.Members {
			use[nodes[id-1].Zone]++
			if use[nodes[id-1].Zone] > 2 {
				t.Errorf("%+v has more than 2 in a zone", g)
			}
		}
	}
	if r := Plan(Input{Nodes: fleetOf(3), Groups: newGroups(1, 3), Policy: Policy{MaxPerZone: 2}}); len(r.Targets) != 1 ||
		len(r.Targets[0].Members) != 3 || r.Infeasible[0].Kind != ZoneLimit {
		t.Errorf("a limit that cannot be kept: %+v", r)
	}
}

func TestWeights(t *testing.T) {
	nodes := fleetOf(4, 4, 4)
	for i := range nodes {
		nodes[i].Weight = []int{1, 1, 2, 4}[i%4]
	}
	in := planned(Input{Nodes: nodes, Groups: newGroups(400, 3)})
	have := membersOf(in)
	for _, n := range in.Nodes {
		if want := 50 * n.Weight; have[n.ID] < want*9/10-2 || have[n.ID] > want*11/10+2 {
			t.Errorf("node of weight %d has %d members, want about %d", n.Weight, have[n.ID], want)
		}
	}
}

func TestCosts(t *testing.T) {
	groups := newGroups(200, 3)
	for i := range groups {
		groups[i].Cost = 1 + 9*(i%2)
	}
	in := planned(Input{Nodes: fleetOf(2, 2, 2), Groups: groups})
	cost := make(map[ident.NodeID]int)
	for _, g := range in.Groups {
		for _, id := range g.Members {
			cost[id] += g.Cost
		}
	}
	for id, c := range cost {
		if c < 510 || c > 590 {
			t.Errorf("node %s carries %d, fair is 550", id, c)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, c := range []struct{ nodes, groups int }{{12, 1000}, {100, 10_000}} {
		zone := c.nodes / 4
		cold := Input{Nodes: fleetOf(zone, zone, zone, zone), Groups: newGroups(c.groups, 3)}
		run := func(name string, in Input) {
			b.Run(fmt.Sprintf("%s/%dx%d", name, c.groups, c.nodes), func(b *testing.B) {
				b.ReportAllocs()
				var moved int
				for b.Loop() {
					moved = len(Plan(in).Targets)
				}
				b.ReportMetric(float64(moved), "targets")
			})
		}
		warm := planned(cold)
		lost := warm
		lost.Nodes = setState(warm.Nodes, 1, Dead)
		joined := warm
		joined.Nodes = append(slices.Clone(warm.Nodes), Node{ID: 5000, Zone: "z1", State: Active})
		run("cold", cold)
		run("settled", warm)
		run("node-dead", lost)
		run("node-new", joined)
	}
}
