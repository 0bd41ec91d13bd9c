package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func newNodeUndrain(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:               "undrain NODE",
		Short:             "Make a draining node active again",
		Args:              arguments("NODE"),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, node := cmd.Context(), args[0]
			if err := a.proceed(ctx, yes, false, fmt.Sprintf("Node %s will get leaders and members again.", node)); err != nil {
				return err
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.Undrain(ctx, node) }); err != nil {
				return err
			}
			return a.say(map[string]any{"done": "undrain", "node": node}, "node %s is active", node)
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}
