package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGroupTransfer(a *app) *cobra.Command {
	var yes bool
	var to string
	cmd := &cobra.Command{
		Use:               "transfer NAME --to NODE",
		Short:             "Make another node lead a group",
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			if to == "" {
				return usagef("add --to with the name or id of a node", "the node that should lead is missing")
			}
			if err := a.proceed(ctx, yes, false, fmt.Sprintf("The leader of group %s will move to node %s.", name, to)); err != nil {
				return err
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.TransferLeader(ctx, name, to) }); err != nil {
				return err
			}
			return a.say(map[string]any{"done": "transfer", "group": name, "to": to}, "group %s is led by node %s", name, to)
		},
	}
	yesFlag(cmd, &yes)
	cmd.Flags().StringVar(&to, "to", "", "the node that should lead")
	_ = cmd.RegisterFlagCompletionFunc("to", a.completeNodes)
	return cmd
}
