package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
)

// eventually polls state that no event tells of.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(20 * time.Millisecond) // between two looks, each of which asks a node
	}
}

func mustAdd(t *testing.T, n *fleet.Node, name string, by, want int64) {
	t.Helper()
	if got, err := add.Call(t.Context(), n, name, by); err != nil || got != want {
		t.Fatalf("add %d to %s: %d, %v; want %d", by, name, got, err, want)
	}
}

func membersOf(t *testing.T, n *fleet.Node, node string) int {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range s.Nodes {
		if v.Name == node {
			return v.Members
		}
	}
	return -1
}

func TestNodeThatJoinsGetsMembers(t *testing.T) {
	nodes := startFleet(t, 3, 3)
	for i := range 12 {
		name := fmt.Sprintf("g%d", i)
		if err := nodes[0].AddConsensusGroup(t.Context(), name, 3, counterType); err != nil {
			t.Fatal(err)
		}
		mustAdd(t, nodes[0], name, 1, 1)
	}
	late := activate(t, "zone-0", testConfig(t, "n4", nodes[0].GossipAddr()))
	eventually(t, "the new node has members and no move is left", func() bool {
		s, err := late.Status(t.Context())
		return err == nil && membersOf(t, late, "n4") >= 4 && s.MovesInFlight == 0
	})
	for i := range 12 {
		mustAdd(t, late, fmt.Sprintf("g%d", i), 1, 2)
	}
}

func TestDrainedNodeEndsWithNothing(t *testing.T) {
	nodes := startFleet(t, 4, 2)
	for i := range 8 {
		name := fmt.Sprintf("g%d", i)
		if err := nodes[0].AddConsensusGroup(t.Context(), name, 3, counterType); err != nil {
			t.Fatal(err)
		}
		mustAdd(t, nodes[1], name, 1, 1)
	}
	var last view.DrainProgress
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := nodes[3].Deactivate(ctx, func(p view.DrainProgress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if !last.Done || membersOf(t, nodes[0], "n4") != 0 {
		t.Fatalf("progress ended with %+v, the node has %d members", last, membersOf(t, nodes[0], "n4"))
	}
	for i := range 8 {
		mustAdd(t, nodes[3], fmt.Sprintf("g%d", i), 1, 2)
	}
	if err := nodes[3].Activate(ctx, "zone-1"); err != nil {
		t.Fatalf("activate again: %v", err)
	}
}

func TestDrainOfTheCataloguesLeader(t *testing.T) {
	nodes := startFleet(t, 4, 2)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := nodes[0].Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, nodes[2], "g", 1, 1)
	if err := nodes[2].AddConsensusGroup(ctx, "h", 3, counterType); err != nil {
		t.Fatal(err)
	}
}

func TestRemovedNameIsAnotherGroup(t *testing.T) {
	nodes := startFleet(t, 3, 1)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	if err := nodes[1].AddConsensusGroup(t.Context(), "g", 3, counterType); !errors.Is(err, fleet.ErrGroupExists) {
		t.Fatalf("adding a name twice: %v", err)
	}
	mustAdd(t, nodes[0], "g", 7, 7)
	if err := nodes[1].RemoveConsensusGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	_, err := add.Call(t.Context(), nodes[2], "g", 1)
	if !errors.Is(err, fleet.ErrNoGroup) || fleet.OutcomeOf(err) != fleet.Final {
		t.Fatalf("a command to a removed group: %v, outcome %s", err, fleet.OutcomeOf(err))
	}
	if err := nodes[2].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		mustAdd(t, n, "g", 1, int64(i+1))
	}
}

func TestKeptGroupIsRestored(t *testing.T) {
	n := startFleet(t, 1, 1)[0]
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, n, "g", 5, 5)
	if err := n.RemoveConsensusGroup(t.Context(), "g", fleet.Keep()); err != nil {
		t.Fatal(err)
	}
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType, fleet.Restore()); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, n, "g", 1, 6)
	if err := n.AddConsensusGroup(t.Context(), "h", 1, counterType, fleet.Restore()); !errors.Is(err, fleet.ErrNoArchive) {
		t.Fatalf("restore without an archive: %v", err)
	}
}

func TestTransferStays(t *testing.T) {
	nodes := startFleet(t, 3, 3)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	for _, to := range nodes {
		if err := nodes[0].TransferLeader(t.Context(), "g", to.Name()); err != nil {
			t.Fatal(err)
		}
		s, err := nodes[1].GroupStatus(t.Context(), "g")
		if err != nil || s.Leader != to.Name() || len(s.Members) != 3 {
			t.Fatalf("after a transfer to %s: %+v, %v", to.Name(), s, err)
		}
	}
}

func TestUpdateGroup(t *testing.T) {
	nodes := startFleet(t, 3, 3)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	if err := nodes[1].UpdateGroup(t.Context(), "g", group.Config{MaxCommandBytes: 4}); err != nil {
		t.Fatal(err)
	}
	if _, err := add.Call(t.Context(), nodes[2], "g", 1); !errors.Is(err, group.ErrCommandTooLarge) {
		t.Fatalf("a command above the new limit: %v", err)
	}
}

// A node that is never activated calls groups all the same.
func TestClientOnlyNode(t *testing.T) {
	nodes := startFleet(t, 3, 3)
	client, err := fleet.Open(t.Context(), testConfig(t, "client", nodes[0].GossipAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, client, "g", 2, 2)
	for name, opts := range map[string][]group.CallOption{"linearizable": nil, "stale": {group.Stale(time.Second)}, "any": {group.AnyMember()}} {
		if got, err := get.Call(t.Context(), client, "g", group.None{}, opts...); err != nil || got != 2 {
			t.Fatalf("%s query: %d, %v", name, got, err)
		}
		if got, err := get.Call(t.Context(), nodes[1], "g", group.None{}, opts...); err != nil || got != 2 {
			t.Fatalf("%s query from a member: %d, %v", name, got, err)
		}
	}
	if s, err := client.Status(t.Context()); err != nil || len(s.Nodes) != 3 {
		t.Fatalf("status: %+v, %v", s, err)
	}
}

func TestRecoverAfterTheQuorumIsLost(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 5, 1)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, nodes[0], "g", 4, 4)
	if err := nodes[0].Recover(t.Context(), "g", "g"); !errors.Is(err, fleet.ErrRefused) {
		t.Fatalf("recovering a group that serves: %v", err)
	}
	s, err := nodes[0].GroupStatus(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	gone := map[string]bool{s.Members[0].Node: true, s.Members[1].Node: true}
	var left []*fleet.Node
	for _, n := range nodes {
		if gone[n.Name()] {
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			left = append(left, n)
		}
	}
	eventually(t, "the loss of the quorum is reported", func() bool {
		s, err := left[0].Status(t.Context())
		if err != nil {
			return false
		}
		for _, p := range s.Problems {
			if p.Kind == "no_quorum" && p.Thing == "g" {
				return true
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := left[0].Recover(ctx, "g", "no"); !errors.Is(err, fleet.ErrRefused) {
		t.Fatalf("recovering without the name: %v", err)
	}
	if err := left[0].Recover(ctx, "g", "g"); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, left[1], "g", 1, 5)
}

func TestRestartKeepsEverything(t *testing.T) {
	cfg := testConfig(t, "n1")
	for round := int64(1); round <= 3; round++ {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		n, err := fleet.Activate(ctx, "zone-0", cfg)
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 {
			if err := n.AddConsensusGroup(ctx, "g", 1, counterType); err != nil {
				t.Fatal(err)
			}
		}
		mustAdd(t, n, "g", 1, round)
		cancel()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	if _, err := fleet.Open(t.Context(), fleet.Config{}); !errors.Is(err, fleet.ErrNoStorage) {
		t.Errorf("neither DataDir nor InMemory: %v", err)
	}
	if _, err := fleet.Open(t.Context(), fleet.Config{InMemory: true, DataDir: "x"}); !errors.Is(err, fleet.ErrNoStorage) {
		t.Errorf("both DataDir and InMemory: %v", err)
	}
	n := startFleet(t, 1, 1)[0]
	cfg := testConfig(t, "busy")
	cfg.Listen = n.ListenAddr()
	if _, err := fleet.Open(t.Context(), cfg); err == nil {
		t.Error("a busy port was taken")
	}
	for name, try := range map[string]func() error{
		"no replicas": func() error { return n.AddConsensusGroup(t.Context(), "g", 0, counterType) },
		"no name":     func() error { return n.AddConsensusGroup(t.Context(), "", 1, counterType) },
		"reserved":    func() error { return n.AddConsensusGroup(t.Context(), "catalogue", 1, counterType) },
		"no type":     func() error { return n.AddConsensusGroup(t.Context(), "g", 1, group.RawType("other", nil2)) },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func nil2() group.Machine { return nil }
