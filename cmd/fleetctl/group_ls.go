package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGroupList(a *app) *cobra.Command {
	var w watching
	var prefix string
	var limit int
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the groups in the order of their names",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("use 1 or more, or 0 for all", "--limit is %d", limit)
			}
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				groups, err := a.groups(ctx, prefix, limit)
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(groups)
				}
				g := &grid{header: []string{"NAME", "ID", "TYPE", "REPLICAS", "LEADER", "MEMBERS", "TARGET"}}
				for _, v := range groups {
					leader := v.Leader
					if leader == "" && a.outTerminal {
						leader = "no leader"
					}
					g.add(v.Name, v.GroupID, v.Type, v.Replicas, leader, strings.Join(v.Members, " "), strings.Join(v.Target, " "))
				}
				return a.printGrid(g)
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "only names that begin with this")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many (0 = all)")
	return cmd
}

// groups collects the pages of the list, up to limit where that is not zero.
func (a *app) groups(ctx context.Context, prefix string, limit int) ([]view.Group, error) {
	all := []view.Group{}
	for after := ""; limit == 0 || len(all) < limit; {
		want := admin.MaxGroupsListed
		if limit > 0 {
			want = min(want, limit-len(all))
		}
		page, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Group, error) {
			return c.Groups(ctx, prefix, after, want)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < want || page[len(page)-1].Name <= after {
			break
		}
		after = page[len(page)-1].Name
	}
	return all, nil
}
