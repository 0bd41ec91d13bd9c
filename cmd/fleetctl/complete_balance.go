package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

func (a *app) completeZones(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, func(ctx context.Context, c *admin.Client) ([]string, error) {
		nodes, err := c.Nodes(ctx)
		var zones []string
		for _, n := range nodes {
			zones = append(zones, n.Zone)
		}
		slices.Sort(zones)
		return slices.Compact(zones), err
	})
}

// completeWeights leaves the cursor behind NODE=.
func (a *app) completeWeights(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completeNodes(cmd, args, begun)
	return withValue(names), directive | cobra.ShellCompDirectiveNoSpace
}

// completeLimits completes the names that are not there yet.
func (a *app) completeLimits(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, func(ctx context.Context, c *admin.Client) ([]string, error) {
		limits, err := c.Limits(ctx)
		var names []string
		for _, l := range limits {
			if !slices.Contains(args, l.Name) {
				names = append(names, l.Name)
			}
		}
		return names, err
	})
}

// completeLimitValues leaves the cursor behind NAME=.
func (a *app) completeLimitValues(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	names, directive := a.completeLimits(cmd, args, begun)
	return withValue(names), directive | cobra.ShellCompDirectiveNoSpace
}

func withValue(names []string) []string {
	for i := range names {
		names[i] += "="
	}
	return names
}
