package placement

import (
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/dgryski/go-rendezvous"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Rank lists the active nodes in the order in which an empty fleet would give
// them members of the named group: the best of all nodes first, which is also
// the preferred leader, then the best of each other zone, then the second of
// each zone, and so on. The first n are n members in as many zones as can be.
//
// It costs the square of a zone's nodes; [Plan] is what places many groups.
func Rank(group string, nodes []Node) []ident.NodeID {
	zones := make(map[string][]ident.NodeID)
	for _, n := range canonicalNodes(nodes) {
		if n.gets() {
			zones[n.Zone] = append(zones[n.Zone], n.ID)
		}
	}
	var ranked []ident.NodeID
	for len(zones) > 0 {
		// One round takes the best that is left of each zone. Which zone comes
		// first in the map does not matter: the heads are ranked together.
		var heads []ident.NodeID
		for zone, left := range zones {
			head := best(group, left)
			heads = append(heads, head)
			left = slices.DeleteFunc(left, func(id ident.NodeID) bool { return id == head })
			if len(left) == 0 {
				delete(zones, zone)
			} else {
				zones[zone] = left
			}
		}
		slices.Sort(heads)
		for len(heads) > 0 {
			head := best(group, heads)
			ranked = append(ranked, head)
			heads = slices.DeleteFunc(heads, func(id ident.NodeID) bool { return id == head })
		}
	}
	return ranked
}

// best is the library's choice among candidates, which are sorted and not empty.
func best(group string, candidates []ident.NodeID) ident.NodeID {
	names := make([]string, len(candidates))
	for i, id := range candidates {
		names[i] = id.String()
	}
	chosen := rendezvous.New(names, xxhash.Sum64String).Lookup(group)
	return candidates[slices.Index(names, chosen)]
}

// hashNode and hashGroup are what score mixes.
func hashNode(id ident.NodeID) uint64 { return xxhash.Sum64String(id.String()) }
func hashGroup(name string) uint64    { return xxhash.Sum64String(name) }
func score(group, node uint64) uint64 {
	// The library's mixing, kept here because its Lookup hashes every candidate
	// again: ten thousand groups over a hundred nodes would hash a million
	// strings. The tests hold this against the library.
	x := group ^ node
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	return x * 2685821657736338717
}

// canonicalNodes returns the nodes by identifier, each once.
func canonicalNodes(nodes []Node) []Node {
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, compareNodes)
	return slices.CompactFunc(sorted, func(a, b Node) bool { return a.ID == b.ID })
}
