package fleet_test

import (
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// What one node answered, the next one asked knows: a name that was removed is
// free, and one that was added can be removed.
func TestNameIsUsedAgainThroughAnotherNode(t *testing.T) {
	nodes := startFleet(t, 3, 1)
	for i := range 12 {
		if err := nodes[i%3].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := nodes[(i+1)%3].RemoveConsensusGroup(t.Context(), "g"); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

func TestRestoredGroupHasItsConfiguration(t *testing.T) {
	n := startFleet(t, 1, 1)[0]
	tooLarge := func(step string) {
		t.Helper()
		if _, err := add.Call(t.Context(), n, "g", 1); !errors.Is(err, group.ErrCommandTooLarge) {
			t.Fatalf("%s: a command above the limit: %v", step, err)
		}
	}
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType, fleet.WithConfig(group.Config{MaxCommandBytes: 4})); err != nil {
		t.Fatal(err)
	}
	tooLarge("at first")
	if err := n.RemoveConsensusGroup(t.Context(), "g", fleet.Keep()); err != nil {
		t.Fatal(err)
	}
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType, fleet.Restore()); err != nil {
		t.Fatal(err)
	}
	tooLarge("restored")
}
