package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGroupRecover(a *app) *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "recover NAME",
		Short: "Make a group that lost its quorum serve from what is left of it",
		Long: "recover is for a group whose quorum is lost for good: it serves again from the most recent member that is\n" +
			"left. Commands that were acknowledged may be lost. Bring back the missing nodes instead if that can be done.\n" +
			"It asks for the group's name; in a script, --confirm NAME is that answer.",
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			switch {
			case confirm == name:
			case confirm != "":
				return usagef("repeat the name of the group", "--confirm is %q and the group is %q", confirm, name)
			default:
				what := fmt.Sprintf("Group %s will serve from what is left of it; acknowledged commands may be lost.", name)
				if err := a.proceedByName(ctx, "--confirm "+name, what, name); err != nil {
					return err
				}
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.RecoverGroup(ctx, name, name) }); err != nil {
				return err
			}
			return a.say(map[string]any{"done": "recover", "group": name}, "group %s is recovered", name)
		},
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "the name of the group again, in place of being asked for it")
	return cmd
}
