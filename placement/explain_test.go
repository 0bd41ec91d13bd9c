package placement

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func verdicts(x Explanation) map[ident.NodeID]Verdict {
	found := make(map[ident.NodeID]Verdict)
	for _, c := range x.Candidates {
		found[c.ID] = c.Verdict
	}
	return found
}

func TestExplainKnowsNoGroup(t *testing.T) {
	if _, ok := NewPlanner(Policy{}).Explain(7); ok {
		t.Fatal("explained a group that is not there")
	}
}

func TestExplain(t *testing.T) {
	nodes := fleetOf(2, 2, 2, 1)
	nodes = setState(setState(nodes, 2, Dead), 7, Suspect)
	p := plannerOf(Input{Nodes: nodes, Groups: []Group{
		{ID: 7, Name: "g", Replicas: 3, Epoch: 4, Members: []ident.NodeID{2, 3, 99}, Leader: 3, Voters: []ident.NodeID{3}},
		{ID: 8, Name: "lost", Replicas: 3, Members: []ident.NodeID{2, 98, 1}},
	}})
	x, ok := p.Explain(7)
	if !ok || x.Target == nil || x.Target.Epoch != 5 || x.Target.Reason.Kind != Repair || len(x.Candidates) != 8 {
		t.Fatalf("%+v", x)
	}
	got := verdicts(x)
	for id, want := range map[ident.NodeID]Verdict{1: VerdictAdded, 2: VerdictLeaves, 3: VerdictKept, 4: VerdictSpread, 7: VerdictState, 99: VerdictUnknown} {
		if got[id] != want {
			t.Errorf("node %d: %s, want %s", id, got[id], want)
		}
	}
	// Of zone z2's two nodes one gets a member and the other hears why it does not.
	chosen, other := ident.NodeID(5), ident.NodeID(6)
	if got[6] == VerdictAdded {
		chosen, other = other, chosen
	}
	if got[chosen] != VerdictAdded || got[other] != VerdictScore && got[other] != VerdictSpread {
		t.Errorf("nodes %d and %d: %s, %s", chosen, other, got[chosen], got[other])
	}
	for i, c := range x.Candidates {
		if c.Rank != i+1 || c.Why == "" || i > 0 && c.Score > x.Candidates[i-1].Score {
			t.Errorf("candidate %+v at %d", c, i)
		}
	}
	lost, _ := p.Explain(8)
	if got := verdicts(lost); lost.Target != nil || got[1] != VerdictKept || got[4] != VerdictFrozen {
		t.Errorf("a group without a quorum: %+v", lost)
	}
	text, err := json.Marshal(x)
	if err != nil || !strings.Contains(string(text), `"members_fair_milli"`) || !strings.Contains(string(text), `"zone_use"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestExplainSettled(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(3, 3, 3), Groups: newGroups(30, 3)})
	in.Nodes = append(in.Nodes, Node{ID: 50, Zone: "z0", Weight: 1, State: Joining})
	p := plannerOf(in)
	seen := make(map[Verdict]int)
	for _, g := range in.Groups {
		x, _ := p.Explain(g.ID)
		chosen := 0
		for _, c := range x.Candidates {
			seen[c.Verdict]++
			if c.Chosen {
				chosen++
			}
			if c.Leads != (c.ID == g.Leader) || c.Holds != slices.Contains(g.Members, c.ID) {
				t.Errorf("%+v of %+v", c, g)
			}
		}
		if x.Target != nil || chosen != 3 {
			t.Errorf("%d chosen, target %+v", chosen, x.Target)
		}
	}
	if seen[VerdictKept] != 90 || seen[VerdictState] != 30 || seen[VerdictSpread]+seen[VerdictSettled] != 180 {
		t.Errorf("verdicts %v", seen)
	}
}

// Of a node that returned a short while ago it is said that this is why it gets nothing.
func TestExplainANodeThatReturned(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(3, 3, 3), Groups: newGroups(30, 3)})
	in.Nodes[0].Returned = true
	x, _ := plannerOf(in).Explain(in.Groups[0].ID)
	for _, c := range x.Candidates {
		if c.ID != in.Nodes[0].ID {
			continue
		}
		if want := map[bool]Verdict{true: VerdictKept, false: VerdictState}[c.Holds]; c.Verdict != want || !strings.Contains(c.Why, "back for a short while") {
			t.Errorf("%+v", c)
		}
	}
}
