package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newNodeForget(a *app) *cobra.Command {
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "forget NODE",
		Short: "Say that a node will not return",
		Long: "forget is your word that a node will not return: its members are replaced by new ones elsewhere. Once they\n" +
			"are, and for a node that has none, forget takes it off the list of nodes.\n" +
			"What only that node had is lost. A node that is alive or in use is refused (exit code 6) without --force.",
		Args:              arguments("NODE"),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, node := cmd.Context(), args[0]
			if err := a.proceed(ctx, yes, true, fmt.Sprintf("Node %s will be forgotten, and what only it has is lost.", node)); err != nil {
				return err
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.Forget(ctx, node, force) }); err != nil {
				return err
			}
			return a.say(map[string]any{"done": "forget", "node": node}, "%s", a.forgotten(ctx, node))
		},
	}
	yesFlag(cmd, &yes)
	cmd.Flags().BoolVar(&force, "force", false, "even if it is alive or hosts members")
	return cmd
}

// forgotten says how far that came: a node whose members are being replaced stays on
// the list.
func (a *app) forgotten(ctx context.Context, node string) string {
	d, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.NodeDetail, error) { return c.Node(ctx, node) })
	switch {
	case admin.KindOf(err) == admin.KindNotFound:
		return fmt.Sprintf("node %s is forgotten", node)
	case err != nil || d.Members == 0: // the asked node may not have heard of it yet
		return fmt.Sprintf("node %s is forgotten, or will be as soon as its members are replaced", node)
	}
	return fmt.Sprintf("node %s is given up and its members are being replaced (%d now); after that, the same again takes it off the list", node, d.Members)
}
