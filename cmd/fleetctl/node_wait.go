package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newNodeWait(a *app) *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "wait NODE",
		Short: "Wait until a node is active and its groups have leaders",
		Long: "wait returns when a node is active, is heard, and every group of which it has a member has a leader. A\n" +
			"node that the fleet does not know yet is waited for. So a fleet is restarted node by node with\n\n" +
			"  fleetctl node check N && restart N && fleetctl node wait N",
		Args:              arguments("NODE"),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("use a duration such as 10m, or 0 for none", "--wait-timeout is %s", limit)
			}
			d, err := a.awaitNode(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(d)
			}
			return a.say(nil, "node %s is active, with %s", d.Name, plural(d.Members, "member"))
		},
	}
	cmd.Flags().DurationVar(&limit, "wait-timeout", 5*time.Minute, "how long to wait; after it the exit code is 5 (0 = no limit)")
	return cmd
}

// awaitNode returns the node once it serves.
func (a *app) awaitNode(ctx context.Context, node string, limit time.Duration) (view.NodeDetail, error) {
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	next := time.NewTicker(a.poll)
	defer next.Stop()
	defer a.progress("")
	for {
		d, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.NodeDetail, error) { return c.Node(ctx, node) })
		waits := ""
		switch {
		case err == nil:
			if waits = lacks(&d); waits == "" {
				return d, nil
			}
		case admin.KindOf(err) == admin.KindNotFound:
			waits = "the fleet does not know it"
		default:
			// The node that is asked may be the one that restarts.
			waits = err.Error()
			if k := admin.KindOf(err); k != admin.KindUnavailable && k != admin.KindUnreachable && k != admin.KindOverloaded {
				return d, err
			}
		}
		a.progress(fmt.Sprintf("waiting for node %s: %s", node, waits))
		select {
		case <-next.C:
		case <-over:
			return d, &failure{fmt.Sprintf("node %s does not serve after %s: %s", node, limit, waits), "see fleetctl node show " + node + " and fleetctl doctor", exitUnhealthy}
		case <-ctx.Done():
			return d, ctx.Err()
		}
	}
}

// lacks says what a node is waited for, empty when it serves.
func lacks(d *view.NodeDetail) string {
	switch {
	case !d.Alive:
		return "it is not heard"
	case d.State != "active":
		return "it is " + d.State
	}
	without := 0
	for _, m := range d.Groups {
		if m.Role == "unknown" {
			without++
		}
	}
	if without > 0 {
		return plural(without, "group") + " of its members without a leader"
	}
	return ""
}
