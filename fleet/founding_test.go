package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// foundTogether opens nodes that were given the same Founders, each told of one that
// was opened before it, and activates them all at once. It returns when all are active.
func foundTogether(t *testing.T, count, founders int) []*fleet.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var (
		nodes []*fleet.Node
		wg    sync.WaitGroup
	)
	for i := range count {
		cfg := testConfig(t, fmt.Sprintf("n%d", count-i)) // who comes later goes before
		cfg.Founders, cfg.InMemory, cfg.DataDir = founders, true, ""
		if i > 0 {
			cfg.Join = []string{nodes[rand.IntN(i)].GossipAddr()}
		}
		n, err := fleet.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
		wg.Go(func() {
			if err := n.Activate(ctx, fmt.Sprintf("zone-%d", i%3)); err != nil {
				t.Errorf("node %s: %v", n.Name(), err)
			}
		})
	}
	wg.Wait()
	return nodes
}

// More nodes than Founders, and fewer than twice as many, are started at once: they
// found one fleet.
func TestHazard39_MoreNodesThanFoundersFoundOneFleet(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		count := 3 + round%3
		founders := count/2 + 1
		func() {
			nodes := foundTogether(t, count, founders)
			defer func() {
				var wg sync.WaitGroup
				for _, n := range nodes {
					wg.Go(func() {
						if err := n.Close(); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}()
			fleets := make(map[fleet.FleetID]int)
			for _, n := range nodes {
				s, err := n.Status(t.Context())
				if err != nil {
					t.Errorf("node %s: %v", n.Name(), err)
					continue
				}
				fleets[s.FleetID]++
			}
			if len(fleets) != 1 {
				t.Errorf("round %d: %d nodes with Founders %d are in fleets %v", round, count, founders, fleets)
			}
		}()
		if t.Failed() {
			return
		}
	}
}
