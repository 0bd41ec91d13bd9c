package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newArchiveList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the states that group rm --keep kept",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			archives, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) ([]view.Archive, error) { return c.Archives(ctx) })
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(archives)
			}
			g := &grid{header: []string{"NAME", "TYPE", "GROUP ID", "BYTES", "TERM", "INDEX", "REMOVED"}}
			for _, v := range archives {
				g.add(v.Name, v.Type, v.GroupID, v.Bytes, v.Term, v.Index, moment(v.Removed))
			}
			return a.printGrid(g)
		},
	}
}

func newArchiveRemove(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:               "rm NAME",
		Aliases:           []string{"remove"},
		Short:             "Drop a state that was kept, for ever",
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeArchives,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			if !yes {
				if err := a.proceedByName(ctx, "-y", fmt.Sprintf("The state that was kept of group %s will be dropped.", name), name); err != nil {
					return err
				}
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.DropArchive(ctx, name) }); err != nil {
				return err
			}
			return a.say(map[string]any{"done": "rm", "archive": name}, "archive %s is dropped", name)
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}
