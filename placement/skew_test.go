package placement

import (
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func TestSkewOfASettledFleet(t *testing.T) {
	s := plannerOf(planned(Input{Nodes: fleetOf(2, 2, 2), Groups: newGroups(60, 3)})).Skew()
	if s.MembersPermille != 1000 || s.LeadersPermille != 1000 || s.Groups != 60 || len(s.Nodes) != 6 || len(s.Zones) != 3 ||
		s.BelowReplicas.Count+s.TooFewZones.Count+s.NoQuorum.Count+len(s.Infeasible) != 0 {
		t.Fatalf("%+v", s)
	}
	for _, z := range s.Zones {
		if z.Members != 60 || z.MembersFair != 60_000 || z.Leaders != 20 || z.MembersPermille != 1000 || z.Nodes != 2 || z.Weight != 2 {
			t.Errorf("%+v", z)
		}
	}
}

func TestSkewCountsWhatIsWrong(t *testing.T) {
	nodes := append(setState(fleetOf(2, 2, 2), 1, Dead), Node{ID: 30, Zone: "z9", State: Inactive})
	s := plannerOf(Input{Nodes: nodes, Groups: []Group{
		{ID: 2, Name: "below", Replicas: 3, Members: []ident.NodeID{1, 3, 5}, Leader: 1},
		{ID: 3, Name: "narrow", Replicas: 3, Members: []ident.NodeID{3, 4, 5}, Leader: 3},
		{ID: 4, Name: "lost", Replicas: 3, Members: []ident.NodeID{1, 77, 5}, Leader: 1},
		{ID: 5, Name: "new", Replicas: 1},
	}}).Skew()
	if s.BelowReplicas.Count != 3 || s.TooFewZones.Count != 4 || s.NoQuorum.Count != 1 || s.NoQuorum.First[0] != 4 {
		t.Errorf("%+v", s)
	}
	if s.Nodes[0].ID != 1 || s.Nodes[0].Members != 2 || s.Nodes[0].Leaders != 2 || s.Nodes[0].MembersFair != 0 {
		t.Errorf("the dead node: %+v", s.Nodes[0])
	}
	if len(s.Infeasible) == 0 || s.Infeasible[0].Kind != NoQuorum {
		t.Errorf("infeasible %+v", s.Infeasible)
	}
}

func TestWhatIf(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(2, 2, 2), Groups: newGroups(60, 3)})
	p := plannerOf(in)
	held := membersOf(in)[1]

	o := p.WhatIf(Change{Remove: []ident.NodeID{1, 500}, ZonesDown: []string{"nowhere"}})
	if o.MembersMoved != held || o.GroupsChanged < held || o.LosesQuorum.Count+o.LosesSpread.Count != 0 ||
		len(o.UnknownNodes) != 1 || len(o.UnknownZones) != 1 || o.Before.MembersPermille != 1000 || o.After.BelowReplicas.Count != 0 {
		t.Errorf("a node fails: %+v", o)
	}
	if o = p.WhatIf(Change{ZonesDown: []string{"z0"}}); o.LosesSpread.Count != 60 || o.LosesQuorum.Count != 0 || len(o.LosesSpread.First) != 60 ||
		o.MembersMoved != 60 {
		t.Errorf("a zone fails: %+v", o)
	}
	if o = p.WhatIf(Change{ZonesDown: []string{"z0", "z1"}}); o.LosesQuorum.Count != 60 || o.MembersMoved != 0 {
		t.Errorf("two zones fail: %+v", o)
	}
	if o = p.WhatIf(Change{Set: []Node{{ID: 40, Zone: "z3", Weight: 1, State: Active}}}); o.MembersMoved == 0 || o.LosesSpread.Count != 0 || len(o.After.Zones) != 4 {
		t.Errorf("a zone comes: %+v", o)
	}
	if again := p.Plan(); len(again.Targets) != 0 || len(p.Input().Nodes) != 6 {
		t.Errorf("asking what if left a trace: %+v", again)
	}
}

func TestWhatIfANodeThatFailsDoesSoWhateverElseIsAskedOfIt(t *testing.T) {
	in := planned(Input{Nodes: fleetOf(2, 2, 2), Groups: newGroups(60, 3)})
	p, held := plannerOf(in), membersOf(in)[1]
	set := []Node{{ID: 1, Zone: in.Nodes[0].Zone, Weight: 5, State: Active}}
	for what, c := range map[string]Change{
		"removed":             {Remove: []ident.NodeID{1}, Set: set},
		"in a zone that fell": {ZonesDown: []string{in.Nodes[0].Zone}, Set: set},
	} {
		o := p.WhatIf(c)
		if o.MembersMoved < held || o.After.Nodes[0].ID != 1 || o.After.Nodes[0].State != Dead || o.After.Nodes[0].Members != 0 {
			t.Errorf("%s and weighed: %d members move, node 1 is %+v", what, o.MembersMoved, o.After.Nodes[0])
		}
	}
	come := []Node{{ID: 40, Zone: "z3", Weight: 1, State: Active}}
	if o := p.WhatIf(Change{Set: come, ZonesDown: []string{"z3"}}); o.GroupsChanged != 0 || len(o.UnknownZones) != 0 {
		t.Errorf("a zone comes and fails: %+v", o)
	}
}
