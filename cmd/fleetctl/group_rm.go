package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGroupRemove(a *app) *cobra.Command {
	var yes, keep bool
	cmd := &cobra.Command{
		Use:               "rm NAME",
		Aliases:           []string{"remove"},
		Short:             "Remove a group with its data",
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			if !yes {
				what := fmt.Sprintf("Group %s will be removed with all its data.", name)
				if keep {
					what = fmt.Sprintf("Group %s will be removed; its last state is kept.", name)
				}
				if err := a.proceedByName(ctx, "-y", what, name); err != nil {
					return err
				}
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.RemoveGroup(ctx, name, keep) }); err != nil {
				return err
			}
			done := map[string]any{"done": "rm", "group": name}
			if keep {
				return a.say(done, "group %s is removed; its last state is kept: fleetctl archive ls", name)
			}
			return a.say(done, "group %s is removed", name)
		},
	}
	yesFlag(cmd, &yes)
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the last state for group add --restore")
	return cmd
}
