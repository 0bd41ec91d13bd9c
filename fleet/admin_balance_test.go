package fleet_test

import (
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/admin"
)

// What is asked of balancing through the admin API reaches the node, whichever it is,
// and what is wrong is called so.
func TestBalancingThroughTheAdminAPI(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 3, 3)
	ctx := t.Context()
	if err := nodes[0].AddConsensusGroup(ctx, "orders", 3, counterType); err != nil {
		t.Fatal(err)
	}
	c, err := admin.NewClient(nodes[2].AdminAddr(), admin.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, "the fleet to be balanced", func() bool {
		b, err := c.Balance(ctx)
		return err == nil && b.State == "balanced" && b.Planner != ""
	})
	if plan, err := c.Plan(ctx, 5); err != nil || len(plan) > 0 {
		t.Errorf("planned: %+v, %v", plan, err)
	}
	if moves, err := c.Moves(ctx, 5); err != nil || len(moves) > 0 {
		t.Errorf("on the move: %+v, %v", moves, err)
	}
	if err := c.Pause(ctx, "ann", "switch"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pause to be told", func() bool {
		b, err := c.Balance(ctx)
		return err == nil && b.Pause != nil && b.Pause.By == "ann" && b.Pause.Reason == "switch"
	})
	if err := c.Resume(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLimits(ctx, map[string]string{"moves": "7"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the limit to be told", func() bool {
		limits, err := c.Limits(ctx)
		return err == nil && len(limits) > 5 && limits[0].Name == "moves" && limits[0].Value == "7" && limits[0].Set
	})
	for name, value := range map[string]string{"moves": "-7", "mvoes": "7"} {
		if err := c.SetLimits(ctx, map[string]string{name: value}); admin.KindOf(err) != admin.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
