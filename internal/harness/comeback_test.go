package harness

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// A node that was frozen for so long that it was given up takes part again by
// itself, and does not answer from the past.
func TestANodeThatWasGivenUpWhileFrozenComesBack(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 4, PurgeAfter: 2 * time.Second}, 8)
	victim := f.Nodes()[3]
	must(t, victim.Pause())
	await(t, ctx, f, "the frozen node to be given up and replaced", NodeIs(victim.Name, "dead and empty", func(n view.Node) bool {
		return n.State == "dead" && n.Members == 0
	}))
	must(t, f.AddGroups(ctx, "after", 2, 3))
	must(t, victim.Continue())
	await(t, ctx, f, "the node to take part again", Quiet, Members(30), NodeIs(victim.Name, "active with members", func(n view.Node) bool {
		return n.State == "active" && n.Members > 0
	}))
	for _, group := range f.Groups() {
		_, err := victim.Client().Query(ctx, group, "get", nil, false, 0)
		must(t, err)
	}
	progress(t, ctx, l)
	finish(t, ctx, l)
}
