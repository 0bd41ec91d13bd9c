package fleet_test

import (
	"slices"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
)

// A question knows who is missing already: with one of three members gone, another one
// would take the group's quorum with it.
func TestWhatIfCountsNodesThatAreMissingAlready(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 5, 1)
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := nodes[0].AddConsensusGroup(t.Context(), name, 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	s, err := nodes[0].GroupStatus(t.Context(), "a")
	if err != nil || len(s.Target) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	nodeOf := func(i int) int {
		return slices.IndexFunc(nodes, func(n *fleet.Node) bool { return n.Name() == s.Target[i] })
	}
	asked := nodes[slices.IndexFunc(nodes, func(n *fleet.Node) bool { return !slices.Contains(s.Target, n.Name()) })]
	if err := nodes[nodeOf(0)].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group would lose its quorum with another node, and is told once", func() bool {
		o, err := asked.WhatIf(t.Context(), view.WhatIf{Remove: []string{s.Target[1]}})
		n := 0
		for _, name := range o.LoseQuorum {
			if name == "a" {
				n++
			}
		}
		return err == nil && n == 1 && o.QuorumsLost >= len(o.LoseQuorum)
	})
}
