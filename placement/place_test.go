package placement

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func emptyCensus() Census {
	return Census{Groups: make(map[int]int64), Members: make(map[ident.NodeID]int64), Leaders: make(map[ident.NodeID]int64)}
}

func (c Census) count(g Group) {
	c.Groups[g.replicas()] += g.cost()
	for _, id := range g.Members {
		c.Members[id] += g.cost()
	}
	c.Leaders[g.Leader]++
}

func TestPlaceNeedsANode(t *testing.T) {
	if target, ok := Place(setState(fleetOf(1), 1, Joining), Census{}, Group{ID: 2, Name: "g", Replicas: 3}, Policy{}); ok {
		t.Fatalf("%+v", target)
	}
	target, ok := Place(fleetOf(1), Census{}, Group{ID: 2, Name: "g", Replicas: 3}, Policy{})
	if !ok || len(target.Members) != 1 || target.Leader != 1 || target.Reason.Kind != Create {
		t.Fatalf("%+v, %t", target, ok)
	}
}

// The first group of a fleet is placed as Plan places it.
func TestPropertyPlaceIsPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		g := Group{ID: 2, Name: rapid.String().Draw(t, "name"), Replicas: rapid.IntRange(1, 5).Draw(t, "replicas")}
		target, ok := Place(nodes, Census{}, g, Policy{})
		in := Input{Nodes: nodes, Groups: []Group{g}}
		if !ok {
			if r := Plan(in); len(r.Targets) != 0 {
				t.Fatalf("not placed, but planned %+v", r)
			}
			return
		}
		in.Groups[0].Members, in.Groups[0].Leader = target.Members, target.Leader
		for _, further := range Plan(in).Targets {
			if further.Reason.Kind != Balance && further.Reason.Kind != Lead {
				t.Fatalf("placed %+v, then planned %+v", target, further)
			}
		}
	})
}

// Groups placed one after another need hardly a move afterwards.
func TestPropertyPlacedStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perZone := rapid.IntRange(1, 6).Draw(t, "nodes a zone")
		nodes := fleetOf(perZone, perZone, perZone)
		if rapid.Bool().Draw(t, "weights") {
			for i := range nodes {
				nodes[i].Weight = 1 + i%perZone%2
			}
		}
		in, census := Input{Nodes: nodes}, emptyCensus()
		for _, g := range newGroups(rapid.IntRange(1, 150).Draw(t, "groups"), 3) {
			target, ok := Place(nodes, census, g, Policy{})
			if !ok {
				t.Fatal("not placed")
			}
			g.Members, g.Leader = target.Members, target.Leader
			census.count(g)
			in.Groups = append(in.Groups, g)
		}
		if r := Plan(in); len(r.Targets) > len(nodes)/2+len(in.Groups)/20 {
			t.Fatalf("%d of %d groups move after they were placed: %+v", len(r.Targets), len(in.Groups), r.Targets)
		}
	})
}

func BenchmarkPlace(b *testing.B) {
	nodes, census := fleetOf(25, 25, 25, 25), emptyCensus()
	in := planned(Input{Nodes: nodes, Groups: newGroups(10_000, 3)})
	for _, g := range in.Groups {
		census.count(g)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Place(nodes, census, Group{ID: 1 << 20, Name: "new", Replicas: 3}, Policy{}); !ok {
			b.Fatal("not placed")
		}
	}
}
