package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newNodeList(a *app) *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the nodes",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				nodes, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Node, error) { return c.Nodes(ctx) })
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(nodes)
				}
				return a.printNodes(nodes)
			})
		},
	}
	w.flags(cmd)
	return cmd
}

func (a *app) printNodes(nodes []view.Node) error {
	g := &grid{header: []string{"NAME", "ID", "ZONE", "STATE", "ALIVE", "MEMBERS", "LEADERS", "ADDR", "REASON"}}
	for _, n := range nodes {
		g.add(n.Name, n.ID, n.Zone, n.State, yesNo(n.Alive), n.Members, n.Leaders, n.Addr, n.Reason)
	}
	return a.printGrid(g)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
