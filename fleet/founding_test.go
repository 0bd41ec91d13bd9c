package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
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
	t.Parallel()
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

// A node that gossip hears and that does not answer keeps the others from founding as
// little as one that is not there.
func TestANodeThatDoesNotAnswerHoldsUpNoFounding(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var nodes []*fleet.Node
	for i := range 3 {
		cfg := testConfig(t, fmt.Sprintf("n%d", i+1))
		cfg.Founders, cfg.InMemory, cfg.DataDir = 2, true, ""
		if i > 0 {
			cfg.Join = []string{nodes[0].GossipAddr()}
		} else {
			cfg.Join = []string{"127.0.0.1:1"}
		}
		if i == 1 {
			cfg.AdvertiseListen = silent.Addr().String()
		}
		n, err := fleet.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		nodes = append(nodes, n)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for seen := 0; seen < 3; <-tick.C {
		members, err := nodes[0].GossipMembers(ctx)
		if err != nil {
			t.Fatal(err)
		}
		seen = len(members)
	}
	var wg sync.WaitGroup
	for _, i := range []int{0, 2} {
		wg.Go(func() {
			if err := nodes[i].Activate(ctx, "z"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
