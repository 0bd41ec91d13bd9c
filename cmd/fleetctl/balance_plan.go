package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalancePlan(a *app) *cobra.Command {
	var cut cutting
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "List what is wanted and not begun, in the order in which it would begin",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cut.check(); err != nil {
				return err
			}
			moves, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) ([]view.PlannedMove, error) {
				return c.Plan(ctx, cut.wanted(a))
			})
			switch {
			case err != nil:
				return err
			case a.json():
				return a.printJSON(moves)
			case a.outTerminal: // why it does not begin
				if err := a.standing(cmd.Context(), len(moves)); err != nil || len(moves) == 0 {
					return err
				}
			}
			return a.printPlanned(moves, cut.most(a), len(moves))
		},
	}
	cut.flags(cmd, 50)
	return cmd
}

// printPlanned prints at most so many of the moves, 0 for all, of which there are
// total.
func (a *app) printPlanned(moves []view.PlannedMove, most, total int) error {
	g := &grid{header: []string{"GROUP", "CAUSE", "FROM", "TO", "LEADER", "HELD", "REASON"}, spare: true}
	for _, m := range moves {
		g.add(m.Group, m.Cause, nodesOf(m.From), nodesOf(m.To), m.Leader, m.Held, m.Reason)
	}
	return a.printCut(g, most, total)
}
