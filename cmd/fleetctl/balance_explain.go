package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalanceExplain(a *app) *cobra.Command {
	var cut cutting
	cmd := &cobra.Command{
		Use:   "explain GROUP",
		Short: "Tell why a group is where it is, node by node",
		Long: "explain shows every node as a place for a member of the group: its rank for the group, 1 being the first\n" +
			"choice, how many others of the group are in its zone, how loaded it is, and why it was chosen or was not.",
		Args:              arguments("GROUP"),
		ValidArgsFunction: a.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cut.check(); err != nil {
				return err
			}
			e, err := fetch(cmd.Context(), a, func(ctx context.Context, c *admin.Client) (view.Explanation, error) { return c.Explain(ctx, args[0]) })
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(e)
			}
			return a.printExplanation(&e, cut.most(a))
		},
	}
	cut.flags(cmd, 20)
	return cmd
}

// standingOf says in a sentence how a group stands.
func standingOf(e *view.Explanation) (state, sentence string) {
	has, wants := slices.Sorted(slices.Values(e.Members)), slices.Sorted(slices.Values(e.Target))
	switch {
	case e.Next != "" && e.Held != "":
		return "waiting", fmt.Sprintf("group %s is to change: %s; not yet: %s", e.Group, e.Next, e.Held)
	case e.Next != "":
		return "waiting", fmt.Sprintf("group %s is to change next: %s", e.Group, e.Next)
	case !slices.Equal(has, wants):
		return "moving", fmt.Sprintf("group %s is on the move: see fleetctl balance moves", e.Group)
	case len(e.Target) < e.Replicas:
		return "short", fmt.Sprintf("group %s has %d of %d members: no other node can take one", e.Group, len(e.Target), e.Replicas)
	}
	return "balanced", fmt.Sprintf("group %s is where it should be", e.Group)
}

func (a *app) printExplanation(e *view.Explanation, most int) error {
	if err := a.headline(standingOf(e)); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	cause := e.Reason
	switch {
	case e.Cause == "" && cause == "":
		cause = "it was added there"
	case cause == "":
		cause = e.Cause
	case e.Cause != "":
		cause = e.Cause + ": " + cause
	}
	facts := &grid{header: []string{"FACT", "VALUE"}}
	facts.add("group", e.Group)
	facts.add("replicas", e.Replicas)
	facts.add("members", nodesOf(e.Members))
	facts.add("target", nodesOf(e.Target))
	facts.add("target since", moment(e.Since))
	facts.add("target because", cause)
	facts.add("preferred leader", e.Preferred)
	if e.Next != "" {
		facts.add("next", e.Next)
		facts.add("held by", e.Held)
	}
	if err := a.printGrid(facts); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	chosen := slices.Clone(e.Candidates)
	slices.SortStableFunc(chosen, func(a, b view.Candidate) int { // its members first: a long list is cut
		return cmp.Or(btoi(b.Member)-btoi(a.Member), cmp.Compare(a.Rank, b.Rank))
	})
	g := &grid{header: []string{"NODE", "ZONE", "STATE", "RANK", "TARGET", "OTHERS IN ZONE", "MEMBERS", "SHARE", "WHY"}}
	for _, c := range chosen {
		role := ""
		switch {
		case c.Leader:
			role = "leader"
		case c.Member:
			role = "member"
		}
		rank := ""
		if c.Rank > 0 {
			rank = fmt.Sprint(c.Rank)
		}
		g.add(c.Node, c.Zone, c.State, rank, role, c.InZone, c.Members, shareOf(c.Share), c.Why)
	}
	return a.printCut(g, most, len(chosen))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
