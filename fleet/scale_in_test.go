package fleet_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// Nodes that are shut down at the same time give their votes in the catalogue away
// before they end: those that are left can still decide.
func TestNodesThatAreDrainedTogetherLeaveAQuorumBehind(t *testing.T) {
	for _, c := range []struct{ of, drained int }{{3, 2}, {4, 3}, {5, 4}, {7, 5}} {
		t.Run(fmt.Sprintf("%d of %d", c.drained, c.of), func(t *testing.T) {
			t.Parallel()
			nodes := startFleet(t, c.of, 1)
			if err := nodes[0].AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the catalogue has all its voters", func() bool {
				s, err := nodes[0].GroupStatus(t.Context(), "catalogue")
				return err == nil && s.Replicas == min(5, c.of-(c.of+1)%2)
			})
			var all sync.WaitGroup
			for _, n := range nodes[:c.drained] {
				all.Go(func() { shutDown(t, n) })
			}
			all.Wait()
			left := nodes[c.drained:]
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			if err := left[0].AddConsensusGroup(ctx, "h", 1, counterType); err != nil {
				s, _ := left[0].Status(t.Context())
				t.Errorf("%v; the catalogue: %+v", err, s.Catalogue)
			}
		})
	}
}

func shutDown(t *testing.T, n *fleet.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Errorf("shut down node %s: %v", n.Name(), err)
	}
}
