package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// A node that lacks a group's type can never take its members: the moves to it are
// given up and do not hold up others for ever.
func TestMovesThatAreStuckAreGivenUp(t *testing.T) {
	t.Parallel()
	config := func(name string, join ...string) fleet.Config {
		c := testConfig(t, name, join...)
		c.PurgeAfter = 2 * time.Second
		return c
	}
	nodes := []*fleet.Node{activate(t, "z1", config("n1"))}
	for i := range 2 {
		nodes = append(nodes, activate(t, "z1", config(fmt.Sprintf("n%d", i+2), nodes[0].GossipAddr())))
	}
	for i := range 8 {
		if err := nodes[0].AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	other := config("n4", nodes[0].GossipAddr())
	other.Types = nil
	activate(t, "z1", other)
	moves := func() int {
		s, err := nodes[0].Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.MovesInFlight
	}
	eventually(t, "moves to the node begin", func() bool { return moves() > 0 })
	eventually(t, "they are given up", func() bool { return moves() == 0 })
	for i := range 8 {
		mustAdd(t, nodes[1], fmt.Sprintf("g%d", i), 1, 1)
	}
}

// slowMayEnd is held by a test for as long as the command slow shall take.
var slowMayEnd sync.Mutex

var slow = group.Command(counterType, "slow", func(*counter, group.None) (group.None, error) {
	slowMayEnd.Lock()
	defer slowMayEnd.Unlock()
	return group.None{}, nil
})

// A call whose context has no deadline ends with CallTimeout, also at the leader itself.
func TestCallTimeoutBoundsALocalCall(t *testing.T) {
	cfg := testConfig(t, "n1")
	cfg.CallTimeout = 300 * time.Millisecond
	n := activate(t, "z1", cfg)
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, n, "g", 1, 1)
	slowMayEnd.Lock()
	defer slowMayEnd.Unlock() // before the node is closed, which waits for its machines
	_, err := slow.Call(context.Background(), n, "g", group.None{})
	if !errors.Is(err, context.DeadlineExceeded) || fleet.OutcomeOf(err) != fleet.Unknown {
		t.Fatalf("a call that takes longer than CallTimeout: %v (%s)", err, fleet.OutcomeOf(err))
	}
}

var slower = group.Command(counterType, "slower", func(c *counter, _ group.None) (int64, error) {
	time.Sleep(2500 * time.Millisecond) // longer than one attempt waits, on purpose
	c.N++
	return c.N, nil
})

// A command that takes longer than one attempt waits is waited for as long as the call
// may take, also by the node that leads, and is applied once.
func TestASlowCommandIsWaitedForAtTheLeader(t *testing.T) {
	t.Parallel()
	n := activate(t, "z1", testConfig(t, "n1"))
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
		t.Fatal(err)
	}
	bounded, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i, ctx := range []context.Context{bounded, context.Background()} { // the other has CallTimeout
		if sum, err := slower.Call(ctx, n, "g", group.None{}); err != nil || sum != int64(i+1) {
			t.Fatalf("a command that takes 2.5 s: %d, %v", sum, err)
		}
	}
	mustAdd(t, n, "g", 1, 3)
}
