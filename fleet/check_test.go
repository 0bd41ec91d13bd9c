package fleet_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
)

func riskyGroups(c view.NodeCheck) []string {
	var out []string
	for _, g := range c.Groups {
		out = append(out, g.Group)
	}
	return out
}

func TestCheckTellsWhichGroupsNeedANode(t *testing.T) {
	nodes := startFleet(t, 3, 3)
	if err := nodes[0].AddConsensusGroup(t.Context(), "three", 3, counterType); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].AddConsensusGroup(t.Context(), "one", 1, counterType); err != nil {
		t.Fatal(err)
	}
	s, err := nodes[0].GroupStatus(t.Context(), "one")
	if err != nil || len(s.Members) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	only := s.Members[0].Node
	eventually(t, "all three hold the catalogue", func() bool {
		s, err := nodes[0].Status(t.Context())
		return err == nil && len(s.Catalogue.Voters) == 3 && s.MovesInFlight == 0
	})
	for _, n := range nodes {
		var want []string
		if n.Name() == only {
			want = []string{"one"}
		}
		// The change to three voters may be in its last step: then the first one still counts twice.
		eventually(t, "with all nodes there", func() bool {
			c, err := nodes[1].Check(t.Context(), n.Name())
			return err == nil && c.Node == n.Name() && c.Critical == (want != nil) && slices.Equal(riskyGroups(c), want) && c.WithoutQuorum == 0
		})
	}

	// With one of three gone, every other one is needed.
	gone := 2
	if nodes[gone].Name() == only {
		gone = 1
	}
	if err := nodes[gone].Close(); err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		if i == gone {
			continue
		}
		want := []string{"catalogue", "three"}
		if n.Name() == only {
			want = []string{"catalogue", "one", "three"}
		}
		eventually(t, "what is gone counts", func() bool {
			c, err := nodes[0].Check(t.Context(), n.Name())
			return err == nil && c.Critical && c.AtRisk == len(want) && slices.Equal(riskyGroups(c), want)
		})
	}
	// The one that is gone already takes nothing with it.
	c, err := nodes[0].Check(t.Context(), nodes[gone].Name())
	if err != nil || c.Critical {
		t.Errorf("the node that is gone: %+v, %v", c, err)
	}
	if _, err := nodes[0].Check(t.Context(), "nobody"); !errors.Is(err, fleet.ErrNoNode) {
		t.Errorf("an unknown node: %v", err)
	}
}
