package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newNodeShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "show NODE",
		Short:             "Show a node and what it hosts",
		Args:              arguments("NODE"),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) (view.NodeDetail, error) { return c.Node(ctx, args[0]) })
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(d)
			}
			facts := &grid{header: []string{"FACT", "VALUE"}}
			facts.add("name", d.Name)
			facts.add("id", d.ID)
			facts.add("zone", d.Zone)
			facts.add("state", d.State)
			facts.add("since", moment(d.Since))
			facts.add("reason", d.Reason)
			facts.add("alive", yesNo(d.Alive))
			facts.add("members", d.Members)
			facts.add("leaders", d.Leaders)
			facts.add("weight", d.Weight)
			facts.add("addr", d.Addr)
			facts.add("admin", d.Admin)
			if err := a.printGrid(facts); err != nil {
				return err
			}
			fmt.Fprintln(a.out)
			g := &grid{header: []string{"GROUP", "ROLE", "TARGET"}}
			for _, m := range d.Groups {
				g.add(m.Group, m.Role, yesNo(m.Target))
			}
			if err := a.printGrid(g); err != nil {
				return err
			}
			return a.printProblems(d.Problems)
		},
	}
}
