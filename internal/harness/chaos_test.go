package harness

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// TestHazard47_RandomFaultsWhileMembersMove kills, freezes, stops, wipes and drains nodes in
// a random order while groups move and clients add. RAFTFLEET_SEED repeats an
// order; RAFTFLEET_STEPS makes it longer.
func TestHazard47_RandomFaultsWhileMembersMove(t *testing.T) {
	long(t)
	ctx := within(t, 9*time.Minute)
	seed := number(t, "RAFTFLEET_SEED", time.Now().UnixNano())
	steps := number(t, "RAFTFLEET_STEPS", 25)
	t.Logf("RAFTFLEET_SEED=%d RAFTFLEET_STEPS=%d", seed, steps)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	f, l := loaded(t, Config{Nodes: 5, Zones: 3, PurgeAfter: 3 * time.Second, Flags: []string{"--log-level", "debug"}}, 20)
	client := func() *Node { nodes := f.Running(); return nodes[random.IntN(len(nodes))] }

	faults := []struct {
		name string
		do   func(n *Node)
	}{
		{"kill and restart at once", func(n *Node) { must(t, n.Restart(ctx)) }},
		{"kill for a moment", func(n *Node) {
			n.Kill()
			rest(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
			must(t, n.Restart(ctx))
		}},
		{"kill until its members are replaced", func(n *Node) {
			n.Kill()
			await(t, ctx, f, "the node to be given up", Led, NodeIs(n.Name, "dead and empty", func(v view.Node) bool { return v.State == "dead" && v.Members == 0 }))
			must(t, n.Restart(ctx))
		}},
		{"freeze for a moment", func(n *Node) {
			must(t, n.Pause())
			rest(ctx, time.Duration(random.IntN(4000))*time.Millisecond)
			must(t, n.Continue())
			must(t, n.AwaitActive(ctx))
		}},
		{"drain and undrain", func(n *Node) {
			must(t, client().Client().Drain(ctx, n.Name))
			rest(ctx, time.Duration(random.IntN(2000))*time.Millisecond)
			if err := n.Client().Undrain(ctx, n.Name); err != nil {
				// It had nothing left: a restart makes an inactive node active.
				must(t, n.Restart(ctx))
			}
		}},
		{"drain and kill on the way", func(n *Node) {
			must(t, client().Client().Drain(ctx, n.Name))
			rest(ctx, time.Duration(random.IntN(500))*time.Millisecond)
			must(t, n.Restart(ctx))
		}},
		{"kill another while one is drained", func(n *Node) {
			must(t, client().Client().Drain(ctx, n.Name))
			other := client()
			for other == n {
				other = client()
			}
			must(t, other.Restart(ctx))
			must(t, n.Restart(ctx))
		}},
	}
	for i := range steps {
		nodes := f.Nodes()
		n, fault := nodes[random.IntN(len(nodes))], faults[random.IntN(len(faults))]
		what := fmt.Sprintf("step %d, %s: %s", i+1, n.Name, fault.name)
		t.Log(time.Now().Format("15:04:05.000"), what)
		fault.do(n)
		await(t, ctx, f, "all groups to be led after "+what, Led)
		progress(t, ctx, l)
	}
	await(t, ctx, f, "all groups at rest at the end", Quiet, Members(60))
	finish(t, ctx, l)
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	must(t, err)
	return n
}
