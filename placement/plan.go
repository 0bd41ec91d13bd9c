package placement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Input is what a plan is made from, all of it of one catalogue index. The
// order of the slices means nothing. Plan does not keep or change them.
type Input struct {
	Nodes  []Node
	Groups []Group
	Policy Policy
}

// Result is a plan.
type Result struct {
	// Targets are the groups that should change, in the order in which to make
	// the changes: the most urgent kind of reason first.
	Targets []Target
	// Infeasible is what no change can help, and why.
	Infeasible []Reason
}

// settleRounds bounds how often spread and balance follow each other. One more
// round than the first is rare: balance never makes a group's spread worse.
const settleRounds = 8

// Plan says what should change.
func Plan(in Input) Result {
	l := newLedger(in)
	l.repair()
	for range settleRounds {
		spread := l.spread()
		if !l.balance() && !spread {
			break
		}
	}
	l.chooseLeaders()
	l.balanceLeaders()
	return l.result()
}

func (l *ledger) result() Result {
	var r Result
	for g := range l.groups {
		e := &l.groups[g]
		if e.frozen {
			continue
		}
		if t, changed := l.target(e); changed {
			r.Targets = append(r.Targets, t)
		}
	}
	slices.SortStableFunc(r.Targets, func(a, b Target) int { return cmp.Compare(a.Reason.Kind, b.Reason.Kind) })
	l.reportZones()
	l.reportLimit()
	l.reportBounds(Unbalanced, "members", loadOf, l.members)
	l.reportBounds(LeaderSkew, "leaders", shareOf, l.leaders)
	for _, few := range l.few {
		few.Text = fmt.Sprintf("%s (%s)", few.Text, plural(few.Groups, "group"))
		l.infeasible = append(l.infeasible, *few)
	}
	slices.SortStableFunc(l.infeasible, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.From, b.From),
			cmp.Compare(a.Text, b.Text), cmp.Compare(a.Group, b.Group))
	})
	r.Infeasible = l.infeasible
	return r
}

// target is what e has in the ledger, and whether that is new.
func (l *ledger) target(e *groupEntry) (Target, bool) {
	t := Target{Group: e.ID, Members: make([]ident.NodeID, len(e.members))}
	for i, n := range e.members {
		t.Members[i] = l.nodes[n].ID
	}
	if e.leader != none {
		t.Leader = l.nodes[e.leader].ID
	}
	before := slices.Clone(e.Members)
	slices.Sort(before)
	before = slices.Compact(before)
	if len(t.Members) == 0 && len(before) == 0 {
		return t, false // a new group that no node can take
	}
	same := slices.Equal(before, t.Members)
	if same && t.Leader == e.Leader {
		return t, false
	}
	t.Reason = e.reason
	if same {
		t.Reason = Reason{Kind: Lead, From: e.Leader, To: t.Leader}
	} else {
		// Later steps may have changed what an earlier one decided.
		t.Reason.From = firstOnlyIn(before, t.Members, t.Reason.From)
		t.Reason.To = firstOnlyIn(t.Members, before, t.Reason.To)
	}
	t.Reason.Text = l.explain(t.Reason)
	return t, true
}

// firstOnlyIn is the first of a that is not in b, preferably the given one, 0
// if there is none. Both are sorted.
func firstOnlyIn(a, b []ident.NodeID, preferred ident.NodeID) ident.NodeID {
	var first ident.NodeID
	for _, id := range a {
		if _, found := slices.BinarySearch(b, id); found {
			continue
		}
		if id == preferred {
			return id
		}
		if first == 0 {
			first = id
		}
	}
	return first
}

func (l *ledger) explain(r Reason) string {
	from, to := l.describe(r.From), l.describe(r.To)
	switch r.Kind {
	case Create:
		return "a new group gets its first members, beginning with " + to
	case Repair, Drain:
		if r.To == 0 {
			return from + " is given up, no other node can take its place"
		}
		return from + " is replaced by " + to
	case Resize:
		if r.To == 0 {
			return "fewer members are wanted: " + from + " is given up"
		}
		return "more members are wanted: " + to + " gets one"
	case Spread:
		return "the group can be in more zones: from " + from + " to " + to
	case Balance:
		return "loads are uneven: from " + from + " to " + to
	case Lead:
		if r.From == 0 {
			return to + " should lead"
		}
		return to + " should lead instead of " + from
	}
	return ""
}

func (l *ledger) describe(id ident.NodeID) string {
	n, known := l.byID[id]
	switch {
	case id == 0:
		return "no node"
	case !known:
		return "unknown node " + id.String()
	}
	node := &l.nodes[n]
	return fmt.Sprintf("%s node %s (zone %q)", node.State, id, node.Zone)
}

// reportLimit says how many groups the policy's limit a zone could not be kept
// for.
func (l *ledger) reportLimit() {
	limit := l.policy.MaxPerZone
	if limit == 0 {
		return
	}
	over := Reason{Kind: ZoneLimit}
	for g := range l.groups {
		e := &l.groups[g]
		if use := l.zoneUse(e); len(use) > 0 && slices.Max(use) > limit {
			if over.Groups == 0 {
				over.Group = e.ID
			}
			over.Groups++
		}
	}
	if over.Groups > 0 {
		over.Text = fmt.Sprintf("%s cannot keep to %d a zone: too few zones have an active node", plural(over.Groups, "group"), limit)
		l.infeasible = append(l.infeasible, over)
	}
}
