package catalogue

import (
	"sync"

	"github.com/google/btree"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Machine is the catalogue's state. Apply and Restore are called one at a time,
// in the order of the log; everything else is safe at any time.
type Machine struct {
	mu    sync.RWMutex
	index uint64 // of the last entry of which all commands are applied
	seen  uint64 // of the last command applied
	time  int64  // the latest of all commands done, of the log or as they said themselves

	// The state. Records are never changed once they are in here.
	nodes      map[ident.NodeID]*Node
	groups     *btree.BTreeG[*Group] // by name
	archives   map[string]*Archive
	settings   map[string]string // replaced, never changed
	nextGroup  uint64
	nextMember uint64 // of the catalogue's own group

	// What follows from the state.
	byID   map[ident.GroupID]*Group
	hosted hostIndex
	census census

	ring    ring
	changed chan struct{} // closed at the next change; nil while nobody waits
	untold  bool          // there was one that AppliedUpTo has to tell
}

// degree of the trees: nodes of up to 63 pointers.
const degree = 32

// New returns the empty catalogue.
func New() *Machine {
	m := &Machine{ring: newRing(ringSize)}
	m.clear()
	return m
}

func (m *Machine) clear() {
	m.time = 0
	m.index, m.seen, m.nextGroup, m.nextMember = 0, 0, uint64(ident.Catalogue)+1, 1
	m.nodes = make(map[ident.NodeID]*Node)
	m.groups = btree.NewG(degree, func(a, b *Group) bool { return a.Name < b.Name })
	m.byID = make(map[ident.GroupID]*Group)
	m.archives = make(map[string]*Archive)
	m.settings = make(map[string]string)
	m.hosted, m.census = make(hostIndex), newCensus()
}

// Apply carries out one command. index is that of its entry in the log, time the
// log's time in nanoseconds since 1970. Commands may share an entry: AppliedUpTo
// says when the last of them was applied. A command that is refused changes nothing;
// the error is then a *Refusal, the same on every member. The result is read by
// the command's Result method. The machine keeps nothing of command.
func (m *Machine) Apply(index uint64, time int64, command []byte) (result []byte, err error) {
	c, err := decode(command)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = max(m.seen, index)
	if err != nil {
		return nil, err
	}
	at := moment{index, max(m.time, time)}
	visit, err := c.apply(m, at)
	if err != nil {
		return nil, err
	}
	m.time, m.untold = max(m.time, at.time), true
	return pack(visit)
}

// AppliedUpTo says that all commands up to the entry of this index were applied.
// Only now the changes that they made are told: whoever heard of one with its index
// could take it for all that the entry brings, and never ask for the rest.
func (m *Machine) AppliedUpTo(index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index, m.seen = max(m.index, index), max(m.seen, index)
	m.ring.end(index)
	if m.untold {
		m.untold = false
		m.announce()
	}
}

// announce wakes who waits for a change.
func (m *Machine) announce() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

func (m *Machine) node(id ident.NodeID) (*Node, error) {
	if n, ok := m.nodes[id]; ok {
		return n, nil
	}
	return nil, refuse(ErrNoNode, "node %s is not registered: it was forgotten, or never joined", id)
}

func (m *Machine) groupNamed(name string) (*Group, bool) { return m.groups.Get(&Group{Name: name}) }

// groupIf is the group of a name, if it is the one expected (0 = any).
func (m *Machine) groupIf(name string, expected ident.GroupID) (*Group, error) {
	g, ok := m.groupNamed(name)
	switch {
	case !ok:
		return nil, refuse(ErrNoGroup, "no group is named %q: list the groups for their names", name)
	case expected != 0 && g.ID != expected:
		return nil, refuse(ErrNoGroup, "group %q is now %s, not %s, which was removed: look again", name, g.ID, expected)
	}
	return g, nil
}

// putNode, putGroup and dropGroup publish a change. enterGroup does so without
// remembering it as one.
func (m *Machine) putNode(n *Node) {
	m.nodes[n.ID] = n
	m.ring.node(n.ID)
}

func (m *Machine) putGroup(g *Group) {
	m.enterGroup(g)
	m.ring.group(g.ID)
}

func (m *Machine) enterGroup(g *Group) {
	old := m.byID[g.ID]
	m.groups.ReplaceOrInsert(g)
	m.hosted.replace(old, g)
	m.census.replace(old, g)
	m.byID[g.ID] = g
}

func (m *Machine) dropGroup(g *Group) {
	m.groups.Delete(g)
	m.hosted.replace(g, nil)
	m.census.replace(g, nil)
	delete(m.byID, g.ID)
	m.ring.group(g.ID)
}
