package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalanceMoves(a *app) *cobra.Command {
	var w watching
	var cut cutting
	cmd := &cobra.Command{
		Use:   "moves",
		Short: "List what is on the move, the oldest first, and what each waits for",
		Long: "moves lists the groups that do not have their target yet. LAG is how many entries the members to come still\n" +
			"lack, FAILED how many moves of the group were given up one after another.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cut.check(); err != nil {
				return err
			}
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				moves, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Move, error) {
					return c.Moves(ctx, cut.wanted(a))
				})
				switch {
				case err != nil:
					return err
				case a.json():
					return a.printJSON(moves)
				case a.outTerminal: // how far it is, or why nothing moves
					if err := a.standing(ctx, len(moves)); err != nil || len(moves) == 0 {
						return err
					}
				}
				return a.printMoves(moves, cut.most(a))
			})
		},
	}
	w.flags(cmd)
	cut.flags(cmd, 50)
	return cmd
}

func (a *app) printMoves(moves []view.Move, most int) error {
	g := &grid{header: []string{"GROUP", "CAUSE", "FROM", "TO", "LEADER", "STEP", "LAG", "AGE", "FAILED", "BLOCKED", "REASON"}, spare: true}
	for _, m := range moves {
		step, age := m.Step, fmt.Sprintf("%.0f", m.Age)
		if a.outTerminal {
			age = span(m.Age)
			if step == m.Blocked { // once is enough
				step = ""
			}
		}
		g.add(m.Group, m.Cause, nodesOf(m.From), nodesOf(m.To), m.Leader, step, m.Lag, age, m.Failures, m.Blocked, m.Reason)
	}
	return a.printCut(g, most, len(moves))
}
