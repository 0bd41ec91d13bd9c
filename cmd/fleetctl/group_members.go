package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGroupMembers(a *app) *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use:               "members NAME",
		Short:             "List the members of a group, how far they are, and what is wrong with them",
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				s, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.GroupStatus, error) { return c.Group(ctx, args[0]) })
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(s.Members)
				}
				return a.printMembers(s.Members)
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) printMembers(members []view.Member) error {
	g := &grid{header: []string{"NODE", "ZONE", "MEMBER", "ROLE", "APPLIED", "LAG", "STATE", "REASON"}}
	for _, m := range members {
		state := "ok"
		switch {
		case m.Failed != "":
			state = "failed"
		case m.Unresponsive:
			state = "unresponsive"
		}
		g.add(m.Node, m.Zone, m.MemberID, m.Role, m.Applied, m.Lag, state, m.Failed)
	}
	return a.printGrid(g)
}
