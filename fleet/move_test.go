package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// Moves to a node that dies before they are done go elsewhere once it is given up,
// and do not hold up the others for ever.
func TestMovesToANodeThatDiesAreGivenUp(t *testing.T) {
	t.Parallel()
	config := func(name string, join ...string) fleet.Config {
		c := testConfig(t, name, join...)
		c.PurgeAfter = time.Second
		return c
	}
	first := activate(t, "zone-0", config("n1"))
	for _, name := range []string{"n2", "n3"} {
		activate(t, "zone-0", config(name, first.GossipAddr()))
	}
	for i := range 24 {
		if err := first.AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	late := activate(t, "zone-0", config("n4", first.GossipAddr()))
	eventually(t, "members move to the new node", func() bool {
		s, err := first.Status(t.Context())
		return err == nil && s.MovesInFlight > 0
	})
	if err := late.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is given up and no move is left", func() bool {
		s, err := first.Status(t.Context())
		if err != nil || s.MovesInFlight > 0 {
			return false
		}
		for _, n := range s.Nodes {
			if n.Name == "n4" {
				return n.State == "dead" && n.Members == 0
			}
		}
		return false
	})
	for i := range 24 {
		mustAdd(t, first, fmt.Sprintf("g%d", i), 1, 1)
	}
}
