package sim

import (
	"github.com/vmihailenco/msgpack/v5"

	"github.com/cespare/xxhash/v2"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

// fleetStorage is the store of a node of a fleet: it has the identity too, and from
// the members' records the run learns which groups there are.
type fleetStorage struct {
	*storage
	m *machine
}

// Identity implements store.Store.
func (s *fleetStorage) Identity() store.Identity {
	return store.Identity{Node: s.m.node.id, Fleet: s.m.identity, Name: s.m.name}
}

// SetIdentity implements store.Store. A node is of one fleet for ever, and in a run
// there is one.
func (s *fleetStorage) SetIdentity(id store.Identity) error {
	if err := s.d.boundary(); err != nil {
		return err
	}
	f, m := s.m.f, s.m
	switch {
	case id.Node != m.node.id || m.identity != 0 && id.Fleet != m.identity:
		f.violate(Apart, "node %d of fleet %x is to be node %d of fleet %x", m.node.id, uint64(m.identity), id.Node, uint64(id.Fleet))
	case id.Fleet == 0:
	case f.fleetID == 0:
		f.fleetID = id.Fleet
	case f.fleetID != id.Fleet:
		f.violate(OneFleet, "node %d becomes part of fleet %x, others are of %x", m.node.id, uint64(id.Fleet), uint64(f.fleetID))
	}
	m.identity = id.Fleet
	return nil
}

// Get implements store.Store.
func (s *fleetStorage) Get(key string) ([]byte, error) {
	if err := s.d.boundary(); err != nil {
		return nil, err
	}
	return s.storage.Get(key)
}

// Put implements store.Store.
func (s *fleetStorage) Put(key string, value []byte) error {
	if err := s.d.boundary(); err != nil {
		return err
	}
	return s.storage.Put(key, value)
}

// PutMember implements store.Store.
func (s *fleetStorage) PutMember(k store.Key, record []byte) error {
	if err := s.d.boundary(); err != nil {
		return err
	}
	if err := s.storage.Store.PutMember(k, record); err != nil {
		return err
	}
	var spec group.Spec
	if err := msgpack.Unmarshal(record, &spec); err != nil {
		s.m.f.violate(Starts, "node %d: the record of %v cannot be read: %v", s.m.node.id, k, err)
		return nil
	}
	s.m.f.hosted(s.m.node, &spec)
	return nil
}

// DeleteMember implements store.Store.
func (s *fleetStorage) DeleteMember(k store.Key) error {
	if err := s.storage.DeleteMember(k); err != nil {
		return err
	}
	if g := s.m.f.groupOf(k.Group); g != nil {
		g.seat(s.m.node, k.Member).removed = true
	}
	return nil
}

// CreateSnapshot implements store.Store.
func (s *fleetStorage) CreateSnapshot(k store.Key) (store.SnapshotWriter, error) {
	if err := s.d.boundary(); err != nil {
		return nil, err
	}
	w, err := s.Store.CreateSnapshot(k)
	if err != nil {
		return nil, err
	}
	return &fleetSnapshot{snapshotWriter{SnapshotWriter: w, s: s.storage, key: k}}, nil
}

// Close implements store.Store: the disk is there for the next process.
func (s *fleetStorage) Close() error { return nil }

type fleetSnapshot struct{ snapshotWriter }

func (w *fleetSnapshot) Commit(meta store.Snapshot) error {
	d := w.s.d
	if err := d.boundary(); err != nil {
		w.SnapshotWriter.Abort()
		return err
	}
	err := w.SnapshotWriter.Commit(meta)
	if g := d.n.w.groupOf(w.key.Group); err == nil && g != nil {
		g.snapshotAt(d.n, meta, xxhash.Sum64(w.body))
		if l := g.logOf(w.key.Member); l != nil {
			l.snapshot = max(l.snapshot, meta.Index)
		}
	}
	return err
}

// snapshotAt checks that all snapshots of an index are alike, and of what is committed.
func (g *replicated) snapshotAt(n *node, meta store.Snapshot, hash uint64) {
	g.w.result.Checked++
	g.w.result.Counts["snapshots"]++
	g.commitTo(meta.Index, n)
	if other, ok := g.snapshots[meta.Index]; ok && other != hash {
		g.w.violate(Alike, "group %d: node %d saves another snapshot at %d than others", g.id, n.id, meta.Index)
	}
	g.snapshots[meta.Index] = hash
	if g.committed >= meta.Index && g.at(meta.Index).term != meta.Term {
		g.w.violate(Alike, "group %d: node %d saves a snapshot at %d of term %d, it is of term %d", g.id, n.id, meta.Index, meta.Term, g.at(meta.Index).term)
	}
}

// hosted is told of every member that a node writes down. All members of a group
// must begin alike.
func (f *fleetRun) hosted(n *node, spec *group.Spec) {
	g := f.groupOf(spec.Group)
	if g == nil {
		g = f.newReplicated(spec.Group, spec.Name, spec.First)
		g.kind, g.initial = spec.Type, xxhash.Sum64(spec.Initial)
	}
	f.result.Checked++
	if g.name != spec.Name || g.kind != spec.Type || g.initial != xxhash.Sum64(spec.Initial) || !samePeers(g.first, spec.First) {
		f.violate(Apart, "node %d begins group %d as %q of type %s with %v, others as %q of type %s with %v", n.id, spec.Group, spec.Name, spec.Type, spec.First, g.name, g.kind, g.first)
	}
	if s := g.seat(n, spec.Member); s.node != n {
		f.violate(Apart, "group %d: member %d is on node %d and was on node %d", g.id, spec.Member, n.id, s.node.id)
	} else if s.removed {
		f.violate(Apart, "group %d: member %d begins anew on node %d, which had deleted it", g.id, spec.Member, n.id)
	}
}

func samePeers(a, b []group.Peer) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// seat finds a member's place, or takes note of it.
func (g *replicated) seat(n *node, id ident.MemberID) *seat {
	for _, s := range g.seats {
		if s.member == id {
			return s
		}
	}
	g.anotherOn(n)
	s := &seat{member: id, node: n}
	g.seats = append(g.seats, s)
	return s
}

// newReplicated takes note of a group that begins with some voters.
func (f *fleetRun) newReplicated(id ident.GroupID, name string, first []group.Peer) *replicated {
	g := newReplicated(f.world, id, name)
	g.first, g.ordinal = first, len(f.groups)
	var config consensus.Configuration
	for _, p := range first {
		config.Voters = append(config.Voters, consensus.Member{ID: consensus.MemberID(p.Member), Node: uint64(p.Node)})
	}
	g.begin(config)
	f.groups = append(f.groups, g)
	f.byGroup[id] = g
	return g
}
