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
