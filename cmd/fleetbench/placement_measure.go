package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

const placementReplicas = 3

// placementCase is a fleet to place groups on.
type placementCase struct {
	nodes, zones, groups int
	weights              []int // of the nodes of a zone in turn
}

func placementCases(quick bool) []placementCase {
	equal := []int{1}
	cases := []placementCase{
		{6, 3, 60, equal}, {12, 3, 1000, equal}, {12, 3, 1000, []int{1, 1, 2, 4}}, {100, 5, 10_000, equal},
	}
	if !quick {
		cases = append(cases, placementCase{100, 3, 100_000, equal}, placementCase{1000, 5, 100_000, equal})
	}
	return cases
}

func (c placementCase) weightsText() string {
	if len(c.weights) == 1 {
		return "equal"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(c.weights), " ", ","), "[]")
}

func (c placementCase) input(random *rand.Rand) placement.Input {
	var in placement.Input
	for i := range c.nodes {
		in.Nodes = append(in.Nodes, c.node(random, i%c.zones, c.weights[i/c.zones%len(c.weights)]))
	}
	for i := range c.groups {
		in.Groups = append(in.Groups, placement.Group{ID: ident.GroupID(i + 2), Name: fmt.Sprintf("group-%d", i), Replicas: placementReplicas, Epoch: 1})
	}
	return in
}

func (c placementCase) node(random *rand.Rand, zone, weight int) placement.Node {
	return placement.Node{ID: ident.NodeID(random.Uint64() | 1), Zone: fmt.Sprintf("zone-%d", zone), Weight: weight, State: placement.Active}
}

// placed is a fleet with its groups placed.
type placed struct {
	members map[ident.GroupID][]ident.NodeID
	leaders map[ident.GroupID]ident.NodeID
}

// placer is a rule at work: it places from nothing, and again after each change.
type placer interface {
	place(nodes []placement.Node) (placed, cost)
	reset()
}

func (c placementCase) measure(seed uint64) []placementRow {
	random := rand.New(rand.NewPCG(seed, uint64(c.nodes)))
	in := c.input(random)
	var added []placement.Node
	for z := range c.zones {
		added = append(added, c.node(random, z, c.weights[0]))
	}
	rules := []struct {
		name string
		is   placer
	}{{"planner", newPlannerRule(in)}, {"raft_fleet", rankRule{groups: in.Groups}}}
	var rows []placementRow
	for _, rule := range rules {
		row := placementRow{Nodes: c.nodes, Zones: c.zones, Groups: c.groups, Replicas: placementReplicas, Weights: c.weightsText(), Rule: rule.name}
		rows = append(rows, c.measureRule(row, rule.is, in.Nodes, added))
	}
	return rows
}

func (c placementCase) measureRule(row placementRow, rule placer, nodes, added []placement.Node) placementRow {
	cold, took := rule.place(nodes)
	row.ColdPlanMS, row.ColdPlanCPU = milliseconds(took.wall), milliseconds(took.cpu)
	members, leaders := cold.count()
	row.MemberMaxOverShare = maxOver(nodes, members, weightShares(nodes, c.groups*placementReplicas))
	row.LeaderMaxOverShare = maxOver(nodes, leaders, weightShares(nodes, c.groups))
	row.GroupsInTooFewZones = inTooFewZones(nodes, cold)
	changed := func(nodes []placement.Node, member, leader, moved *float64, least func(targets map[ident.NodeID]float64) float64) {
		after, took := rule.place(nodes)
		row.ReplanMS, row.ReplanCPU = max(row.ReplanMS, milliseconds(took.wall)), max(row.ReplanCPU, milliseconds(took.cpu))
		targets, leads := fairTargets(nodes, after)
		members, leaders := after.count()
		*member = max(*member, maxOver(nodes, members, targets))
		*leader = max(*leader, maxOver(nodes, leaders, leads))
		*moved = max(*moved, float64(moves(cold, after))/least(targets))
		row.GroupsInTooFewZones = max(row.GroupsInTooFewZones, inTooFewZones(nodes, after))
		rule.reset()
	}
	for z := range c.changes() {
		changed(append(slices.Clone(nodes), added[z]), &row.MemberMaxOverTargetAdd, &row.LeaderMaxOverTargetAdd, &row.MovedAddOverLeast,
			func(targets map[ident.NodeID]float64) float64 { return targets[added[z].ID] })
		changed(slices.Delete(slices.Clone(nodes), z, z+1), &row.MemberMaxOverTargetRemove, &row.LeaderMaxOverTargetRemove, &row.MovedRemoveOverLeast,
			func(map[ident.NodeID]float64) float64 { return members[nodes[z].ID] })
	}
	return row
}

// changes is how many zones get and lose a node: fewer where that takes long.
func (c placementCase) changes() int {
	if c.groups < 100_000 {
		return c.zones
	}
	return min(c.zones, 2)
}

// cost is what something took; as a point in time, what was used until then.
type cost struct{ wall, cpu time.Duration }

var started = time.Now()

func costNow() cost { return cost{time.Since(started), cpuTime()} }

func (c cost) till(end cost) cost { return cost{end.wall - c.wall, end.cpu - c.cpu} }
func (c cost) least(o cost) cost  { return cost{min(c.wall, o.wall), min(c.cpu, o.cpu)} }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (p placed) count() (members, leaders map[ident.NodeID]float64) {
	members, leaders = make(map[ident.NodeID]float64), make(map[ident.NodeID]float64)
	for g, on := range p.members {
		for _, n := range on {
			members[n]++
		}
		leaders[p.leaders[g]]++
	}
	return members, leaders
}

// moves counts members that are where they were not.
func moves(before, after placed) int {
	moved := 0
	for g, on := range after.members {
		for _, n := range on {
			if !slices.Contains(before.members[g], n) {
				moved++
			}
		}
	}
	return moved
}

func weightShares(nodes []placement.Node, total int) map[ident.NodeID]float64 {
	weight := 0
	for _, n := range nodes {
		weight += n.Weight
	}
	shares := make(map[ident.NodeID]float64)
	for _, n := range nodes {
		shares[n.ID] = float64(total) * float64(n.Weight) / float64(weight)
	}
	return shares
}

// fairTargets is what is fair for each node that holds what it holds.
func fairTargets(nodes []placement.Node, now placed) (members, leaders map[ident.NodeID]float64) {
	p := placement.NewPlanner(placement.Policy{})
	for _, n := range nodes {
		p.SetNode(n)
	}
	for g, on := range now.members {
		p.SetGroup(placement.Group{ID: g, Name: g.String(), Replicas: placementReplicas, Members: on, Leader: now.leaders[g]})
	}
	members, leaders = make(map[ident.NodeID]float64), make(map[ident.NodeID]float64)
	for _, n := range p.Skew().Nodes {
		members[n.ID], leaders[n.ID] = float64(n.MembersFair)/1000, float64(n.LeadersFair)/1000
	}
	return members, leaders
}

func maxOver(nodes []placement.Node, have, fair map[ident.NodeID]float64) float64 {
	most := 0.0
	for _, n := range nodes {
		most = max(most, have[n.ID]/max(fair[n.ID], 1e-3))
	}
	return most
}

func inTooFewZones(nodes []placement.Node, p placed) int {
	zones, of := make(map[string]bool), make(map[ident.NodeID]string)
	for _, n := range nodes {
		zones[n.Zone], of[n.ID] = true, n.Zone
	}
	few := 0
	for _, on := range p.members {
		used := make(map[string]bool)
		for _, n := range on {
			used[of[n]] = true
		}
		if len(used) < min(len(zones), placementReplicas) {
			few++
		}
	}
	return few
}
