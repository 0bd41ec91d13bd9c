package catalogue

import (
	"cmp"
	"maps"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Index is that up to which everything was applied or restored: reads see all that
// came up to there.
func (m *Machine) Index() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.index
}

// SeenIndex is that behind which nothing was applied yet: what was read before the
// call came up to there at most.
func (m *Machine) SeenIndex() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.seen
}

// Time is that of the latest command, in ns since 1970: of the log, or later if the
// command said so. It never goes back, so after a clock was ahead it may stand still.
func (m *Machine) Time() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.time
}

// NextGroup is the GroupID that a new group will get: a copy knows nothing of the
// groups from there on, neither that they exist nor that they do not.
func (m *Machine) NextGroup() ident.GroupID {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return ident.GroupID(m.nextGroup)
}

// Nodes lists all nodes by identifier.
func (m *Machine) Nodes() []Node {
	m.mu.RLock()
	defer m.mu.RUnlock()
	nodes := make([]Node, 0, len(m.nodes))
	for _, n := range m.nodes {
		nodes = append(nodes, *n)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

// Node returns one node, and whether it is registered.
func (m *Machine) Node(id ident.NodeID) (Node, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if n, ok := m.nodes[id]; ok {
		return *n, true
	}
	return Node{}, false
}

// Group returns the group of a name, and whether there is one.
func (m *Machine) Group(name string) (*Group, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.groupNamed(name)
}

// GroupByID returns a group by its identifier, and whether it exists.
func (m *Machine) GroupByID(id ident.GroupID) (*Group, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	g, ok := m.byID[id]
	return g, ok
}

// Groups lists groups by name: those behind the given name, "" for all, and at
// most limit of them, where less than 1 means no limit.
func (m *Machine) Groups(after string, limit int) []*Group {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if limit < 1 {
		limit = m.groups.Len()
	}
	groups := make([]*Group, 0, min(limit, m.groups.Len()))
	m.groups.AscendGreaterOrEqual(&Group{Name: after}, func(g *Group) bool {
		if g.Name != after && len(groups) < limit {
			groups = append(groups, g)
		}
		return len(groups) < limit
	})
	return groups
}

// NumGroups is how many groups there are.
func (m *Machine) NumGroups() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.groups.Len()
}

// HostedBy lists, by identifier, the groups of which a node has a member by its
// target or by the configuration last reported.
func (m *Machine) HostedBy(node ident.NodeID) []*Group {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.hosted.of(node)
}

// NumHosted is how many groups HostedBy would list.
func (m *Machine) NumHosted(node ident.NodeID) int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.hosted.count(node)
}

// Archive returns the archive of a name, and whether there is one.
func (m *Machine) Archive(name string) (*Archive, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	a, ok := m.archives[name]
	return a, ok
}

// Archives lists all archives by name.
func (m *Machine) Archives() []*Archive {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return sortedArchives(m.archives)
}

func sortedArchives(archives map[string]*Archive) []*Archive {
	return slices.SortedFunc(maps.Values(archives), func(a, b *Archive) int { return cmp.Compare(a.Name, b.Name) })
}

// Settings returns a copy of all settings.
func (m *Machine) Settings() map[string]string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.settings)
}

// Changed returns a channel that is closed at the next change. To miss none,
// get the channel first and read then.
func (m *Machine) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}

// Changes lists, by identifier, the groups and nodes that changed, came or went
// behind index since, and the index up to which that is so: since for the next
// call. Only some thousand changes are remembered; when since is further back,
// or before what was restored, complete is false: look at everything. Archives
// and settings are not listed; they are few, look at them.
func (m *Machine) Changes(since uint64) (groups []ident.GroupID, nodes []ident.NodeID, index uint64, complete bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	groups, nodes, complete = m.ring.since(since)
	return groups, nodes, m.index, complete && since <= m.index
}
