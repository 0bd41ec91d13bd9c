package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// report is what the plan in the book cannot help.
func (l *ledger) report() []Reason {
	l.reportFrozen()
	l.reportZones()
	l.reportLimit()
	l.reportBounds(Unbalanced, "members", loadOf)
	l.reportBounds(LeaderSkew, "leaders", shareOf)
	for _, few := range l.few {
		few.Text = fmt.Sprintf("%s (%s)", few.Text, plural(few.Groups, "group"))
		l.infeasible = append(l.infeasible, *few)
	}
	slices.SortFunc(l.infeasible, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.From, b.From),
			cmp.Compare(a.Text, b.Text), cmp.Compare(a.Group, b.Group))
	})
	return l.infeasible
}

// reportFrozen names the groups that have lost their quorum.
func (l *ledger) reportFrozen() {
	for _, g := range l.frozen.slots {
		l.infeasible = append(l.infeasible, Reason{Kind: NoQuorum, Group: l.groups[g].ID, Groups: 1,
			Text: "most voters of the group are on dead or unknown nodes: it is left as it is until they return or it is recovered by hand"})
	}
}

// reportLimit says how many groups the policy's limit a zone could not be kept
// for.
func (l *ledger) reportLimit() {
	limit := int32(min(l.policy.MaxPerZone, maxSlack))
	if limit == 0 {
		return
	}
	over, first := Reason{Kind: ZoneLimit}, none
	concerned := [][]int32{l.crowded.slots, l.frozen.slots} // a frozen group is never in crowded
	for _, slots := range concerned {
		for _, g := range slots {
			if use := l.zoneUse(&l.groups[g]); len(use) > 0 && slices.Max(use) > limit {
				if first == none || l.compareGroups(g, first) < 0 {
					first = g
				}
				over.Groups++
			}
		}
	}
	if first != none {
		over.Group = l.groups[first].ID
		over.Text = fmt.Sprintf("%s cannot keep to %d a zone: too few zones have an active node", plural(over.Groups, "group"), limit)
		l.infeasible = append(l.infeasible, over)
	}
}

// reportBounds says which nodes stay outside their bounds.
func (l *ledger) reportBounds(kind Kind, what string, of func(*nodeEntry) *account) {
	for _, i := range l.active {
		a := of(&l.nodes[i])
		if !a.above() && !a.under() {
			continue
		}
		l.infeasible = append(l.infeasible, Reason{Kind: kind, From: l.nodes[i].ID, Zone: l.nodes[i].Zone,
			Text: fmt.Sprintf("node %s has %d %s, its fair number is %d.%02d, and no move is allowed that would help",
				l.nodes[i].ID, a.have, what, a.fair/unit, a.fair%unit*100/unit)})
	}
}

// reportZones says which zones are used more than their weight, and whether the
// policy's limit had to be exceeded.
func (l *ledger) reportZones() {
	var weight, fair uint64
	inZone := make([]uint64, len(l.zones))
	for _, i := range l.order {
		if n := &l.nodes[i]; n.counts {
			weight += n.weight()
			fair += n.load.fair
			inZone[n.zone] += n.load.fair
		}
	}
	for _, z := range l.zoneOrder {
		zone := &l.zones[z]
		if zone.weight == 0 {
			continue
		}
		share, _ := mulDiv(fair, zone.weight, weight)
		used := account{have: int64(inZone[z] / unit), fair: max(share, 1)}
		if l.members.set(&used); !used.above() || inZone[z] < share+unit {
			continue
		}
		times, _ := mulDiv(inZone[z], 100, max(share, 1))
		rule := "strict spread"
		if l.policy.MaxPerZone > 0 {
			rule = "spread"
		}
		l.infeasible = append(l.infeasible, Reason{Kind: ZoneSkew, Zone: zone.name,
			Text: fmt.Sprintf("zone %q has %s: %s gives it %d.%02d × its share", zone.name,
				plural(zone.size, "node"), rule, times/100, times%100)})
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
