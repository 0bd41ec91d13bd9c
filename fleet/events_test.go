package fleet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
)

// eventsOf are the events of some kind of all nodes.
func eventsOf(t *testing.T, nodes []*fleet.Node, kind string) []view.Event {
	t.Helper()
	var out []view.Event
	for _, n := range nodes {
		events, err := n.Events(t.Context(), 0, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == kind {
				out = append(out, e)
			}
		}
	}
	return out
}

// While moves are paused a leader does not give way to the preferred one. That it would
// is not told as if it did; when the pause ends it does, and is told.
func TestATransferThatIsHeldIsNotToldAsAStep(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 3, 3)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, nodes[0], "g", 1, 1)
	status := func() view.GroupStatus {
		s, err := nodes[0].GroupStatus(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	named := func(name string) *fleet.Node {
		for _, n := range nodes {
			if n.Name() == name {
				return n
			}
		}
		t.Fatalf("no node %q", name)
		return nil
	}
	preferred := func() (steps int) {
		for _, e := range eventsOf(t, nodes, "move_step") {
			if e.Group == "g" && strings.Contains(e.Detail, "preferred leader") {
				steps++
				if strings.Count(e.Detail, "node "+status().Preferred+":") != 1 {
					t.Errorf("a step names no node: %s", e.Detail)
				}
			}
		}
		return steps
	}
	eventually(t, "the preferred leader to lead", func() bool { s := status(); return s.Leader == s.Preferred })
	before := preferred()
	if err := nodes[0].Pause(t.Context(), "ana", ""); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		eventually(t, "the pause to be known", func() bool { return balance(t, n).State == view.BalancePaused })
	}
	named(status().Preferred).GiveLeadershipAway()
	var leader *fleet.Node
	eventually(t, "another leader that would give way", func() bool {
		leader = nil
		if s := status(); s.Leader != "" && s.Leader != s.Preferred {
			leader = named(s.Leader)
		}
		return leader != nil && leader.WaitsToGiveWay() == 1
	})
	for range 3 {
		leader.LookAt(t.Context(), "g")
	}
	if told := preferred() - before; told != 0 {
		t.Errorf("%d events tell of a transfer while moves are paused", told)
	}
	eventually(t, "its next step to be told as one that waits", func() bool {
		s := status()
		if s.Leader == "" {
			return false
		}
		step, err := named(s.Leader).StepOf(t.Context(), "g")
		return err == nil && strings.HasPrefix(step, "wait until leaders may change: ")
	})
	if err := nodes[0].Resume(t.Context(), "ana"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the preferred leader to lead", func() bool { s := status(); return s.Leader == s.Preferred })
	if preferred() == before {
		t.Error("no event tells of the transfer")
	}
}

// A target that the catalogue passes over, since the group changed meanwhile, begins no move.
func TestATargetThatIsSkippedIsNotToldAsAMove(t *testing.T) {
	t.Parallel()
	n := startFleet(t, 1, 1)[0]
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
		t.Fatal(err)
	}
	s, err := n.GroupStatus(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.CarryOut(t.Context(), catalogue.Target{Group: s.GroupID, IfEpoch: 1 << 40, Members: []fleet.NodeID{n.ID()}}); err != nil {
		t.Fatal(err)
	}
	for _, e := range eventsOf(t, []*fleet.Node{n}, "move_started") {
		t.Errorf("it is told: %+v", e)
	}
}

// What an operator does is told with what it was for, also where it takes something back.
func TestAnOperatorsActsAreTold(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 3, 1)
	n := nodes[0]
	if err := n.AddConsensusGroup(t.Context(), "g", 2, counterType); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func(kind string, details ...string) {
		t.Helper()
		var got []string
		for _, e := range eventsOf(t, nodes, kind) {
			if e.Detail == "it is heard again" { // on a machine that is too busy for gossip
				continue
			}
			got = append(got, strings.TrimSpace(e.Node+" "+e.Group)+": "+e.Detail)
		}
		slices.Sort(got)
		if !slices.EqualFunc(got, details, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", kind, got, details)
		}
	}
	must(n.Resume(t.Context(), "ana"))
	told("moves_resumed")
	must(n.Pause(t.Context(), "ana", "new disks"))
	knows := func(n *fleet.Node, by string) {
		t.Helper()
		eventually(t, "node "+n.Name()+" to know of the pause by "+by, func() bool {
			s, err := n.Status(t.Context())
			return err == nil && slices.ContainsFunc(s.Problems, func(p view.Problem) bool {
				return p.Kind == "moves_paused" && strings.Contains(p.Reason, "by "+by)
			})
		})
	}
	knows(nodes[1], "ana")
	must(nodes[1].Pause(t.Context(), "bob", "lunch"))
	knows(nodes[2], "bob")
	must(nodes[2].Resume(t.Context(), "eve"))
	told("moves_paused", ": paused by ana: new disks", ": paused by bob: lunch; until then they were paused by ana: new disks")
	told("moves_resumed", ": resumed by eve; they were paused by bob: lunch")

	told("node_active", "n1: activated in zone zone-0", "n2: activated in zone zone-0", "n3: activated in zone zone-0")
	must(n.Drain(t.Context(), "n2"))
	eventually(t, "n2 to be heard, and undrained", func() bool { return n.Undrain(t.Context(), "n2") == nil })
	told("node_draining", "n2: drained by an operator")
	told("node_active", "n1: activated", "n2: activated", "n2: undrained by an operator", "n3: activated")

	var x view.Explanation
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("explained as %+v", x)
		}
	})
	// What a busy machine has the planner decide meanwhile may come after it.
	eventually(t, "a transfer to be told, and to be the cause of the target", func() bool {
		s, err := n.GroupStatus(t.Context(), "g")
		i := slices.IndexFunc(s.Members, func(m view.Member) bool { return m.Node != s.Leader })
		if err != nil || i < 0 || s.Leader == "" {
			return false
		}
		to := s.Members[i].Node
		if err := n.TransferLeader(t.Context(), "g", to); err != nil {
			return false
		}
		x, err = n.Explain(t.Context(), "g")
		return err == nil && x.Cause == "lead" && x.Reason == "an operator has node "+to+" lead" &&
			slices.ContainsFunc(eventsOf(t, nodes, "leader_transferred"), func(e view.Event) bool {
				return e.Node == to && e.Group == "g" && e.Detail == "by an operator, from node "+s.Leader
			})
	})
}
