package placement

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// catalogueName is what ranks nodes as voters of the catalogue.
const catalogueName = "catalogue"

// CatalogueVoters says which nodes should vote in the catalogue, by identifier:
// one while fewer than three nodes can, three while there are three or four,
// five from five on. Two or four voters would survive no more failures than one
// or three.
//
// Active nodes can vote, and so can suspect or joining ones that vote already:
// they are not replaced on a suspicion, but never chosen. Present voters stay
// as long as they can and spread allows. Draining voters stay where otherwise one node
// alone would vote: it would hold the only copy that counts, and a drain may be taken
// back or never end. So may one inactive voter beside two active ones, but never
// more: the processes of inactive nodes end, and must not take a quorum with
// them. The caller says of a drained node that is not heard that it is dead, and of a
// draining one as well, unless it holds members: these make it suspect. Nothing changes
// while no node is active but some are suspect: the vote must not be left to those
// alone. With nobody to take the vote, those who drain or are drained keep it; with
// nothing alive at all, current is returned as it is.
func CatalogueVoters(nodes []Node, current []ident.NodeID) []ident.NodeID {
	electorate := newElectorate(nodes, current)
	want := 1
	switch able := electorate.able(); {
	case able >= 5:
		want = 5
	case able >= 3:
		want = 3
	case able == 0:
		return electorate.lastResort(current)
	case able+len(electorate.reserve(current)) >= 3:
		want = 3
	case !electorate.anyActive():
		return uniqueSorted(current)
	}
	for len(electorate.chosen) > want {
		electorate.dismiss(electorate.loosest())
	}
	for len(electorate.chosen) < want {
		if !electorate.elect(len(electorate.nodes)) {
			break
		}
	}
	for electorate.even() {
	}
	for _, n := range electorate.reserve(current) {
		if len(electorate.chosen) < want {
			electorate.add(n)
		}
	}
	var ids []ident.NodeID
	for _, n := range electorate.chosen {
		ids = append(ids, n.ID)
	}
	slices.Sort(ids)
	return ids
}

type electorate struct {
	nodes  []Node // by identifier
	chosen []Node
	zones  map[string]int // chosen in each
}

func newElectorate(nodes []Node, current []ident.NodeID) *electorate {
	e := &electorate{nodes: canonicalNodes(nodes), zones: make(map[string]int)}
	for _, n := range e.nodes {
		if slices.Contains(current, n.ID) && n.State.stays() {
			e.add(n)
		}
	}
	return e
}

func (e *electorate) able() int {
	able := len(e.chosen)
	for _, n := range e.nodes {
		if n.State == Active && !e.has(n.ID) {
			able++
		}
	}
	return able
}

// leaving lists the voters of current that are in a state, by identifier.
func (e *electorate) leaving(state State, current []ident.NodeID) []Node {
	var out []Node
	for _, n := range e.nodes {
		if n.State == state && slices.Contains(current, n.ID) {
			out = append(out, n)
		}
	}
	return out
}

// reserve lists the voters of current that may go on voting beside others, though they
// are leaving.
func (e *electorate) reserve(current []ident.NodeID) []Node {
	active := 0
	for _, n := range e.nodes {
		if n.State == Active {
			active++
		}
	}
	out := e.leaving(Draining, current)
	if drained := e.leaving(Inactive, current); active >= 2 && len(drained) > 0 {
		out = append(out, drained[0])
	}
	return out
}

func (e *electorate) anyActive() bool {
	return slices.ContainsFunc(e.nodes, func(n Node) bool { return n.State == Active })
}

func (e *electorate) has(id ident.NodeID) bool {
	return slices.ContainsFunc(e.chosen, func(n Node) bool { return n.ID == id })
}

func (e *electorate) add(n Node) {
	e.chosen = append(e.chosen, n)
	e.zones[n.Zone]++
}

func (e *electorate) dismiss(n Node) {
	e.chosen = slices.DeleteFunc(e.chosen, func(c Node) bool { return c.ID == n.ID })
	e.zones[n.Zone]--
}

// elect adds the best active node of the least-used zone that has fewer voters
// than below, and tells whether there was one.
func (e *electorate) elect(below int) bool {
	var chosen Node
	for _, n := range e.nodes {
		if n.State != Active || e.has(n.ID) || e.zones[n.Zone] >= below {
			continue
		}
		if chosen.ID == 0 || e.zones[n.Zone] < e.zones[chosen.Zone] ||
			e.zones[n.Zone] == e.zones[chosen.Zone] && points(n) > points(chosen) {
			chosen = n
		}
	}
	if chosen.ID == 0 {
		return false
	}
	e.add(chosen)
	return true
}

// loosest is the voter to dismiss first: one that is not active, then in the
// most-used zone, then of the worst rank.
func (e *electorate) loosest() Node {
	return slices.MinFunc(e.chosen, e.compareHold)
}

func (e *electorate) compareHold(a, b Node) int {
	switch {
	case (a.State == Active) != (b.State == Active):
		if a.State == Active {
			return 1
		}
		return -1
	case e.zones[a.Zone] != e.zones[b.Zone]:
		return e.zones[b.Zone] - e.zones[a.Zone]
	case points(a) < points(b):
		return -1
	}
	return 1
}

// even moves one vote of an active node to a zone with at least two fewer.
func (e *electorate) even() bool {
	var active []Node
	for _, n := range e.chosen {
		if n.State == Active {
			active = append(active, n)
		}
	}
	if len(active) == 0 {
		return false
	}
	from := slices.MinFunc(active, e.compareHold)
	if !e.elect(e.zones[from.Zone] - 1) {
		return false
	}
	e.dismiss(from)
	return true
}

// lastResort keeps what lives of current when nobody else can vote.
func (e *electorate) lastResort(current []ident.NodeID) []ident.NodeID {
	var alive []ident.NodeID
	for _, n := range append(e.leaving(Draining, current), e.leaving(Inactive, current)...) {
		alive = append(alive, n.ID)
	}
	if len(alive) > 0 {
		current = alive
	}
	return uniqueSorted(current)
}

func points(n Node) uint64 { return score(hashGroup(catalogueName), hashNode(n.ID)) }
