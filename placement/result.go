package placement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// result reads the plan out of the book.
func (l *ledger) result() Result {
	r := Result{Targets: []Target{}, Moves: []Move{}, Infeasible: []Reason{}}
	changed := make([]int32, 0, len(l.journal.notes))
	for i := range l.journal.notes {
		changed = append(changed, l.journal.notes[i].group)
	}
	for _, g := range l.leaderless.slots {
		if l.groups[g].touched != l.journal.plan {
			changed = append(changed, g)
		}
	}
	slices.SortFunc(changed, l.compareGroups)
	for _, g := range changed {
		e := &l.groups[g]
		if e.frozen {
			continue
		}
		if t, changed := l.target(e); changed {
			r.Targets = append(r.Targets, t)
			r.Moves = append(r.Moves, l.moves(e, t)...)
		}
	}
	slices.SortStableFunc(r.Targets, func(a, b Target) int { return cmp.Compare(a.Reason.Kind, b.Reason.Kind) })
	slices.SortStableFunc(r.Moves, func(a, b Move) int { return cmp.Compare(a.Kind, b.Kind) })
	r.Infeasible = append(r.Infeasible, l.report()...)
	return r
}

// target is what e has in the ledger, and whether that is new.
func (l *ledger) target(e *groupEntry) (Target, bool) {
	t := Target{Group: e.ID, Epoch: e.Epoch + 1, Members: make([]ident.NodeID, len(e.members))}
	for i, n := range e.members {
		t.Members[i] = l.nodes[n].ID
	}
	if e.leading {
		t.Leader = l.nodes[e.leader].ID
	}
	before := uniqueSorted(e.Members)
	if len(t.Members) == 0 && len(before) == 0 {
		return t, false // a new group that no node can take
	}
	same := slices.Equal(before, t.Members)
	if same && t.Leader == e.Leader {
		return t, false
	}
	t.Reason = Reason{Kind: e.cause.kind, From: e.cause.from, To: e.cause.to}
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

func uniqueSorted(ids []ident.NodeID) []ident.NodeID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
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

// Move is one member of a group that goes from one node to another, or one
// preferred leader. From is 0 for a member that is added, To for one that is
// given up.
type Move struct {
	Group ident.GroupID `json:"group"`
	Kind  Kind          `json:"kind"`
	From  ident.NodeID  `json:"from,omitzero"`
	To    ident.NodeID  `json:"to,omitzero"`
}

// moves takes a target apart. Who leaves is paired with who comes in the same
// zone where that can be, else in the order of identifiers.
func (l *ledger) moves(e *groupEntry, t Target) []Move {
	before := uniqueSorted(e.Members)
	only := func(a, b []ident.NodeID) (ids []ident.NodeID) {
		for _, id := range a {
			if _, both := slices.BinarySearch(b, id); !both {
				ids = append(ids, id)
			}
		}
		return ids
	}
	from, to := only(before, t.Members), only(t.Members, before)
	var moves []Move
	pair := func(i, j int) {
		m := Move{Group: t.Group}
		if i >= 0 {
			m.From = from[i]
			from = slices.Delete(from, i, i+1)
		}
		if j >= 0 {
			m.To = to[j]
			to = slices.Delete(to, j, j+1)
		}
		m.Kind = l.moveKind(t.Reason.Kind, m)
		moves = append(moves, m)
	}
	for i := 0; i < len(from); {
		zone := l.zoneName(from[i])
		if j := slices.IndexFunc(to, func(id ident.NodeID) bool { return l.zoneName(id) == zone }); j >= 0 && zone != "" {
			pair(i, j)
		} else {
			i++
		}
	}
	for len(from)+len(to) > 0 {
		pair(min(len(from), 1)-1, min(len(to), 1)-1)
	}
	if t.Leader != e.Leader && len(before) > 0 {
		moves = append(moves, Move{Group: t.Group, Kind: Lead, From: e.Leader, To: t.Leader})
	}
	return moves
}

func (l *ledger) zoneName(id ident.NodeID) string {
	if n, ok := l.byID[id]; ok && l.nodes[n].known {
		return l.nodes[n].Zone
	}
	return ""
}

// moveKind is why one member of a group moves that changes for the given reason,
// and perhaps for others too.
func (l *ledger) moveKind(reason Kind, m Move) Kind {
	state, known := Active, false
	if n, ok := l.byID[m.From]; ok && l.nodes[n].known {
		state, known = l.nodes[n].State, true
	}
	switch {
	case reason == Create:
		return Create
	case m.From == 0:
		if reason == Repair || reason == Drain {
			return reason
		}
		return Resize
	case !known || state == Dead:
		return Repair
	case state == Draining || state == Inactive:
		return Drain
	case m.To == 0:
		return Resize
	case reason == Spread:
		return Spread
	}
	return Balance
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
	n, ok := l.byID[id]
	switch {
	case id == 0:
		return "no node"
	case !ok || !l.nodes[n].known:
		return "unknown node " + id.String()
	}
	node := &l.nodes[n]
	return fmt.Sprintf("%s node %s (zone %q)", node.State, id, node.Zone)
}
