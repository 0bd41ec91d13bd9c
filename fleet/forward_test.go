package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// An act that takes its time is waited for by the node that passed it on: here the
// removal of a group whose only member is gone waits for its leader first.
func TestSlowActIsWaitedForByAClient(t *testing.T) {
	t.Parallel()
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

// While the catalogue has no leader an act waits, whoever was asked to do it: one
// try of it may take less time than the leader needs to come back.
func TestActOutlastsAnAbsentCatalogue(t *testing.T) {
	t.Parallel()
	var configs []fleet.Config
	var nodes []*fleet.Node
	for i := range 3 {
		var join []string
		if i > 0 {
			join = []string{nodes[0].GossipAddr()}
		}
		configs = append(configs, testConfig(t, fmt.Sprintf("n%d", i+1), join...))
		nodes = append(nodes, activate(t, "zone", configs[i]))
	}
	client, err := fleet.Open(t.Context(), testConfig(t, "client", nodes[0].GossipAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, n := range nodes[1:] {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	acts := make(chan error, 2)
	for i, n := range []*fleet.Node{client, nodes[0]} {
		go func() { acts <- n.RemoveConsensusGroup(ctx, fmt.Sprintf("never-there-%d", i)) }()
	}
	select {
	case err := <-acts:
		t.Fatalf("without a quorum: %v", err)
	case <-time.After(4 * time.Second): // longer than one try
	}
	activate(t, "zone", configs[1])
	for range 2 {
		if err := <-acts; !errors.Is(err, fleet.ErrNoGroup) {
			t.Fatal(err)
		}
	}
}
