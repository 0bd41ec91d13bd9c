package gossip

import (
	"cmp"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// deadLimit bounds how many nodes that are not alive are remembered. Beyond it the
// one that has been gone longest is dropped.
const deadLimit = 8192

// Member is a node as this node sees it.
type Member struct {
	Meta
	Addr  string    // host:port of its gossip
	Alive bool      // answers, as far as gossip knows
	Since time.Time // by this node's clock: when Alive last changed or its process was first seen

	// Suspect: alive, but this node's own last probe of it went unanswered. It is
	// cleared when the node answers and gives way to not Alive when it does not.
	Suspect bool

	// Left: not alive, and it said beforehand that it was leaving.
	Left bool
}

// process is one process of a node.
type process struct {
	name    string
	started uint64
	foreign bool // of another fleet; memberlist still lists it, we do not
	member  Member
}

// table holds every node ever seen. It is not safe for concurrent use.
type table struct {
	self   string // this process
	nodes  map[ident.NodeID][]*process
	byName map[string]*process
}

func newTable(self string) table {
	return table{self: self, nodes: make(map[ident.NodeID][]*process), byName: make(map[string]*process)}
}

// join notes a living process, or what a known one says now.
func (t *table) join(name string, started uint64, meta Meta, addr string, now time.Time) *process {
	p := t.byName[name]
	if p == nil {
		p = &process{name: name, started: started, member: Member{Since: now}}
		t.byName[name] = p
		t.nodes[meta.Node] = append(t.nodes[meta.Node], p)
	}
	if !p.member.Alive {
		p.member.Since = now
	}
	p.member.Meta, p.member.Addr = meta, addr
	p.member.Alive, p.member.Suspect, p.member.Left = true, false, false
	for _, other := range slices.Clone(t.nodes[meta.Node]) {
		if !other.member.Alive {
			t.drop(other)
		}
	}
	return p
}

// leave notes the end of a process.
func (t *table) leave(name string, now time.Time) {
	p := t.byName[name]
	if p == nil || !p.member.Alive {
		return
	}
	if p.foreign {
		t.drop(p)
		return
	}
	p.member.Alive, p.member.Suspect, p.member.Since = false, false, now
	p.member.Left = p.member.State == StateLeaving
	// One process stands for the node: a living one, or the last that died.
	for _, other := range slices.Clone(t.nodes[p.member.Node]) {
		if other == p || other.foreign {
			continue
		}
		if other.member.Alive {
			t.drop(p)
			return
		}
		t.drop(other)
	}
	if len(t.byName) > deadLimit {
		t.dropOldest()
	}
}

// leaving notes that a process said it leaves. The word may arrive after the news
// of its end; no process that said so ever takes it back.
func (t *table) leaving(name string) bool {
	p := t.byName[name]
	if p == nil || p.member.Alive || p.member.Left {
		return false
	}
	p.member.State, p.member.Left = StateLeaving, true
	return true
}

func (t *table) dropOldest() {
	var oldest *process
	dead := 0
	for _, p := range t.byName {
		if p.member.Alive {
			continue
		}
		dead++
		if oldest == nil || p.member.Since.Before(oldest.member.Since) {
			oldest = p
		}
	}
	if dead > deadLimit {
		t.drop(oldest)
	}
}

func (t *table) drop(p *process) {
	delete(t.byName, p.name)
	node := p.member.Node
	rest := slices.DeleteFunc(t.nodes[node], func(o *process) bool { return o == p })
	if len(rest) == 0 {
		delete(t.nodes, node)
		return
	}
	t.nodes[node] = rest
}

// forget drops a node that is not alive and says whether it is gone from the table.
func (t *table) forget(node ident.NodeID) bool {
	if p := t.current(node); p != nil && p.member.Alive {
		return false
	}
	for _, p := range slices.Clone(t.nodes[node]) {
		if !p.foreign {
			t.drop(p)
		}
	}
	return true
}

// current is the process that stands for the node; nil if the node is not known.
func (t *table) current(node ident.NodeID) *process {
	var best *process
	for _, p := range t.nodes[node] {
		switch {
		case p.foreign:
		case p.name == t.self:
			return p
		case best == nil, p.member.Alive && !best.member.Alive:
			best = p
		case p.member.Alive == best.member.Alive && p.started > best.started:
			best = p
		}
	}
	return best
}

// members is sorted by NodeID.
func (t *table) members() []Member {
	all := make([]Member, 0, len(t.nodes))
	for node := range t.nodes {
		if p := t.current(node); p != nil {
			all = append(all, p.member)
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// markForeign takes every process of another fleet than ours off the list and returns
// the names of those among them that are alive.
func (t *table) markForeign(ours ident.FleetID) []string {
	var names []string
	for name, p := range t.byName {
		if !p.foreign && foreign(ours, p.member.Fleet) && t.estrange(p) {
			names = append(names, name)
		}
	}
	return names
}

// estrange takes a process off the list and says whether it is alive.
func (t *table) estrange(p *process) bool {
	p.foreign = true
	if !p.member.Alive {
		t.drop(p)
		return false
	}
	return true
}

// foreign: both are in a fleet, and not in the same.
func foreign(ours, theirs ident.FleetID) bool {
	return ours != 0 && theirs != 0 && ours != theirs
}
