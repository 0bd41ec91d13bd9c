package wal

import (
	"sort"
	"sync"
	"sync/atomic"
)

// extent is where consecutive entries of one member lie: in the items of
// segment between off and off+size, perhaps with items of others between them.
type extent struct {
	first   uint64
	segment *segment
	off     uint32
	size    uint32
	count   uint32
	own     uint32 // bytes of it that are this member's, never too few
}

func (e *extent) end() uint64 { return e.first + uint64(e.count) } // index behind the last

// mergeBytes bounds the extents that are made by merging neighbours: what
// reading one entry costs at most, against what the index costs in memory.
const mergeBytes = 32 << 10

// memberLog is the index of one member's log.
//
// The fields under mu say what is durable. The fields named next belong to the
// writer: what will be durable when all that it has admitted is written.
type memberLog struct {
	member Member

	mu             sync.Mutex
	state          State
	base, baseTerm uint64
	last           uint64
	extents        []extent // by index, without gaps once recovery is over
	stateSegment   uint32   // where the newest state was written, 0 never
	baseSegment    uint32   // where the newest base was written, 0 never
	cuts           uint32   // changes other than growth: a copied entry may be out of date
	metas          uint32   // changes of state or base: a copied one may be out of date

	nextBase, nextLast  uint64
	nextCuts, nextMetas uint32
	nextExists          bool

	exists bool
	open   bool         // the last extent ends with the newest record, so it may grow
	uses   atomic.Int32 // batches that point here; it stays in its shard while there are any
}

// place is where a record was written.
type place struct {
	segment *segment
	off     uint32
	size    uint32
}

// apply brings the index up to date with one durable record. Recovery calls it
// with records whose predecessors went away with their segments: gaps close when
// the copies that were made of them come by.
func (ml *memberLog) apply(r *queued, at place) {
	ml.mu.Lock()
	defer ml.mu.Unlock()
	switch r.kind {
	case kindAppend:
		ml.exists = true
		if r.hasState {
			ml.setState(r.state, at)
		}
		if r.count > 0 {
			ml.append(r.first, r.count, at)
		}
	case kindReset:
		ml.dropAll()
		ml.exists = true
		ml.setState(r.state, at)
		ml.base, ml.baseTerm, ml.last = r.base, r.baseTerm, r.base
		ml.baseSegment = uint32(at.segment.number)
	case kindCompact:
		ml.exists = true
		if r.base > ml.base {
			ml.compact(r.base, r.baseTerm)
			ml.baseSegment = uint32(at.segment.number)
			ml.metas++
		}
	case kindDelete:
		ml.dropAll()
		ml.exists = false
		ml.state, ml.base, ml.baseTerm, ml.last = State{}, 0, 0, 0
		ml.stateSegment, ml.baseSegment = 0, 0
		ml.metas++
	case kindMeta:
		ml.exists = true
		ml.state = r.state
		if r.base > ml.base {
			ml.compact(r.base, r.baseTerm)
		}
		ml.baseTerm = r.baseTerm
		ml.stateSegment, ml.baseSegment = uint32(at.segment.number), uint32(at.segment.number)
	case kindMove:
		ml.exists = true
		ml.replace(r.first, r.count, at)
	}
}

func (ml *memberLog) setState(s State, at place) {
	ml.state = s
	ml.stateSegment = uint32(at.segment.number)
	ml.metas++
}

func (ml *memberLog) append(first uint64, count uint32, at place) {
	if first <= ml.last {
		ml.truncate(first)
	}
	ml.last = first + uint64(count) - 1
	at.segment.live.Add(int64(at.size))
	if n := len(ml.extents); n > 0 && ml.open {
		e := &ml.extents[n-1]
		if span := at.off + at.size - e.off; e.segment == at.segment && e.end() == first && span <= mergeBytes {
			e.size, e.count, e.own = span, e.count+count, e.own+at.size
			return
		}
	}
	ml.extents = append(ml.extents, extent{first: first, segment: at.segment, off: at.off, size: at.size, count: count, own: at.size})
	ml.open = true
}

// truncate drops the entries from index on.
func (ml *memberLog) truncate(from uint64) {
	n := len(ml.extents)
	for n > 0 && ml.extents[n-1].first >= from {
		n--
		ml.forget(&ml.extents[n])
	}
	ml.extents = ml.extents[:n]
	if n > 0 {
		if e := &ml.extents[n-1]; e.end() > from {
			e.count = uint32(from - e.first)
		}
	}
	// What was cut off still lies in the file: growing the last extent over it
	// would find the old entries first.
	ml.open = false
	ml.cuts++
}

// compact drops the entries up to base.
func (ml *memberLog) compact(base, baseTerm uint64) {
	n := 0
	for n < len(ml.extents) && ml.extents[n].end() <= base+1 {
		ml.forget(&ml.extents[n])
		n++
	}
	if n == len(ml.extents) {
		ml.extents, ml.open = nil, false // an empty log keeps no memory
	} else if n > 0 {
		kept := copy(ml.extents, ml.extents[n:])
		clear(ml.extents[kept:])
		ml.extents = ml.extents[:kept]
	}
	if len(ml.extents) > 0 {
		if e := &ml.extents[0]; e.first <= base {
			e.count -= uint32(base + 1 - e.first)
			e.first = base + 1
		}
	}
	ml.base, ml.baseTerm = base, baseTerm
	ml.last = max(ml.last, base)
	ml.cuts++
}

// replace lets the entries of [first, first+count) be read from another place.
func (ml *memberLog) replace(first uint64, count uint32, at place) {
	end := first + uint64(count)
	moved := extent{first: first, segment: at.segment, off: at.off, size: at.size, count: count, own: at.size}
	at.segment.live.Add(int64(at.size))
	kept := make([]extent, 0, len(ml.extents)+2)
	placed := false
	for _, e := range ml.extents {
		if e.first >= end && !placed {
			kept, placed = append(kept, moved), true
		}
		if e.end() <= first || e.first >= end {
			kept = append(kept, e)
			continue
		}
		own := e.own
		if e.first < first {
			left := e
			left.count = uint32(first - e.first)
			kept = append(kept, left)
			own = 0
		}
		if e.end() > end {
			if !placed {
				kept, placed = append(kept, moved), true
			}
			right := e
			right.first, right.count, right.own = end, uint32(e.end()-end), own
			kept = append(kept, right)
			own = 0
		}
		e.segment.live.Add(-int64(own))
	}
	if !placed {
		kept = append(kept, moved)
	}
	ml.extents = kept
	ml.last = max(ml.last, end-1)
	ml.open = false
}

func (ml *memberLog) dropAll() {
	for i := range ml.extents {
		ml.forget(&ml.extents[i])
	}
	ml.extents, ml.open = nil, false
	ml.cuts++
}

func (ml *memberLog) forget(e *extent) {
	e.segment.live.Add(-int64(e.own))
	e.segment = nil
}

// find is the position of the extent that holds index, or of the first behind it.
func (ml *memberLog) find(index uint64) int {
	return sort.Search(len(ml.extents), func(i int) bool { return ml.extents[i].end() > index })
}

// gap is the first index between base and last that no extent holds, 0 when none.
func (ml *memberLog) gap() uint64 {
	next := ml.base + 1
	for i := range ml.extents {
		if ml.extents[i].first != next {
			return next
		}
		next = ml.extents[i].end()
	}
	if next != ml.last+1 {
		return next
	}
	return 0
}

// table finds members. It is cut into shards so that lanes rarely meet.
type table struct {
	shards [64]shard
}

type shard struct {
	mu      sync.RWMutex
	members map[Member]*memberLog
}

func (t *table) init() {
	for i := range t.shards {
		t.shards[i].members = make(map[Member]*memberLog)
	}
}

func (t *table) shard(m Member) *shard {
	h := (m.Group*0x9e3779b97f4a7c15 + m.ID) * 0xff51afd7ed558ccd
	return &t.shards[h>>58]
}

func (t *table) get(m Member) *memberLog {
	s := t.shard(m)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.members[m]
}

// use returns the index of a member, made when there is none, and counts a use.
func (t *table) use(m Member) *memberLog {
	s := t.shard(m)
	s.mu.RLock()
	ml := s.members[m]
	if ml != nil {
		ml.uses.Add(1)
	}
	s.mu.RUnlock()
	if ml != nil {
		return ml
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ml = s.members[m]; ml == nil {
		ml = &memberLog{member: m}
		s.members[m] = ml
	}
	ml.uses.Add(1)
	return ml
}

// unuse takes back a use. A member that is gone leaves with its last use.
func (t *table) unuse(ml *memberLog) {
	if ml.uses.Add(-1) != 0 {
		return
	}
	ml.mu.Lock()
	exists := ml.exists
	ml.mu.Unlock()
	if exists {
		return
	}
	s := t.shard(ml.member)
	s.mu.Lock()
	defer s.mu.Unlock()
	ml.mu.Lock()
	defer ml.mu.Unlock()
	if !ml.exists && ml.uses.Load() == 0 && s.members[ml.member] == ml {
		delete(s.members, ml.member)
	}
}

// all returns every index, also those of members that do not exist yet.
func (t *table) all() []*memberLog {
	var all []*memberLog
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for _, ml := range s.members {
			all = append(all, ml)
		}
		s.mu.RUnlock()
	}
	return all
}

func (t *table) len() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.members)
		s.mu.RUnlock()
	}
	return n
}
