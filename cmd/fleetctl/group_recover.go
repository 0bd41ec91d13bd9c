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
		Long: "recover is for a group whose quorum is lost for good: it serves again from the most complete member that can be\n" +
			"reached, and members that return later are deleted. Commands that were acknowledged and that no reachable\n" +
			"member had are lost. Bring back the missing nodes instead if that can be done.\n" +
			"It is refused (exit code 6) while a member leads or a majority is there, while a node that may have a member is\n" +
			"alive and does not answer, and for a state of more than 4 MiB; then nothing changes. It can be repeated.\n" +
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
