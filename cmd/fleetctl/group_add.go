package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// noteSpread says on stderr what keeps a new group from being as safe as its number of
// replicas suggests. Where the nodes cannot be listed it says nothing: the group is
// added, and doctor tells of it.
func (a *app) noteSpread(ctx context.Context, replicas int) {
	if replicas < 2 {
		return
	}
	nodes, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Node, error) { return c.Nodes(ctx) })
	if err != nil {
		return
	}
	active, zones := 0, make(map[string]bool)
	for _, n := range nodes {
		if n.State == view.StateActive && n.Alive {
			active++
			zones[n.Zone] = true
		}
	}
	switch {
	case active < replicas:
		fmt.Fprintf(a.errs, "note: %d replicas are wanted and %s active: it gets the other members when nodes for them are activated\n", replicas, isOrAre(active, "node"))
	case len(zones) < replicas && len(zones) == 1:
		fmt.Fprintf(a.errs, "note: all active nodes are in one zone: whatever takes the zone takes the group; activate nodes in %d zones\n", replicas)
	case len(zones) < replicas:
		may := "some share one; the loss of any one zone leaves it a majority"
		if most := (replicas + len(zones) - 1) / len(zones); replicas-most <= replicas/2 {
			may = "the loss of one zone may take a majority of them"
		}
		fmt.Fprintf(a.errs, "note: %d replicas are in %d zones: %s; activate nodes in %d zones\n", replicas, len(zones), may, replicas)
	}
}

func isOrAre(n int, what string) string {
	if n == 1 {
		return "only 1 " + what + " is"
	}
	return fmt.Sprintf("only %d %ss are", n, what)
}

func newGroupAdd(a *app) *cobra.Command {
	var yes, restore bool
	var typeName string
	var replicas int
	cmd := &cobra.Command{
		Use:     "add NAME --type TYPE",
		Short:   "Add a group and wait until it serves",
		Example: "  fleetctl group add orders --type counter --replicas 3",
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, name := cmd.Context(), args[0]
			if typeName == "" && !restore {
				return usagef("add --type, such as --type counter", "the type of the group is missing")
			}
			if replicas < 1 {
				return usagef("use 1 or more, usually 3", "--replicas is %d", replicas)
			}
			what := fmt.Sprintf("Group %s of type %s with %d replicas will be added.", name, typeName, replicas)
			if restore {
				what = fmt.Sprintf("Group %s with %d replicas will be added with the state that was kept of it.", name, replicas)
			}
			if err := a.proceed(ctx, yes, false, what); err != nil {
				return err
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error {
				return c.AddGroup(ctx, name, typeName, replicas, restore)
			}); err != nil {
				return err
			}
			if err := a.say(map[string]any{"done": "add", "group": name}, "group %s is added", name); err != nil {
				return err
			}
			a.noteSpread(ctx, replicas)
			return nil
		},
	}
	yesFlag(cmd, &yes)
	cmd.Flags().StringVar(&typeName, "type", "", "what the group replicates: a type that the nodes know")
	cmd.Flags().IntVar(&replicas, "replicas", 3, "how many members")
	cmd.Flags().BoolVar(&restore, "restore", false, "start with the state that rm --keep kept under this name")
	return cmd
}
