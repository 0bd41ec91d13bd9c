package catalogue

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// ringSize is how many changed records are remembered.
const ringSize = 4096

// ring remembers which records changed last. It is not part of the state: after
// a restart or a restored snapshot it begins anew.
type ring struct {
	entries []change // the last at (next-1) modulo their number
	next    int
	pending int    // those of an entry of the log that is being applied
	floor   uint64 // all changes behind this index are in the ring
}

type change struct {
	index uint64
	group ident.GroupID // or
	node  ident.NodeID
}

func newRing(size int) ring { return ring{entries: make([]change, size)} }

func (r *ring) group(id ident.GroupID) { r.add(change{group: id}) }
func (r *ring) node(id ident.NodeID)   { r.add(change{node: id}) }

func (r *ring) add(c change) {
	slot := &r.entries[r.next%len(r.entries)]
	r.floor = max(r.floor, slot.index)
	*slot = c
	r.next++
	r.pending++
}

// end gives the changes of the log's entry just applied their index. One with more
// changes than the ring has room for leaves nothing complete before it.
func (r *ring) end(index uint64) {
	if r.pending > len(r.entries) {
		r.floor, r.pending = index, len(r.entries)
	}
	for ; r.pending > 0; r.pending-- {
		r.entries[(r.next-r.pending)%len(r.entries)].index = index
	}
}

// reset forgets everything: what changed up to index is not known.
func (r *ring) reset(index uint64) {
	clear(r.entries)
	r.next, r.pending, r.floor = 0, 0, index
}

// since lists what changed behind index, each record once, by identifier. What is
// pending is not listed: there may be more of it.
func (r *ring) since(index uint64) (groups []ident.GroupID, nodes []ident.NodeID, complete bool) {
	if index < r.floor {
		return nil, nil, false
	}
	for i := r.next - r.pending - 1; i >= max(0, r.next-len(r.entries)); i-- {
		c := r.entries[i%len(r.entries)]
		if c.index <= index {
			break
		}
		if c.group != 0 {
			groups = append(groups, c.group)
		} else {
			nodes = append(nodes, c.node)
		}
	}
	slices.Sort(groups)
	slices.Sort(nodes)
	return slices.Compact(groups), slices.Compact(nodes), true
}
