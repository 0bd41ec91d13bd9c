package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newStatus(a *app) *cobra.Command {
	var w watching
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the fleet, its nodes and its problems",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				s, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.Status, error) { return c.Status(ctx) })
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(s)
				}
				return a.printStatus(&s)
			})
		},
	}
	w.flags(cmd)
	return cmd
}

// printJoining is the status of a node that knows no fleet to tell of.
func (a *app) printJoining(s *view.Status) error {
	j := s.Joining
	facts := &grid{header: []string{"FACT", "VALUE"}}
	facts.add("asked", s.Node)
	facts.add("state", j.State)
	fleet := "none yet"
	if s.FleetID != 0 {
		fleet = s.FleetID.String()
	}
	facts.add("fleet", fleet)
	facts.add("zone", j.Zone)
	facts.add("joins", strings.Join(j.Join, " "))
	if j.FoundersWanted > 0 {
		facts.add("founders", fmt.Sprintf("%d of %d", j.FoundersSeen, j.FoundersWanted))
	}
	if err := a.printGrid(facts); err != nil {
		return err
	}
	if len(j.Errors) > 0 {
		fmt.Fprintln(a.out)
		g := &grid{header: []string{"NOT JOINED", "REASON", "TRIED"}}
		for _, e := range j.Errors {
			g.add(e.Addr, e.Reason, moment(e.Time))
		}
		if err := a.printGrid(g); err != nil {
			return err
		}
	}
	return a.printProblems(s.Problems)
}

func (a *app) printStatus(s *view.Status) error {
	if s.Joining != nil {
		return a.printJoining(s)
	}
	leader := s.Catalogue.Leader
	if leader == "" {
		leader = "no leader"
	}
	facts := &grid{header: []string{"FACT", "VALUE"}}
	facts.add("fleet", s.FleetID)
	facts.add("asked", s.Node)
	facts.add("nodes", len(s.Nodes))
	facts.add("groups", s.Groups)
	facts.add("without leader", s.GroupsWithoutLeader)
	facts.add("members", s.Members)
	facts.add("moves in flight", s.MovesInFlight)
	facts.add("catalogue leader", leader)
	facts.add("catalogue voters", strings.Join(s.Catalogue.Voters, " "))
	facts.add("problems", len(s.Problems))
	if err := a.printGrid(facts); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	if err := a.printNodes(s.Nodes); err != nil {
		return err
	}
	return a.printProblems(s.Problems)
}

// printProblems prints nothing where there are none.
func (a *app) printProblems(problems []view.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	g := &grid{header: []string{"PROBLEM", "THING", "REASON", "REMEDY", "SINCE"}}
	for _, p := range problems {
		g.add(p.Kind, p.Thing, p.Reason, p.Remedy, moment(p.Since))
	}
	return a.printGrid(g)
}
