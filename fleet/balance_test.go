package fleet_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
)

func membersOn(t *testing.T, n *fleet.Node, name string) int {
	t.Helper()
	nodes, err := n.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range nodes {
		if v.Name == name {
			return v.Members
		}
	}
	return 0
}

func balance(t *testing.T, n *fleet.Node) view.Balance {
	t.Helper()
	b, err := n.Balance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// While moves are paused nothing begins, and every node says so; when they are resumed
// what was put off is done, and the fleet says that it is balanced.
func TestPausedMovesWait(t *testing.T) {
	t.Parallel()
	nodes := []*fleet.Node{activate(t, "z1", testConfig(t, "n1"))}
	for i := range 2 {
		nodes = append(nodes, activate(t, fmt.Sprint("z", i+2), testConfig(t, fmt.Sprintf("n%d", i+2), nodes[0].GossipAddr())))
	}
	for i := range 12 {
		if err := nodes[0].AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[1].Pause(t.Context(), "ana", "upgrade of the disks"); err != nil {
		t.Fatal(err)
	}
	nodes = append(nodes, activate(t, "z1", testConfig(t, "n4", nodes[0].GossipAddr())))
	for _, n := range nodes {
		eventually(t, "the pause to be known", func() bool {
			b := balance(t, n)
			return b.State == view.BalancePaused && b.Pause != nil && b.Pause.By == "ana" && strings.Contains(b.Why, "upgrade of the disks") && b.Left > 0
		})
	}
	s, err := nodes[2].Status(t.Context())
	if err != nil || !slices.ContainsFunc(s.Problems, func(p view.Problem) bool { return p.Kind == "moves_paused" }) {
		t.Errorf("the status does not tell of the pause: %+v, %v", s.Problems, err)
	}
	if n := membersOn(t, nodes[0], "n4"); n != 0 {
		t.Errorf("the new node has %d members although moves are paused", n)
	}
	if err := nodes[3].Resume(t.Context(), "ana"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new node to get members", func() bool { return membersOn(t, nodes[0], "n4") > 0 })
	for _, n := range nodes {
		var b view.Balance
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("node %s says %+v", n.Name(), b)
			}
		})
		eventually(t, "the fleet to be balanced", func() bool { b = balance(t, n); return b.State == view.BalanceDone && b.Left == 0 })
	}
	moves, err := nodes[0].Moves(t.Context(), 0)
	if err != nil || len(moves) != 0 {
		t.Errorf("a balanced fleet moves %+v, %v", moves, err)
	}
	if plan, err := nodes[0].Plan(t.Context(), 0); err != nil || len(plan) != 0 {
		t.Errorf("a balanced fleet plans %+v, %v", plan, err)
	}
	for i := range 12 {
		mustAdd(t, nodes[i%4], fmt.Sprintf("g%d", i), 1, 1)
	}
}

// Limits are the fleet's: set through one node, they are known to all, and a wrong one
// changes nothing.
func TestLimitsAreTheFleets(t *testing.T) {
	t.Parallel()
	a := activate(t, "z1", testConfig(t, "n1"))
	b := activate(t, "z2", testConfig(t, "n2", a.GossipAddr()))
	limit := func(n *fleet.Node, name string) view.BalanceLimit {
		t.Helper()
		limits, err := n.Limits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(limits, func(l view.BalanceLimit) bool { return l.Name == name })
		if i < 0 {
			t.Fatalf("no limit %q in %+v", name, limits)
		}
		return limits[i]
	}
	err := a.SetLimits(t.Context(), map[string]string{"moves": "9", "rest": "soon"})
	if !errors.Is(err, group.ErrInvalidArgument) || !strings.Contains(err.Error(), "rest") || limit(a, "moves").Set {
		t.Fatalf("a wrong limit: %v; moves are %+v", err, limit(a, "moves"))
	}
	if err := a.SetLimits(t.Context(), map[string]string{"moves": "9", "rest": "1h"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both limits to be known", func() bool {
		moves, rest := limit(b, "moves"), limit(b, "rest")
		return moves.Value == "9" && moves.Set && rest.Value == "1h0m0s" && rest.Default != rest.Value
	})
	if err := b.SetLimits(t.Context(), map[string]string{"moves": ""}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the default to hold again", func() bool { l := limit(a, "moves"); return !l.Set && l.Value == l.Default })
}

// What a fleet tells of its balance: who has how much, why a group is where it is, and
// what would follow if nodes came and went. It only tells: nothing changes.
func TestSkewExplainAndWhatIf(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 4, 2)
	for i := range 12 {
		if err := nodes[0].AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 2, counterType); err != nil {
			t.Fatal(err)
		}
	}
	n := nodes[2]
	eventually(t, "the fleet to be balanced", func() bool { b := balance(t, n); return b.State == view.BalanceDone && b.Left == 0 })
	s, err := n.Skew(t.Context())
	if err != nil || len(s.Nodes) != 4 || len(s.Zones) != 2 || s.FewGroups+s.FewZones != 0 || s.MemberMax > 1.34 {
		t.Errorf("skew %+v, %v", s, err)
	}
	members := 0
	for _, row := range s.Nodes {
		if members += row.Members; row.Share != 6 {
			t.Errorf("%+v: its share of 24 members on 4 nodes is 6", row)
		}
	}
	if members != 24 {
		t.Errorf("%d members of 24 are accounted for", members)
	}
	x, err := n.Explain(t.Context(), "g3")
	if err != nil || len(x.Candidates) != 4 || len(x.Members) != 2 || x.Next != "" {
		t.Fatalf("explanation %+v, %v", x, err)
	}
	for _, c := range x.Candidates {
		if c.Why == "" || c.Member != slices.Contains(x.Members, c.Node) || c.Rank < 1 || c.Rank > 4 {
			t.Errorf("candidate %+v", c)
		}
	}
	if _, err := n.Explain(t.Context(), "nothing"); !errors.Is(err, fleet.ErrNoGroup) {
		t.Errorf("a group that does not exist: %v", err)
	}
	o, err := n.WhatIf(t.Context(), view.WhatIf{Remove: []string{"n1"}})
	if err != nil || o.MembersMoved != 0 || o.QuorumsLost != 6 || len(o.LoseQuorum) != 6 {
		t.Errorf("without n1, where 6 groups of two have a member each: %+v, %v", o, err)
	}
	o, err = n.WhatIf(t.Context(), view.WhatIf{Drain: []string{"n2"}, Add: []view.WhatIfNode{{Zone: "zone-1", Count: 2}}})
	if err != nil || o.MembersMoved < 4 || len(o.After.Nodes) != 6 || len(o.LoseQuorum) != 0 {
		t.Errorf("with n2 drained and two more: %+v, %v", o, err)
	}
	for _, move := range o.Moves {
		if slices.Contains(move.To, "n2") {
			t.Errorf("%+v goes to a node that is drained", move)
		}
	}
	for _, bad := range []view.WhatIf{{}, {ZoneDown: []string{"zone-9"}}, {Add: []view.WhatIfNode{{Zone: "z", Count: -1}}}, {Weights: map[string]int{"n1": 0}}} {
		if _, err := n.WhatIf(t.Context(), bad); !errors.Is(err, group.ErrInvalidArgument) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := n.WhatIf(t.Context(), view.WhatIf{Remove: []string{"n77"}}); !errors.Is(err, fleet.ErrNoNode) {
		t.Errorf("a node that does not exist: %v", err)
	}
	if again, err := n.Skew(t.Context()); err != nil || !slices.Equal(again.Nodes, s.Nodes) {
		t.Errorf("asking changed something: %+v, %v", again, err)
	}
}

// A question tells that the catalogue would have no quorum, or that the brake would hold:
// nothing would move then, whatever there is to move.
func TestWhatIfKnowsTheCatalogueAndTheBrake(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 5, 1)
	nodes = append(nodes, activate(t, "zone-1", testConfig(t, "n6", nodes[0].GossipAddr())), activate(t, "zone-1", testConfig(t, "n7", nodes[0].GossipAddr())))
	for i := range 6 {
		if err := nodes[0].AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	var voters, others []string
	eventually(t, "five voters of the catalogue, a zone with two at most", func() bool {
		voters, others = nil, nil
		s, err := nodes[0].GroupStatus(t.Context(), "catalogue")
		for _, m := range s.Members {
			if m.Role == "learner" {
				others = append(others, m.Node)
			} else {
				voters = append(voters, m.Node)
			}
		}
		return err == nil && len(voters) == 5 && len(others) == 2
	})
	ask := func(q view.WhatIf) view.Outcome {
		t.Helper()
		o, err := nodes[1].WhatIf(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	// On a busy machine a node may not be heard for a moment, which counts too.
	told := func(what string, q view.WhatIf, is func(view.Outcome) bool) {
		t.Helper()
		var o view.Outcome
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s: held by %q, for %v s, without a quorum %v, problems %+v", what, o.Held, o.ETA, o.LoseQuorum, o.Problems)
			}
		})
		eventually(t, what, func() bool { o = ask(q); return is(o) })
	}
	slices.Sort(voters[:3])
	lost := "3 of the 5 voters of the catalogue are gone: " + strings.Join(voters[:3], ", ")
	told("without three voters nothing can be decided", view.WhatIf{Remove: voters[:3]}, func(o view.Outcome) bool {
		return o.Held == lost+"; nothing can be decided any more" && o.ETA == 0 && len(o.LoseQuorum) > 0 && o.LoseQuorum[0] == "catalogue" && o.QuorumsLost == len(o.LoseQuorum) &&
			o.Problems[0].Kind == "catalogue_no_leader" && strings.HasPrefix(o.Problems[0].Reason, lost) && o.Problems[0].Remedy != ""
	})
	told("without one voter it goes on", view.WhatIf{Remove: voters[:1]}, func(o view.Outcome) bool {
		return o.Held == "" && !slices.Contains(o.LoseQuorum, "catalogue")
	})
	told("without a zone the brake holds", view.WhatIf{ZoneDown: []string{"zone-1"}}, func(o view.Outcome) bool {
		return strings.HasPrefix(o.Held, "all 2 nodes of zone zone-1 are gone")
	})
	told("what is drained is not held", view.WhatIf{Drain: others}, func(o view.Outcome) bool { return o.Held == "" })
	if err := nodes[0].Pause(t.Context(), "ana", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a question to know of the pause", func() bool { return ask(view.WhatIf{Drain: others}).Held == "moves are paused by ana" })
}

func TestWhatIfTheOnlyNodeIsGone(t *testing.T) {
	t.Parallel()
	n := startFleet(t, 1, 1)[0]
	o, err := n.WhatIf(t.Context(), view.WhatIf{Remove: []string{"n1"}})
	if err != nil || !slices.Equal(o.LoseQuorum, []string{"catalogue"}) || o.Held != "the only voter of the catalogue is gone: n1; nothing can be decided any more" {
		t.Errorf("held by %q, without a quorum %v, %v", o.Held, o.LoseQuorum, err)
	}
}
