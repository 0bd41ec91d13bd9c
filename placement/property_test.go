package placement

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-rendezvous"
	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func drawNodes(t *rapid.T) []Node {
	states := []State{Active, Active, Active, Active, Suspect, Joining, Draining, Dead, Inactive}
	if rapid.Bool().Draw(t, "all active") {
		states = states[:1]
	}
	zones, weights := rapid.IntRange(1, 4).Draw(t, "zones"), rapid.IntRange(1, 4).Draw(t, "weights")
	var nodes []Node
	for i := range rapid.IntRange(0, 12).Draw(t, "nodes") {
		nodes = append(nodes, Node{
			ID:     ident.NodeID(i+1) * 0x9e3779b97f4a7c15,
			Zone:   fmt.Sprint("z", rapid.IntRange(1, zones).Draw(t, "zone")),
			Weight: rapid.IntRange(1, weights).Draw(t, "weight"),
			State:  rapid.SampledFrom(states).Draw(t, "state"), Returned: len(states) > 1 && rapid.IntRange(0, 4).Draw(t, "returned") == 0,
		})
	}
	return nodes
}

// drawInput makes any input at all: members may be unknown, repeated, too many.
func drawInput(t *rapid.T) Input {
	in := Input{Nodes: drawNodes(t), Policy: Policy{
		MaxPerZone:  rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "max per zone"),
		MemberSlack: rapid.IntRange(0, 2).Draw(t, "member slack"),
		LeaderSlack: rapid.IntRange(0, 5).Draw(t, "leader slack"),
	}}
	ids := []ident.NodeID{77}
	for _, n := range in.Nodes {
		ids = append(ids, n.ID, n.ID, n.ID)
	}
	costs := rapid.SampledFrom([]int{1, 1, 5}).Draw(t, "costs")
	fresh := rapid.Bool().Draw(t, "new groups only")
	for i := range rapid.IntRange(0, 40).Draw(t, "groups") {
		g := Group{ID: ident.GroupID(i + 2), Name: fmt.Sprint("g", i),
			Replicas: rapid.IntRange(1, 5).Draw(t, "replicas"), Cost: rapid.IntRange(1, costs).Draw(t, "cost"), Resting: rapid.IntRange(0, 3).Draw(t, "resting") == 0}
		if !fresh {
			g.Members = rapid.SliceOfN(rapid.SampledFrom(ids), 0, 6).Draw(t, "members")
			if len(g.Members) > 0 {
				g.Leader = rapid.SampledFrom(append(g.Members, 0)).Draw(t, "leader")
			}
		}
		in.Groups = append(in.Groups, g)
	}
	return in
}

func nodeStates(nodes []Node) map[ident.NodeID]State {
	states := make(map[ident.NodeID]State)
	for _, n := range nodes {
		if states[n.ID] = n.State; n.State == Active && !n.gets() {
			states[n.ID] = Suspect // they are treated alike
		}
	}
	return states
}

func TestPropertyTargetsAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		r := Plan(in)
		states := nodeStates(in.Nodes)
		active := 0
		for _, n := range in.Nodes {
			if n.gets() {
				active++
			}
		}
		before := make(map[ident.GroupID]Group)
		for _, g := range in.Groups {
			before[g.ID] = g
		}
		for _, target := range r.Targets {
			g := before[target.Group]
			if !slices.IsSorted(target.Members) || len(slices.Compact(slices.Clone(target.Members))) != len(target.Members) {
				t.Fatalf("members %v are not sorted or repeat", target.Members)
			}
			if len(target.Members) == 0 || len(target.Members) > g.Replicas {
				t.Fatalf("%d members, %d wanted", len(target.Members), g.Replicas)
			}
			if len(target.Members) < min(g.Replicas, active) {
				t.Fatalf("%d members, %d wanted, %d nodes active", len(target.Members), g.Replicas, active)
			}
			if target.Leader != 0 && !slices.Contains(target.Members, target.Leader) {
				t.Fatalf("leader %s is not a member", target.Leader)
			}
			for _, id := range target.Members {
				state, known := states[id]
				if !known || state != Active && !slices.Contains(g.Members, id) {
					t.Fatalf("%s node %s (known %t) got group %s", state, id, known, g.Name)
				}
				if target.Leader == id && (state == Draining || state == Dead || state == Inactive) {
					t.Fatalf("%s node %s should lead", state, id)
				}
				if target.Leader == 0 && state == Active {
					t.Fatalf("active node %s could lead %s", id, g.Name)
				}
			}
			if target.Reason.Kind < Create || target.Reason.Kind > Lead || target.Reason.Text == "" {
				t.Fatalf("reason %+v", target.Reason)
			}
		}
	})
}

// A node that returned a short while ago is treated as a suspect one: it keeps what it
// has and gets nothing.
func TestPropertyAReturnedNodeIsTreatedAsASuspectOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		returned := drawInput(t)
		suspect := returned
		suspect.Nodes = slices.Clone(returned.Nodes)
		for i := range suspect.Nodes {
			if n := &suspect.Nodes[i]; n.State == Active && n.Returned {
				n.State, n.Returned = Suspect, false
			}
		}
		a, b := Plan(returned), Plan(suspect)
		same := slices.EqualFunc(a.Targets, b.Targets, func(a, b Target) bool {
			return a.Group == b.Group && slices.Equal(a.Members, b.Members) && a.Leader == b.Leader && a.Reason.Kind == b.Reason.Kind
		})
		if !same || !slices.Equal(a.Moves, b.Moves) {
			t.Fatalf("%+v\nwith suspect nodes: %+v", a.Targets, b.Targets)
		}
	})
}

func TestPropertyPlannedIsSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := planned(drawInput(t))
		if again := Plan(in).Targets; len(again) != 0 {
			t.Fatalf("planning the planned changes %+v\nof %+v", again, in)
		}
	})
}

func TestPropertyOrderMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		a := Plan(in)
		b := Plan(Input{
			Nodes:  rapid.Permutation(in.Nodes).Draw(t, "node order"),
			Groups: rapid.Permutation(in.Groups).Draw(t, "group order"),
			Policy: in.Policy,
		})
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\nin another order %+v", a, b)
		}
	})
}

// Every zone with an active node to spare has at most one member less than any
// zone from which an active member could go.
func TestPropertySpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		limit := in.Policy.MaxPerZone
		frozen := make(map[ident.GroupID]bool)
		r := Plan(in)
		for _, reason := range r.Infeasible {
			if reason.Kind == NoQuorum {
				frozen[reason.Group] = true
			}
		}
		for _, g := range carryOut(in, r).Groups {
			if frozen[g.ID] {
				continue
			}
			use := make(map[string]int)
			for _, n := range in.Nodes {
				if slices.Contains(g.Members, n.ID) {
					use[n.Zone]++
				}
			}
			for _, a := range in.Nodes {
				for _, b := range in.Nodes {
					if !a.gets() || !b.gets() || !slices.Contains(g.Members, a.ID) || slices.Contains(g.Members, b.ID) {
						continue
					}
					if limit == 0 && use[a.Zone] >= use[b.Zone]+2 || limit > 0 && use[a.Zone] > limit && use[b.Zone] < limit {
						t.Fatalf("group %+v uses %v: node %s could take the place of %s", g, use, b.ID, a.ID)
					}
				}
			}
		}
	})
}

// Every node is inside its bounds or the plan says that it is not.
func TestPropertyBoundsOrReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		said := make(map[ident.NodeID]bool)
		for _, reason := range Plan(in).Infeasible {
			if reason.Kind == Unbalanced {
				said[reason.From] = true
			}
		}
		l := ledgerOf(planned(in))
		l.refresh()
		for _, n := range l.active {
			node := &l.nodes[n]
			if outside := node.load.above() || node.load.under(); outside != said[node.ID] {
				t.Fatalf("node %s has %+v, outside %t, said %t", node.ID, node.load, outside, said[node.ID])
			}
		}
	})
}

// What is fair adds up to what there is to divide.
func TestPropertyFairSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "parts")
		weights, low, high := make([]uint64, n), make([]uint64, n), make([]uint64, n)
		var least, most uint64
		for i := range n {
			weights[i] = rapid.Uint64Range(1, MaxWeight).Draw(t, "weight")
			high[i] = rapid.Uint64Range(0, 1_000_000*unit).Draw(t, "high")
			low[i] = rapid.Uint64Range(0, high[i]).Draw(t, "low")
			least, most = least+low[i], most+high[i]
		}
		total := rapid.Uint64Range(least, most).Draw(t, "total")
		var sum uint64
		for i, part := range divide(total, weights, low, high) {
			if part < low[i] || part > high[i] {
				t.Fatalf("part %d is %d, not within [%d, %d]", i, part, low[i], high[i])
			}
			sum += part
		}
		if sum != total {
			t.Fatalf("the parts sum to %d, not %d", sum, total)
		}
	})
}

// Each move of a member makes the sum of have²/fair strictly smaller.
func TestPropertyEveryMoveGains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) account {
			return account{have: rapid.Int64Range(0, 1_000_000).Draw(t, name), fair: rapid.Uint64Range(1, 1_000_000*unit).Draw(t, name+" fair")}
		}
		from, to, cost := draw("from"), draw("to"), rapid.Int64Range(1, MaxCost).Draw(t, "cost")
		sum := func(a, b int64) *big.Rat {
			part := func(have int64, fair uint64) *big.Rat {
				square := new(big.Int).Mul(big.NewInt(have), big.NewInt(have))
				return new(big.Rat).SetFrac(square, new(big.Int).SetUint64(fair))
			}
			return new(big.Rat).Add(part(a, from.fair), part(b, to.fair))
		}
		falls := sum(from.have-cost, to.have+cost).Cmp(sum(from.have, to.have)) < 0
		if from.have >= cost && gains(from, to, cost) != falls {
			t.Fatalf("%+v gives %d to %+v: gains %t, the sum falls %t", from, cost, to, !falls, falls)
		}
	})
}

// A settled fleet loses a node: groups without a member there change only to
// restore the bounds.
func TestPropertyRemovalMovesItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perZone := rapid.IntRange(2, 4).Draw(t, "nodes a zone")
		in := planned(Input{Nodes: fleetOf(perZone, perZone, perZone), Groups: newGroups(rapid.IntRange(10, 100).Draw(t, "groups"), 3)})
		gone := in.Nodes[rapid.IntRange(0, len(in.Nodes)-1).Draw(t, "gone")].ID
		in.Nodes = slices.DeleteFunc(slices.Clone(in.Nodes), func(n Node) bool { return n.ID == gone })
		before := make(map[ident.GroupID][]ident.NodeID)
		for _, g := range in.Groups {
			before[g.ID] = g.Members
		}
		for _, target := range Plan(in).Targets {
			held := slices.Contains(before[target.Group], gone)
			if !held && target.Reason.Kind != Balance && target.Reason.Kind != Lead || held && target.Reason.Kind != Repair {
				t.Fatalf("held %t, target %+v", held, target)
			}
			moved := 0
			for _, id := range target.Members {
				if !slices.Contains(before[target.Group], id) {
					moved++
				}
			}
			if moved > 1 && held {
				t.Fatalf("%d members of %d moved for one that is gone", moved, target.Group)
			}
		}
	})
}

// A settled fleet gets a node: members move onto it and nowhere else.
func TestPropertyNewNodeAloneGets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perZone := rapid.IntRange(1, 4).Draw(t, "nodes a zone")
		in := planned(Input{Nodes: fleetOf(perZone, perZone, perZone), Groups: newGroups(rapid.IntRange(0, 100).Draw(t, "groups"), 3)})
		zone := rapid.SampledFrom([]string{"z0", "z1", "z2", "new"}).Draw(t, "zone")
		in.Nodes = append(slices.Clone(in.Nodes), Node{ID: 1000, Zone: zone, State: Active})
		before := make(map[ident.GroupID][]ident.NodeID)
		for _, g := range in.Groups {
			before[g.ID] = g.Members
		}
		for _, target := range Plan(in).Targets {
			for _, id := range target.Members {
				if id != 1000 && !slices.Contains(before[target.Group], id) {
					t.Fatalf("group %d got %s: %+v", target.Group, id, target)
				}
			}
		}
	})
}

func TestPropertyRankIsTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		name := rapid.String().Draw(t, "group")
		ranked := Rank(name, nodes)
		if again := Rank(name, rapid.Permutation(nodes).Draw(t, "order")); !slices.Equal(again, ranked) {
			t.Fatalf("%v, in another order %v", ranked, again)
		}
		byName, zones := make(map[string]Node), make(map[string]bool)
		for _, n := range nodes {
			if n.gets() {
				byName[n.ID.String()] = n
				zones[n.Zone] = true
			}
		}
		if len(ranked) != len(byName) {
			t.Fatalf("%d ranked of %d", len(ranked), len(byName))
		}
		if len(ranked) == 0 {
			return
		}
		var names []string
		for id := range byName {
			names = append(names, id)
		}
		slices.Sort(names)
		if top := rendezvous.New(names, xxhash.Sum64String).Lookup(name); top != ranked[0].String() {
			t.Fatalf("the library chooses %s, Rank %s", top, ranked[0])
		}
		first := make(map[string]bool)
		for _, id := range ranked[:len(zones)] {
			first[byName[id.String()].Zone] = true
		}
		if len(first) != len(zones) {
			t.Fatalf("the first %d of %v are in %d zones", len(zones), ranked, len(first))
		}
		// The planner's own mixing agrees: an empty fleet gives one group the
		// first of the ranking.
		r := Plan(Input{Nodes: nodes, Groups: []Group{{ID: 2, Name: name, Replicas: 1}}})
		if len(zones) == 1 && (len(r.Targets) != 1 || r.Targets[0].Leader != ranked[0]) {
			t.Fatalf("planned %+v, ranked %v", r, ranked)
		}
	})
}

// Every node leads as much as its bounds allow, or the plan says that it does not.
func TestPropertyLeadersInBoundsOrReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		said := make(map[ident.NodeID]bool)
		for _, reason := range Plan(in).Infeasible {
			if reason.Kind == LeaderSkew {
				said[reason.From] = true
			}
		}
		l := ledgerOf(planned(in))
		l.refresh()
		l.divideLeaders()
		for _, n := range l.active {
			node := &l.nodes[n]
			if outside := node.share.above() || node.share.under(); outside != said[node.ID] {
				t.Fatalf("node %s has %+v, outside %t, said %t", node.ID, node.share, outside, said[node.ID])
			}
		}
	})
}

// A member that is added to a group, where nothing but the score tells the nodes
// apart, goes to the library's choice.
func TestPropertyRepairTakesTheLibrarysChoice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := fleetOf(rapid.IntRange(2, 9).Draw(t, "nodes"))
		name := rapid.String().Draw(t, "group")
		var names []string
		for _, n := range nodes[1:] {
			names = append(names, n.ID.String())
		}
		r := Plan(Input{Nodes: nodes, Groups: []Group{{ID: 2, Name: name, Replicas: 2, Members: []ident.NodeID{1}, Leader: 1}}})
		want := rendezvous.New(names, xxhash.Sum64String).Lookup(name)
		if len(r.Moves) != 1 || r.Moves[0].To.String() != want {
			t.Fatalf("moves %+v, the library chooses %s", r.Moves, want)
		}
	})
}

// A group that rests is moved by nothing but what is more urgent than balance.
func TestPropertyRestingGroupsAreNotBalanced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		resting := make(map[ident.GroupID]bool)
		for _, g := range in.Groups {
			resting[g.ID] = g.Resting
		}
		for _, target := range Plan(in).Targets {
			if target.Reason.Kind == Balance && resting[target.Group] {
				t.Fatalf("%+v", target)
			}
		}
	})
}
