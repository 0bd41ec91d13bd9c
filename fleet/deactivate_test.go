package fleet_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// A node that was just started knows by and by what it hosts, and drains all the same.
func TestDrainRightAfterARestart(t *testing.T) {
	nodes := startFleet(t, 3, 1)
	cfg := testConfig(t, "n4", nodes[0].GossipAddr())
	n := activate(t, "zone-0", cfg)
	for i := range 4 {
		if err := nodes[0].AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the node has members", func() bool { return membersOf(t, nodes[0], "n4") > 0 })
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := fleet.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Deactivate(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if left := membersOf(t, nodes[0], "n4"); left != 0 {
		t.Fatalf("drained, with %d members left", left)
	}
}
