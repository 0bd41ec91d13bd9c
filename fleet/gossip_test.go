package fleet_test

import (
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
)

func TestGossipMembersTellWhoIsHeard(t *testing.T) {
	nodes := startFleet(t, 2, 2)
	of := func(name string) (found view.GossipMember) {
		all, err := nodes[0].GossipMembers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.Name == name {
				found = m
			}
		}
		return found
	}
	eventually(t, "both are heard", func() bool {
		one, two := of("n1"), of("n2")
		return one.Health == "alive" && two.Health == "alive" && two.Says == "active" && two.Zone == "zone-1" && one.FleetID == two.FleetID &&
			two.Gossip == nodes[1].GossipAddr() && two.Addr == nodes[1].ListenAddr() && two.Admin == nodes[1].AdminAddr() && two.ID == nodes[1].ID()
	})
	if err := nodes[1].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the leave is told", func() bool { return of("n2").Health == "left" })
	if _, err := nodes[1].GossipMembers(t.Context()); !errors.Is(err, fleet.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
