package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print what makes a shell complete commands and names: bash, zsh, fish or powershell",
		Example:   "  source <(fleetctl completion bash)",
		Args:      arguments("SHELL"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.out, true)
			case "zsh":
				return root.GenZshCompletion(a.out)
			case "fish":
				return root.GenFishCompletion(a.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.out)
			}
			return usagef("use bash, zsh, fish or powershell", "there is no completion for %q", args[0])
		},
	}
}

// completionTime and completionNames bound what a tab may cost.
const (
	completionTime  = 2 * time.Second
	completionNames = 200
)

func (a *app) completeNodes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.complete(cmd, func(ctx context.Context, c *admin.Client) ([]string, error) {
		nodes, err := c.Nodes(ctx)
		var names []string
		for _, n := range nodes {
			names = append(names, n.Name)
		}
		slices.Sort(names)
		return slices.Compact(names), err
	})
}

func (a *app) completeGroups(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(cmd, func(ctx context.Context, c *admin.Client) ([]string, error) {
		groups, err := c.Groups(ctx, begun, "", completionNames)
		return namesOf(groups), err
	})
}

func (a *app) completeArchives(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.complete(cmd, func(ctx context.Context, c *admin.Client) ([]string, error) {
		archives, err := c.Archives(ctx)
		var names []string
		for _, v := range archives {
			names = append(names, v.Name)
		}
		return names, err
	})
}

func namesOf(groups []view.Group) []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names
}

// complete asks the node; one that does not answer completes nothing.
func (a *app) complete(cmd *cobra.Command, list func(context.Context, *admin.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	c, err := a.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	names, err := list(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
