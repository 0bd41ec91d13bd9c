package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// An act that takes its time is waited for by the node that passed it on: here the
// removal of a group whose only member is gone waits for its leader first.
func TestSlowActIsWaitedForByAClient(t *testing.T) {
	nodes := startFleet(t, 3, 1)
	client, err := fleet.Open(t.Context(), testConfig(t, "client", nodes[0].GossipAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
		t.Fatal(err)
	}
	s, err := nodes[0].GroupStatus(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if n.Name() == s.Leader {
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := client.RemoveConsensusGroup(ctx, "g"); err != nil {
		t.Fatal(err)
	}
}
