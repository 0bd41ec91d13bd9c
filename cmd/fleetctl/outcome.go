package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// effort says how much an outcome moves, and for how long.
func effort(o *view.Outcome) string {
	if o.Groups == 0 {
		if o.Held != "" {
			return "nothing would move: " + o.Held
		}
		return "nothing would move"
	}
	line := fmt.Sprintf("%s would change, %s would move", plural(o.Groups, "group"), membersAndLeaders(o.MembersMoved, o.LeadersMoved))
	switch {
	case o.Held != "":
		line += ", but that would be held: " + o.Held
	case o.MembersMoved == 0:
	case o.ETA > 0:
		line += ", for about " + span(o.ETA) + " at the rate of the last moves"
	default:
		line += "; for how long is not known: nothing moved lately"
	}
	return line
}

// theCatalogue is the catalogue among the names of groups.
const theCatalogue = "catalogue"

// losses says what would be lost; empty where nothing is.
func losses(o *view.Outcome) string {
	var out []string
	groups := o.QuorumsLost
	if slices.Contains(o.LoseQuorum, theCatalogue) {
		groups--
		out = append(out, "the catalogue would have no quorum")
	}
	if groups > 0 {
		out = append(out, plural(groups, "group")+" would have no quorum")
	}
	if o.SpreadsLost > 0 {
		out = append(out, plural(o.SpreadsLost, "group")+" would be in fewer zones")
	}
	if n := o.After.FewGroups - o.Before.FewGroups; n > 0 {
		out = append(out, plural(n, "more group")+" would have too few members")
	}
	return strings.Join(out, ", ")
}

func (a *app) printOutcome(o *view.Outcome, q *view.WhatIf, most int, t tolerance) error {
	if err := a.headline(question(q), effort(o)); err != nil {
		return err
	}
	if l := losses(o); l != "" {
		if err := a.headline("beware", l); err != nil {
			return err
		}
	}
	for _, print := range []func() error{
		func() error { return a.printBeforeAndAfter(&o.Before, &o.After, most, t) },
		func() error { return a.printLost(o, most) },
		func() error {
			if len(o.Moves) == 0 {
				return nil
			}
			fmt.Fprintln(a.out)
			return a.printPlanned(o.Moves, most, max(o.Groups, len(o.Moves)))
		},
		func() error { return a.printProblems(o.Problems) },
	} {
		if err := print(); err != nil {
			return err
		}
	}
	return nil
}

// printLost lists the groups that would lose something.
func (a *app) printLost(o *view.Outcome, most int) error {
	for _, l := range []struct {
		header string
		groups []string
		total  int
	}{{"WITHOUT A QUORUM", o.LoseQuorum, o.QuorumsLost}, {"IN FEWER ZONES", o.LoseSpread, o.SpreadsLost}} {
		if len(l.groups) == 0 {
			continue
		}
		if err := a.printNames(l.header, l.groups, most, max(l.total, len(l.groups))); err != nil {
			return err
		}
	}
	return nil
}

// namesWidth is how wide lines of names are, unless one name alone is wider.
const namesWidth = 100

// printNames prints at most so many names, 0 for all, several in a line, and how many
// more there are of the total.
func (a *app) printNames(header string, names []string, most, total int) error {
	if most > 0 && len(names) > most {
		names = names[:most]
	}
	g := &grid{header: []string{header}}
	line := ""
	for i, name := range names {
		if name = oneLine(name); i+1 < len(names) {
			name += ","
		}
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(name) > namesWidth {
			g.add(line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += name
	}
	g.add(line)
	fmt.Fprintln(a.out)
	if err := a.printGrid(g); err != nil {
		return err
	}
	return a.printMore(total-len(names), most)
}

// printBeforeAndAfter shows two skews side by side: the fleet, its zones, and the
// nodes that change, the most changed first.
func (a *app) printBeforeAndAfter(before, after *view.Skew, most int, allowed tolerance) error {
	fmt.Fprintln(a.out)
	fleet := &grid{header: []string{"FLEET", "NOW", "THEN"}}
	fleet.add("nodes", serving(before.Nodes), serving(after.Nodes))
	fleet.add("most members on a node, times its share", ratio(before.MemberMax), ratio(after.MemberMax))
	fleet.add("most leaders on a node, times its share", ratio(before.LeaderMax), ratio(after.LeaderMax))
	fleet.add("groups with too few members", before.FewGroups, after.FewGroups)
	fleet.add("groups in too few zones", before.FewZones, after.FewZones)
	if err := a.printGrid(fleet); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	zones := &grid{header: []string{"ZONE", "NODES", "NODES THEN", "MEMBERS", "MEMBERS THEN", "RATIO", "RATIO THEN"}}
	for _, z := range paired(before.Zones, after.Zones, func(z *view.SkewZone) string { return z.Zone }) {
		b, t := cmp.Or(z.before, &view.SkewZone{}), cmp.Or(z.after, &view.SkewZone{})
		zones.add(z.name, b.Nodes, t.Nodes, b.Members, t.Members, a.ratioCell(b.Ratio, allowed.off(b.Members, b.Share, leastMembers)), a.ratioCell(t.Ratio, allowed.off(t.Members, t.Share, leastMembers)))
	}
	if err := a.printGrid(zones); err != nil {
		return err
	}
	var changed []pair[view.SkewNode]
	for _, n := range paired(before.Nodes, after.Nodes, func(n *view.SkewNode) string { return n.Node }) {
		if n.before == nil || n.after == nil || n.before.Members != n.after.Members || n.before.Leaders != n.after.Leaders || n.before.State != n.after.State {
			changed = append(changed, n)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	by := func(n pair[view.SkewNode]) int {
		b, t := cmp.Or(n.before, &view.SkewNode{}), cmp.Or(n.after, &view.SkewNode{})
		return max(b.Members-t.Members, t.Members-b.Members)
	}
	slices.SortStableFunc(changed, func(x, y pair[view.SkewNode]) int { return cmp.Compare(by(y), by(x)) })
	fmt.Fprintln(a.out)
	g := &grid{header: []string{"NODE THAT CHANGES", "ZONE", "STATE THEN", "MEMBERS", "MEMBERS THEN", "RATIO", "RATIO THEN", "LEADERS", "LEADERS THEN"}}
	for _, n := range changed {
		b, t := cmp.Or(n.before, &view.SkewNode{}), cmp.Or(n.after, &view.SkewNode{})
		state := t.State
		if n.after == nil {
			state = "gone"
		}
		g.add(n.name, cmp.Or(t.Zone, b.Zone), state, b.Members, t.Members, a.ratioCell(b.Ratio, allowed.off(b.Members, b.Share, leastMembers)),
			a.ratioCell(t.Ratio, allowed.off(t.Members, t.Share, leastMembers)), b.Leaders, t.Leaders)
	}
	return a.printCut(g, most, len(changed))
}

// serving counts the nodes that are a place for members.
func serving(nodes []view.SkewNode) int {
	n := 0
	for i := range nodes {
		n += btoi(nodes[i].Share > 0 || nodes[i].State == view.StateActive)
	}
	return n
}

// pair is one thing as it is and as it would be, nil where it is not there.
type pair[T any] struct {
	name          string
	before, after *T
}

// paired finds what belongs together in two lists: the order is that of the first,
// then what is only in the second.
func paired[T any](before, after []T, name func(*T) string) []pair[T] {
	var out []pair[T]
	at := make(map[string]int)
	for i := range before {
		at[name(&before[i])] = len(out)
		out = append(out, pair[T]{name: name(&before[i]), before: &before[i]})
	}
	for i := range after {
		if p, known := at[name(&after[i])]; known {
			out[p].after = &after[i]
			continue
		}
		out = append(out, pair[T]{name: name(&after[i]), after: &after[i]})
	}
	return out
}
