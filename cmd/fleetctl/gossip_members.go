package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGossipMembers(a *app) *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List whom the gossip of the asked node knows",
		Long: "members lists the nodes that the gossip of the asked node knows, whether it hears them, and what they say\n" +
			"of themselves. Every node has its own list: ask two of them (--addr) to see whether the network is cut.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				members, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.GossipMember, error) { return c.GossipMembers(ctx) })
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(members)
				}
				g := &grid{header: []string{"NAME", "ID", "HEALTH", "SAYS", "SINCE", "ZONE", "GOSSIP", "ADDR", "ADMIN", "PROTOCOL"}}
				for _, m := range members {
					g.add(m.Name, m.ID, m.Health, m.Says, moment(m.Since), m.Zone, m.Gossip, m.Addr, m.Admin, fmt.Sprintf("%d-%d", m.ProtocolMin, m.ProtocolMax))
				}
				return a.printGrid(g)
			})
		},
	}
	w.flags(cmd)
	return cmd
}
