package catalogue

import (
	"maps"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// census counts what the targets give to each node, kept with every change so
// that a new group can be placed without looking at all others.
type census placement.Census

func newCensus() census {
	return census{Groups: make(map[int]int64), Members: make(map[ident.NodeID]int64), Leaders: make(map[ident.NodeID]int64)}
}

// replace counts next in the place of old; either may be nil.
func (c census) replace(old, next *Group) {
	c.count(old, -1)
	c.count(next, 1)
}

func (c census) count(g *Group, by int64) {
	if g == nil {
		return
	}
	add(c.Groups, g.Replicas, by)
	for _, m := range g.Target {
		add(c.Members, m.Node, by)
	}
	if g.Preferred != 0 {
		add(c.Leaders, g.Preferred, by)
	}
}

func add[K comparable](counts map[K]int64, key K, by int64) {
	if counts[key] += by; counts[key] == 0 {
		delete(counts, key)
	}
}

// Census counts groups, members and preferred leaders by target, every group at
// the cost of 1, for [placement.Place].
func (m *Machine) Census() placement.Census {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return placement.Census{Groups: maps.Clone(m.census.Groups), Members: maps.Clone(m.census.Members), Leaders: maps.Clone(m.census.Leaders)}
}
