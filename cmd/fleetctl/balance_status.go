package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalanceStatus(a *app) *cobra.Command {
	var w watching
	var wait bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell whether every group is where it should be, and if not, why not and when",
		Long: "status says first how things stand: balanced, moving, waiting, paused, held (too much of the fleet is gone\n" +
			"at once), stuck (no move would help) or unknown (nobody can tell), and why nothing moves when nothing moves.\n" +
			"With --wait it waits until the fleet is balanced.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case wait && w.on:
				return usagef("choose one", "--wait and --watch exclude each other")
			case limit < 0:
				return usagef("use a duration such as 10m, or 0 for none", "--wait-timeout is %s", limit)
			case limit > 0 && !wait:
				return usagef("add --wait", "--wait-timeout has nothing to bound")
			}
			show := func(ctx context.Context) error {
				b, err := a.balance(ctx)
				if err != nil {
					return err
				}
				return a.printBalance(&b)
			}
			if !wait {
				return w.run(cmd.Context(), a, show)
			}
			b, err := a.awaitBalance(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return a.printBalance(&b)
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the fleet is balanced; the exit code is 5 if it cannot be as things are")
	cmd.Flags().DurationVar(&limit, "wait-timeout", 0, "how long to wait; after it the exit code is 5 (0 = no limit)")
	return cmd
}

func (a *app) balance(ctx context.Context) (view.Balance, error) {
	return fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.Balance, error) { return c.Balance(ctx) })
}

// causes say what the causes of a change are, the most urgent first in a queue.
var causes = map[string]string{
	"create":  "new groups get their members",
	"repair":  "members are lost, or on nodes that are gone",
	"drain":   "members are on nodes that are drained",
	"resize":  "the groups shall have more members, or fewer",
	"spread":  "the groups are in fewer zones than they could be",
	"balance": "nodes have more than their share of members, or less",
	"lead":    "other members shall lead",
}

// standing prints how balancing stands as the first line above a list of so many lines.
func (a *app) standing(ctx context.Context, lines int) error {
	b, err := a.balance(ctx)
	if err == nil {
		err = a.headline(b.State, b.Why)
	}
	if err == nil && lines > 0 {
		_, err = fmt.Fprintln(a.out)
	}
	return err
}

func (a *app) printBalance(b *view.Balance) error {
	if a.json() {
		return a.printJSON(b)
	}
	if err := a.headline(b.State, b.Why); err != nil {
		return err
	}
	if b.State == view.BalanceUnknown { // the rest is not known, which is not that it is nothing
		return a.printProblems(b.Problems)
	}
	fmt.Fprintln(a.out)
	facts := &grid{header: []string{"FACT", "VALUE"}}
	if p := b.Pause; p != nil {
		facts.add("paused by", p.By)
		facts.add("paused since", moment(p.Since))
		facts.add("paused for", p.Reason)
	}
	if b.Held != "" {
		facts.add("brake", b.Held)
	}
	facts.add("moving", fmt.Sprintf("%d of at most %d", b.Moving, b.MoveLimit))
	if b.Leading > 0 {
		facts.add("leaders on their way", b.Leading)
	}
	facts.add("left", b.Left)
	done := fmt.Sprint(b.Done)
	if b.DoneIn > 0 {
		done += " in the last " + span(b.DoneIn)
	}
	facts.add("done", done)
	facts.add("rate", fmt.Sprintf("%.1f a minute", b.PerMinute))
	if b.ETA > 0 {
		facts.add("to go", "about "+span(b.ETA))
	}
	held := func(hold string) bool {
		return slices.ContainsFunc(b.Holds, func(h view.BalanceHold) bool { return h.Hold == hold })
	}
	if held("restless") {
		facts.add("waits for quiet until", moment(b.QuietFrom))
	}
	if held("resting") || len(b.Queue) == 0 && !b.Rests.IsZero() {
		facts.add("first group rested at", moment(b.Rests))
	}
	facts.add("planner", b.Planner)
	facts.add("decided", moment(b.At))
	if err := a.printGrid(facts); err != nil {
		return err
	}
	if len(b.Queue) > 0 {
		fmt.Fprintln(a.out)
		g := &grid{header: []string{"TO CHANGE", "GROUPS", "BECAUSE"}}
		for _, q := range b.Queue {
			g.add(q.Cause, q.Groups, causes[q.Cause])
		}
		if err := a.printGrid(g); err != nil {
			return err
		}
	}
	if len(b.Holds) > 0 {
		fmt.Fprintln(a.out)
		g := &grid{header: []string{"HELD", "GROUPS", "BECAUSE"}}
		for _, h := range b.Holds {
			g.add(h.Hold, h.Groups, h.Means)
		}
		if err := a.printGrid(g); err != nil {
			return err
		}
	}
	return a.printProblems(b.Problems)
}
