package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/admin"
)

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
			return a.say(map[string]any{"done": "add", "group": name}, "group %s is added", name)
		},
	}
	yesFlag(cmd, &yes)
	cmd.Flags().StringVar(&typeName, "type", "", "what the group replicates: a type that the nodes know")
	cmd.Flags().IntVar(&replicas, "replicas", 3, "how many members")
	cmd.Flags().BoolVar(&restore, "restore", false, "start with the state that rm --keep kept under this name")
	return cmd
}
