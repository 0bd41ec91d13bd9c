package cache

import (
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/raftfleet/raftfleet/internal/ident"
)

const firstBuckets = 8

// shard is a hash table of chains. Readers follow atomic pointers; writers hold
// mu. An entry that was taken out keeps its link, so that a reader that stands on
// it finds the rest of the chain.
type shard struct {
	buckets atomic.Pointer[[]atomic.Pointer[entry]] // a power of two of them
	count   atomic.Int64

	mu    sync.Mutex
	limit int
	hand  int // the bucket where the next search for an entry to evict begins

	_ [64]byte // shards do not share a cache line
}

type entry struct {
	hash  uint64
	name  string
	route atomic.Pointer[Route] // never nil; the Route never changes
	next  atomic.Pointer[entry]
	used  atomic.Bool // since the last sweep
}

func (s *shard) init(limit int) {
	s.limit = limit
	buckets := make([]atomic.Pointer[entry], firstBuckets)
	s.buckets.Store(&buckets)
}

// touch notes that an entry is in use. It reads first: a store on each lookup
// would send the cache line from core to core.
func (e *entry) touch() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

func (s *shard) find(hash uint64, name string) *entry {
	buckets := *s.buckets.Load()
	e := buckets[hash&uint64(len(buckets)-1)].Load()
	for e != nil && (e.hash != hash || e.name != name) {
		e = e.next.Load()
	}
	return e
}

func (s *shard) put(hash uint64, name string, r Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(hash, name); e != nil {
		if r.newer(*e.route.Load()) {
			e.route.Store(&r)
		}
		return
	}
	n := int(s.count.Load())
	if n >= s.limit {
		s.evict()
	} else if n >= len(*s.buckets.Load()) {
		s.grow()
	}
	e := &entry{hash: hash, name: strings.Clone(name)} // not the frame that it was cut from
	e.route.Store(&r)
	s.link(*s.buckets.Load(), e)
	s.count.Add(1)
}

// link puts an entry that no reader knows yet at the head of its chain.
func (s *shard) link(buckets []atomic.Pointer[entry], e *entry) {
	head := &buckets[e.hash&uint64(len(buckets)-1)]
	e.next.Store(head.Load())
	head.Store(e)
}

// grow doubles the table. The entries are made again, since readers may be on the
// old chains.
func (s *shard) grow() {
	buckets := make([]atomic.Pointer[entry], 2*len(*s.buckets.Load()))
	for old := range s.entries() {
		e := &entry{hash: old.hash, name: old.name}
		e.route.Store(old.route.Load())
		e.used.Store(old.used.Load())
		s.link(buckets, e)
	}
	s.buckets.Store(&buckets)
}

// remove takes an entry out.
func (s *shard) remove(e *entry) {
	buckets := *s.buckets.Load()
	at := &buckets[e.hash&uint64(len(buckets)-1)]
	for found := at.Load(); found != nil; found = at.Load() {
		if found == e {
			at.Store(e.next.Load())
			s.count.Add(-1)
			return
		}
		at = &found.next
	}
}

// evict removes an entry that was not used since the hand last came by (CLOCK).
// The second turn finds one for sure, unless readers mark all of them again: then
// the last one seen goes.
func (s *shard) evict() {
	buckets := *s.buckets.Load()
	var last *entry
	for range 2 * len(buckets) {
		s.hand = (s.hand + 1) & (len(buckets) - 1)
		for e := buckets[s.hand].Load(); e != nil; e = e.next.Load() {
			if !e.used.Load() {
				s.remove(e)
				return
			}
			e.used.Store(false)
			last = e
		}
	}
	if last != nil {
		s.remove(last)
	}
}

func (s *shard) forget(node ident.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.entries() {
		if e.route.Load().Leader == node {
			s.remove(e)
		}
	}
}

// entries visits what is in the table now. The one visited may be removed.
func (s *shard) entries() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		buckets := *s.buckets.Load()
		for i := range buckets {
			for e := buckets[i].Load(); e != nil; e = e.next.Load() {
				if !yield(e) {
					return
				}
			}
		}
	}
}
