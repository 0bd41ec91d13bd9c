package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func newQuery(a *app) *cobra.Command {
	var local bool
	var stale time.Duration
	cmd := &cobra.Command{
		Use:               "query GROUP OP [JSON]",
		Short:             "Run a query of a group and print its result as JSON",
		Long:              "query sees everything that was acknowledged before it began, unless --local or --stale allow less.",
		Example:           "  fleetctl query orders get",
		Args:              arguments("GROUP", "OP", "[JSON]"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case stale < 0:
				return usagef("use a duration such as 2s", "--stale is %s", stale)
			case local && stale > 0:
				return usagef("choose one", "--local and --stale exclude each other")
			}
			argument, err := a.argument(args)
			if err != nil {
				return err
			}
			b, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) ([]byte, error) {
				return c.Query(ctx, args[0], args[1], argument, local, stale)
			})
			return a.printResult(b, err)
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "whatever the asked node has, however old")
	cmd.Flags().DurationVar(&stale, "stale", 0, "an answer not older than this will do")
	return cmd
}
