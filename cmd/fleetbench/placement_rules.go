package main

import (
	"cmp"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// plannerRule is the planner with its memory. The first plan is committed; those
// that follow are made from it and taken back.
type plannerRule struct {
	in      placement.Input
	planner *placement.Planner
	nodes   []placement.Node // committed
	now     []placement.Node // told to the planner
	base    placed
}

func newPlannerRule(in placement.Input) *plannerRule { return &plannerRule{in: in} }

func (r *plannerRule) place(nodes []placement.Node) (placed, cost) {
	if r.planner == nil {
		return r.cold()
	}
	var plan placement.Result
	took := cost{wall: math.MaxInt64, cpu: math.MaxInt64}
	for range 3 { // the fastest counts: others want the processor too
		r.tell(r.nodes)
		r.planner.Plan()
		since := costNow()
		r.tell(nodes)
		plan = r.planner.Plan()
		took = took.least(since.till(costNow()))
	}
	after := placed{make(map[ident.GroupID][]ident.NodeID, len(r.base.members)), make(map[ident.GroupID]ident.NodeID, len(r.base.members))}
	for g, on := range r.base.members {
		after.members[g], after.leaders[g] = on, r.base.leaders[g]
	}
	for _, t := range plan.Targets {
		after.members[t.Group], after.leaders[t.Group] = t.Members, t.Leader
	}
	return after, took
}

func (r *plannerRule) reset() { r.tell(r.nodes) }

func (r *plannerRule) tell(nodes []placement.Node) {
	for _, n := range r.now {
		if !slices.Contains(nodes, n) {
			r.planner.RemoveNode(n.ID)
		}
	}
	for _, n := range nodes {
		r.planner.SetNode(n)
	}
	r.now = nodes
}

func (r *plannerRule) cold() (placed, cost) {
	since := costNow()
	plan := placement.Plan(r.in)
	took := since.till(costNow())
	r.base = placed{make(map[ident.GroupID][]ident.NodeID), make(map[ident.GroupID]ident.NodeID)}
	for _, t := range plan.Targets {
		r.base.members[t.Group], r.base.leaders[t.Group] = t.Members, t.Leader
	}
	r.planner, r.nodes = placement.NewPlanner(r.in.Policy), r.in.Nodes
	r.tell(r.in.Nodes)
	for _, g := range r.in.Groups {
		g.Members, g.Leader = r.base.members[g.ID], r.base.leaders[g.ID]
		r.planner.SetGroup(g)
	}
	r.planner.Plan()
	return r.base, took
}

// rankRule is raft_fleet's: in each zone nodes are ranked by a hash of node and
// group; all are sorted by rank, then by hash; the first n are the members, the
// first is the leader. It knows no weights and no memory.
type rankRule struct{ groups []placement.Group }

type ranked struct {
	node ident.NodeID
	zone string
	rank int
	hash uint64
}

func (rankRule) reset() {}

func (r rankRule) place(nodes []placement.Node) (placed, cost) {
	since := costNow()
	p := placed{make(map[ident.GroupID][]ident.NodeID, len(r.groups)), make(map[ident.GroupID]ident.NodeID, len(r.groups))}
	zones := make(map[string][]int)
	hashes := make([]uint64, len(nodes))
	for i, n := range nodes {
		zones[n.Zone] = append(zones[n.Zone], i)
		hashes[i] = xxhash.Sum64String(n.ID.String())
	}
	for _, g := range r.groups {
		hash := xxhash.Sum64String(g.Name)
		var best []ranked
		for zone, in := range zones {
			best = append(best, bestOf(zone, in, nodes, func(i int) uint64 { return mix(hash ^ hashes[i]) }, g.Replicas)...)
		}
		slices.SortFunc(best, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.hash, a.hash)) })
		for _, b := range best[:min(len(best), g.Replicas)] {
			p.members[g.ID] = append(p.members[g.ID], b.node)
		}
		p.leaders[g.ID] = best[0].node
	}
	return p, since.till(costNow())
}

// bestOf is the n nodes of a zone with the greatest hashes, ranked.
func bestOf(zone string, in []int, nodes []placement.Node, hash func(i int) uint64, n int) []ranked {
	top := make([]ranked, 0, n+1)
	for _, i := range in {
		h := hash(i)
		if len(top) == n && h <= top[n-1].hash {
			continue
		}
		at := slices.IndexFunc(top, func(r ranked) bool { return h > r.hash })
		if at < 0 {
			at = len(top)
		}
		top = slices.Insert(top, at, ranked{node: nodes[i].ID, zone: zone, hash: h})
		top = top[:min(len(top), n)]
	}
	for rank := range top {
		top[rank].rank = rank
	}
	return top
}

// mix spreads the bits of two hashes (xorshift*).
func mix(x uint64) uint64 {
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	return x * 2685821657736338717
}
