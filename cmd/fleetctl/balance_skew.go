package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalanceSkew(a *app) *cobra.Command {
	var w watching
	var cut cutting
	cmd := &cobra.Command{
		Use:   "skew",
		Short: "Show how evenly nodes and zones are loaded, the uneven first",
		Long: "skew counts what nodes should have by the present targets. SHARE is a node's fair number by its weight and\n" +
			"RATIO how many times its share it has: 1.00 is even.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cut.check(); err != nil {
				return err
			}
			return w.run(cmd.Context(), a, func(ctx context.Context) error {
				s, err := a.skew(ctx)
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(s)
				}
				return a.printSkew(&s, cut.most(a), a.tolerance(ctx))
			})
		},
	}
	w.flags(cmd)
	cut.flags(cmd, 50)
	return cmd
}

func (a *app) skew(ctx context.Context) (view.Skew, error) {
	return fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.Skew, error) { return c.Skew(ctx) })
}

// uneven are the things that are further off their share than is usual, in words, the
// worst first.
func uneven(s *view.Skew, t tolerance) []string {
	type word struct {
		text string
		by   float64
	}
	var words []word
	say := func(thing string, have int, share, least float64, what string) {
		if t.off(have, share, least) {
			words = append(words, word{fmt.Sprintf("%s has %s, its share is %s", thing, plural(have, what), shareOf(share)), math.Abs(float64(have)/share - 1)})
		}
	}
	for _, z := range s.Zones {
		say("zone "+z.Zone, z.Members, z.Share, leastMembers, "member")
	}
	for _, n := range s.Nodes {
		say("node "+n.Node, n.Members, n.Share, leastMembers, "member")
		say("node "+n.Node, n.Leaders, n.LeaderShare, leastLeaders, "leader")
	}
	slices.SortStableFunc(words, func(a, b word) int { return cmp.Compare(b.by, a.by) })
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.text
	}
	return out
}

// lacking is what groups lack, in words; empty where they lack nothing.
func lacking(s *view.Skew) string {
	var out []string
	if s.FewGroups > 0 {
		out = append(out, plural(s.FewGroups, "group")+" with too few members")
	}
	if s.FewZones > 0 {
		out = append(out, plural(s.FewZones, "group")+" in too few zones")
	}
	return strings.Join(out, ", ")
}

func (a *app) printSkew(s *view.Skew, most int, t tolerance) error {
	words := uneven(s, t)
	state, why := "even", fmt.Sprintf("at most %.2f times its share of members on a node, and %.2f of leaders", s.MemberMax, s.LeaderMax)
	if len(words) > 0 {
		state, why = "uneven", firstOf(words, 3)
	}
	if l := lacking(s); l != "" {
		why += "; " + l
	}
	if err := a.headline(state, why); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	zones := &grid{header: []string{"ZONE", "NODES", "WEIGHT", "MEMBERS", "SHARE", "RATIO", "LEADERS"}}
	for _, z := range s.Zones {
		zones.add(z.Zone, z.Nodes, z.Weight, z.Members, shareOf(z.Share), a.ratioCell(z.Ratio, t.off(z.Members, z.Share, leastMembers)), z.Leaders)
	}
	if err := a.printGrid(zones); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	g := &grid{header: []string{"NODE", "ZONE", "STATE", "WEIGHT", "MEMBERS", "SHARE", "RATIO", "LEADERS", "LEADER SHARE", "LEADER RATIO"}}
	for _, n := range worstFirst(s.Nodes, t) {
		g.add(n.Node, n.Zone, n.State, n.Weight, n.Members, shareOf(n.Share), a.ratioCell(n.Ratio, t.off(n.Members, n.Share, leastMembers)),
			n.Leaders, shareOf(n.LeaderShare), a.ratioCell(n.LeaderRatio, t.off(n.Leaders, n.LeaderShare, leastLeaders)))
	}
	if err := a.printCut(g, most, len(s.Nodes)); err != nil {
		return err
	}
	return a.printProblems(s.Problems)
}

// ratioCell marks, for people, what is off.
func (a *app) ratioCell(r float64, off bool) string {
	if a.outTerminal && off {
		return fmt.Sprintf("%.2f !", r)
	}
	return ratio(r)
}

// worstFirst puts the nodes that are off before the others, which stand by zone and
// name, so that a long list may be cut.
func worstFirst(nodes []view.SkewNode, t tolerance) []view.SkewNode {
	badness := func(n *view.SkewNode) float64 {
		switch {
		case n.Share == 0 && n.Members > 0: // it should have none
			return math.MaxFloat64
		case t.off(n.Members, n.Share, leastMembers), t.off(n.Leaders, n.LeaderShare, leastLeaders):
			return max(math.Abs(n.Ratio-1), math.Abs(n.LeaderRatio-1))
		}
		return 0
	}
	out := slices.Clone(nodes)
	slices.SortStableFunc(out, func(a, b view.SkewNode) int {
		return cmp.Or(cmp.Compare(badness(&b), badness(&a)), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Node, b.Node))
	})
	return out
}

// firstOf joins the first of some words and counts the rest.
func firstOf(words []string, most int) string {
	if len(words) <= most {
		return strings.Join(words, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(words[:most], "; "), len(words)-most)
}
