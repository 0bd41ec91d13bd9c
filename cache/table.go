package cache

import (
	"hash/maphash"
	"iter"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// DefaultLimit is how many names a Table holds unless it is told otherwise: as
// many as a fleet may have groups.
const DefaultLimit = 1_000_000

// shardCount is a power of two. Small tables have one shard, so that their limit
// is exact.
const (
	shardCount = 64
	smallLimit = 64 * shardCount
)

// Route says who leads a group. Leader is zero when that is not known, for
// instance during an election in Term.
type Route struct {
	Group  ident.GroupID
	Leader ident.NodeID
	Term   uint64
}

// newer says whether r tells more than old.
func (r Route) newer(old Route) bool {
	switch {
	case r.Group != old.Group:
		return r.Group > old.Group
	case r.Term != old.Term:
		return r.Term > old.Term
	}
	return old.Leader == 0 && r.Leader != 0
}

// Table maps names to routes. All methods may be called concurrently; Get and All
// never wait.
type Table struct {
	seed   maphash.Seed
	shards []shard
}

// New returns a table that holds at most DefaultLimit names.
func New() *Table { return NewLimited(DefaultLimit) }

// NewLimited returns a table that holds at most limit names, at least one.
func NewLimited(limit int) *Table {
	n := shardCount
	if limit < smallLimit {
		n = 1
	}
	t := &Table{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range t.shards {
		t.shards[i].init(max(limit/n, 1))
	}
	return t
}

func (t *Table) shard(hash uint64) *shard {
	// The chains use the low bits.
	return &t.shards[hash>>32&uint64(len(t.shards)-1)]
}

// Get returns the route of a name.
func (t *Table) Get(name string) (Route, bool) {
	hash := maphash.String(t.seed, name)
	e := t.shard(hash).find(hash, name)
	if e == nil {
		return Route{}, false
	}
	e.touch()
	return *e.route.Load(), true
}

// Put tells the table a route. It is taken when the table has none for the name
// or an older one: a lower GroupID, or the same one and a lower term, or the same
// term without a leader.
func (t *Table) Put(name string, r Route) {
	hash := maphash.String(t.seed, name)
	s := t.shard(hash)
	// Most routes that are told are known: answers carry them.
	if e := s.find(hash, name); e != nil && !r.newer(*e.route.Load()) {
		return
	}
	s.put(hash, name, r)
}

// Drop removes the route of a name if it still is r: the one that led nowhere.
func (t *Table) Drop(name string, r Route) {
	hash := maphash.String(t.seed, name)
	s := t.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(hash, name); e != nil && *e.route.Load() == r {
		s.remove(e)
	}
}

// Forget removes all routes that lead to a node: it died or left.
func (t *Table) Forget(node ident.NodeID) {
	for i := range t.shards {
		t.shards[i].forget(node)
	}
}

// Len returns the number of names.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		n += int(t.shards[i].count.Load())
	}
	return n
}

// All visits the names and their routes in no order. What is put or removed
// meanwhile may be seen or not.
func (t *Table) All() iter.Seq2[string, Route] {
	return func(yield func(string, Route) bool) {
		for i := range t.shards {
			for e := range t.shards[i].entries() {
				if !yield(e.name, *e.route.Load()) {
					return
				}
			}
		}
	}
}
