package placement

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// How even a fleet is that was filled from nothing, in thousandths of what would
// be fair by weight alone, and how much more than must moves with a node.
func TestFigures(t *testing.T) {
	for _, c := range []struct {
		zones            []int
		groups           int
		weights          []int
		members, leaders float64
	}{
		{[]int{2, 2, 2}, 60, []int{1}, 1.02, 1.05},
		{[]int{4, 4, 4}, 1000, []int{1}, 1.02, 1.05},
		{[]int{4, 4, 4}, 1000, []int{1, 1, 2, 4}, 1.02, 1.05},
		{[]int{20, 20, 20, 20, 20}, 10_000, []int{1}, 1.02, 1.05},
	} {
		t.Run(fmt.Sprint(c.zones, c.groups, c.weights), func(t *testing.T) {
			nodes, weight := fleetOf(c.zones...), 0
			for i := range nodes {
				nodes[i].Weight = c.weights[i%len(c.weights)]
				weight += nodes[i].Weight
			}
			in := planned(Input{Nodes: nodes, Groups: newGroups(c.groups, 3)})
			p := plannerOf(in)
			s := p.Skew()
			if s.TooFewZones.Count+s.BelowReplicas.Count != 0 {
				t.Errorf("%d groups in too few zones, %d too small", s.TooFewZones.Count, s.BelowReplicas.Count)
			}
			for _, n := range s.Nodes {
				share := float64(c.groups*n.Weight) / float64(weight)
				if over := float64(n.Members) / share / 3; over > c.members {
					t.Errorf("node %s has %.3f × its share of members", n.ID, over)
				}
				if over := float64(n.Leaders) / share; over > c.leaders {
					t.Errorf("node %s has %.3f × its share of leaders", n.ID, over)
				}
			}
			o := p.WhatIf(Change{Set: []Node{{ID: 5000, Zone: "z1", Weight: c.weights[0], State: Active}}})
			least := float64(o.After.Nodes[len(nodes)].MembersFair) / 1000
			if ratio := float64(o.MembersMoved) / least; ratio > 1.05 {
				t.Errorf("with a new node %.3f × the least moves", ratio)
			}
			o = p.WhatIf(Change{Remove: []ident.NodeID{1}})
			if ratio := float64(o.MembersMoved) / float64(s.Nodes[0].Members); ratio > 1.05 {
				t.Errorf("without a node %.3f × the least moves", ratio)
			}
			if o.After.MembersPermille > 1050 || o.After.TooFewZones.Count != 0 {
				t.Errorf("without a node: %+v", o.After)
			}
		})
	}
}

// Nodes come and go, and every plan is carried out: the fleet stays even, and
// hardly more moves than must.
func TestFortyJoinsAndLeaves(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	in := planned(Input{Nodes: fleetOf(34, 33, 33), Groups: newGroups(3000, 3)})
	p := plannerOf(in)
	nodes := in.Nodes
	worst, moved, least := int64(0), 0, 0.0
	for step := range 40 {
		if random.IntN(2) == 0 {
			n := Node{ID: ident.NodeID(1000 + step), Zone: fmt.Sprintf("z%d", random.IntN(3)), Weight: 1, State: Active}
			nodes = append(nodes, n)
			p.SetNode(n)
			for _, row := range p.Skew().Nodes {
				if row.ID == n.ID {
					least += float64(row.MembersFair) / 1000
				}
			}
		} else {
			i := random.IntN(len(nodes))
			for _, row := range p.Skew().Nodes {
				if row.ID == nodes[i].ID {
					least += float64(row.Members)
				}
			}
			p.RemoveNode(nodes[i].ID)
			nodes = append(nodes[:i:i], nodes[i+1:]...)
		}
		r := p.Plan()
		if step%8 == 0 && !reflect.DeepEqual(r, Plan(p.Input())) {
			t.Fatalf("step %d: the planner says what Plan does not say", step)
		}
		for _, m := range r.Moves {
			if m.Kind != Lead && m.To != 0 {
				moved++
			}
		}
		for _, target := range r.Targets {
			p.carryOut(target)
		}
		if again := p.Plan(); len(again.Targets) != 0 {
			t.Fatalf("step %d: planning the planned changes %+v", step, again.Targets[0])
		}
		worst = max(worst, p.Skew().MembersPermille)
	}
	t.Logf("seed %d: worst %d ‰ of the fair number, moved %.3f × the least", seed, worst, float64(moved)/least)
	if worst > 1050 || float64(moved) > 1.05*least {
		t.Errorf("seed %d: worst %d ‰ of the fair number, moved %d, least %.0f", seed, worst, moved, least)
	}
}
