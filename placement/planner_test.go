package placement

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// fleetModel is what a planner was told, kept plainly.
type fleetModel struct {
	policy  Policy
	nodes   map[ident.NodeID]Node
	groups  map[ident.GroupID]Group
	planner *Planner
	ids     []ident.NodeID
}

func (m *fleetModel) input() Input {
	in := Input{Policy: m.policy}
	for _, n := range m.nodes {
		in.Nodes = append(in.Nodes, n)
	}
	for _, g := range m.groups {
		in.Groups = append(in.Groups, g)
	}
	return in
}

func (m *fleetModel) setNode(n Node) {
	m.nodes[n.ID] = n
	m.planner.SetNode(n)
}

func (m *fleetModel) setGroup(g Group) {
	m.groups[g.ID] = g
	m.planner.SetGroup(g)
}

func (m *fleetModel) drawNode(t *rapid.T) {
	states := []State{Active, Active, Active, Active, Suspect, Joining, Draining, Dead, Inactive}
	m.setNode(Node{
		ID:     rapid.SampledFrom(m.ids).Draw(t, "node"),
		Zone:   fmt.Sprint("z", rapid.IntRange(1, 4).Draw(t, "zone")),
		Weight: rapid.IntRange(1, 3).Draw(t, "weight"),
		State:  rapid.SampledFrom(states).Draw(t, "state"), Returned: rapid.IntRange(0, 4).Draw(t, "returned") == 0,
	})
}

func (m *fleetModel) drawGroup(t *rapid.T) {
	i := rapid.IntRange(0, 30).Draw(t, "group")
	g := Group{ID: ident.GroupID(i + 2), Name: fmt.Sprint("g", i, rapid.IntRange(0, 1).Draw(t, "name")), Epoch: rapid.Uint64Max(9).Draw(t, "epoch"),
		Replicas: rapid.IntRange(1, 5).Draw(t, "replicas"), Cost: rapid.SampledFrom([]int{1, 1, 1, 3}).Draw(t, "cost"),
		Resting: rapid.IntRange(0, 3).Draw(t, "resting") == 0}
	if rapid.Bool().Draw(t, "held") {
		g.Members = rapid.SliceOfN(rapid.SampledFrom(m.ids), 0, 6).Draw(t, "members")
		g.Voters = rapid.SliceOfN(rapid.SampledFrom(m.ids), 0, 3).Draw(t, "voters")
		g.Leader = rapid.SampledFrom(append([]ident.NodeID{0}, m.ids...)).Draw(t, "leader")
	}
	m.setGroup(g)
}

// commit takes some of a plan.
func (m *fleetModel) commit(r Result, many int) {
	for _, target := range r.Targets[:min(many, len(r.Targets))] {
		g := m.groups[target.Group]
		g.Members, g.Leader, g.Epoch, g.Voters = target.Members, target.Leader, target.Epoch, nil
		m.setGroup(g)
	}
}

// A planner that was told of changes one after another says what Plan says of
// all that holds at the end, and planning leaves no trace in it.
func TestPropertyPlannerIsPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := fleetModel{nodes: make(map[ident.NodeID]Node), groups: make(map[ident.GroupID]Group),
			policy: Policy{MaxPerZone: rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "max per zone"), MemberSlack: rapid.IntRange(0, 2).Draw(t, "slack")}}
		m.planner = NewPlanner(m.policy)
		for i := range 10 {
			m.ids = append(m.ids, ident.NodeID(i+1)*0x9e3779b97f4a7c15)
		}
		for range rapid.IntRange(0, 12).Draw(t, "nodes") {
			m.drawNode(t)
		}
		for range rapid.IntRange(0, 40).Draw(t, "groups") {
			m.drawGroup(t)
		}
		last := m.planner.Plan()
		updated := NewPlanner(m.policy)
		steps := map[string]func(*rapid.T){
			"node":   func(t *rapid.T) { m.drawNode(t) },
			"group":  func(t *rapid.T) { m.drawGroup(t) },
			"commit": func(t *rapid.T) { m.commit(last, rapid.IntRange(0, 50).Draw(t, "targets")) },
			"remove node": func(t *rapid.T) {
				id := rapid.SampledFrom(m.ids).Draw(t, "node")
				delete(m.nodes, id)
				m.planner.RemoveNode(id)
			},
			"remove group": func(t *rapid.T) {
				id := ident.GroupID(rapid.IntRange(2, 32).Draw(t, "group"))
				delete(m.groups, id)
				m.planner.RemoveGroup(id)
			},
			"": func(t *rapid.T) {
				last = m.planner.Plan()
				if want := Plan(m.input()); !reflect.DeepEqual(last, want) {
					t.Fatalf("the planner says %+v\nPlan says %+v", last, want)
				}
				updated.Update(m.input())
				if again := updated.Plan(); !reflect.DeepEqual(again, last) {
					t.Fatalf("told of all at once it says %+v\none by one %+v", again, last)
				}
				if err := updated.ledger.audit(); err != nil {
					t.Fatal(err)
				}
				if err := m.planner.ledger.audit(); err != nil {
					t.Fatal(err)
				}
			},
		}
		t.Repeat(steps)
	})
}

// audit says what of the book's indices does not follow from its records.
func (l *ledger) audit() error {
	fresh := ledgerOf((&Planner{ledger: l}).Input())
	fresh.refresh()
	if len(fresh.order) != len(l.order) || len(l.groupByID) != len(fresh.groupByID) || l.led != fresh.led || !reflect.DeepEqual(l.costs, fresh.costs) || !reflect.DeepEqual(l.prices, fresh.prices) {
		return fmt.Errorf("%d nodes, %d groups, %d led, want %d, %d, %d", len(l.order), len(l.groupByID), l.led, len(fresh.order), len(fresh.groupByID), fresh.led)
	}
	names := func(l *ledger, groups []int32) []ident.GroupID {
		ids := make([]ident.GroupID, 0)
		for _, g := range groups {
			ids = append(ids, l.groups[g].ID)
		}
		slices.Sort(ids)
		return ids
	}
	for i, n := range l.order {
		a, b := &l.nodes[n], &fresh.nodes[fresh.order[i]]
		if a.Node != b.Node || a.load != b.load || a.share.have != b.share.have || a.live != b.live || a.counts != b.counts ||
			!slices.Equal(names(l, a.hosted), names(fresh, b.hosted)) || !slices.Equal(names(l, a.leads), names(fresh, b.leads)) ||
			!slices.Equal(names(l, a.mentions), names(fresh, b.mentions)) {
			return fmt.Errorf("node %s is %+v, should be %+v", a.ID, a, b)
		}
	}
	for _, set := range [][2]*slotSet{{&l.needy, &fresh.needy}, {&l.leaderless, &fresh.leaderless}, {&l.crowded, &fresh.crowded}, {&l.frozen, &fresh.frozen}} {
		if a, b := names(l, set[0].slots), names(fresh, set[1].slots); !slices.Equal(a, b) {
			return fmt.Errorf("a set holds %v, should hold %v", a, b)
		}
	}
	return nil
}

// One node of many changes: what that costs, with the change itself.
func BenchmarkReplan(b *testing.B) {
	for _, c := range []struct{ nodes, groups int }{{100, 10_000}, {1000, 100_000}} {
		zone := c.nodes / 5
		p := plannerOf(planned(Input{Nodes: fleetOf(zone, zone, zone, zone, zone), Groups: newGroups(c.groups, 3)}))
		for _, change := range []struct {
			name     string
			to, back func()
		}{
			{"node-dead", func() { p.SetNode(Node{ID: 1, Zone: "z0", State: Dead}) }, func() { p.SetNode(Node{ID: 1, Zone: "z0", State: Active}) }},
			{"node-new", func() { p.SetNode(Node{ID: 5000, Zone: "z1", State: Active}) }, func() { p.RemoveNode(5000) }},
		} {
			b.Run(fmt.Sprintf("%s/%dx%d", change.name, c.groups, c.nodes), func(b *testing.B) {
				b.ReportAllocs()
				var moved int
				for b.Loop() {
					change.to()
					moved = len(p.Plan().Targets)
					change.back()
				}
				b.ReportMetric(float64(moved), "targets")
			})
		}
	}
}
