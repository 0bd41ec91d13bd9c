package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newGroupShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "show NAME",
		Short:             "Show a group and its members",
		Args:              arguments("NAME"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) (view.GroupStatus, error) { return c.Group(ctx, args[0]) })
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(s)
			}
			return a.printGroup(&s)
		},
	}
}

func (a *app) printGroup(s *view.GroupStatus) error {
	leader := s.Leader
	if leader == "" && a.outTerminal {
		leader = "no leader"
	}
	facts := &grid{header: []string{"FACT", "VALUE"}}
	facts.add("name", s.Name)
	facts.add("id", s.GroupID)
	facts.add("type", s.Type)
	facts.add("replicas", s.Replicas)
	facts.add("leader", leader)
	facts.add("preferred leader", s.Preferred)
	facts.add("term", s.Term)
	facts.add("commit", s.Commit)
	facts.add("log bytes", s.LogBytes)
	facts.add("snapshot bytes", s.SnapshotSize)
	facts.add("asleep", yesNo(s.Asleep))
	facts.add("target", strings.Join(s.Target, " "))
	if s.Recovered != "" {
		facts.add("recovered", s.Recovered)
	}
	if err := a.printGrid(facts); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	if err := a.printMembers(s.Members); err != nil {
		return err
	}
	return a.printProblems(s.Problems)
}
