package sim

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// ledgerOfFleet is what the fleet has decided: the catalogue as the first node that
// applied an entry has it. All others must come to the same.
type ledgerOfFleet struct {
	f       *fleetRun
	machine *catalogue.Machine
	applied []decision // in the order of the log
	before  decided
	held    held
	log     int64 // the log's time of the last decision
}

// decision is one entry of the catalogue's log, and what it came to.
type decision struct {
	index         uint64
	command, told uint64
}

// watch puts an ear on the catalogue's type; others are as they are.
func (l *ledgerOfFleet) watch(n *node, t group.Type) group.Type {
	if t.TypeName() != "raftfleet.catalogue" {
		return t
	}
	return watched{t, l, n}
}

type watched struct {
	group.Type
	l *ledgerOfFleet
	n *node
}

func (t watched) NewMachine() group.Machine {
	return &watchedMachine{Machine: t.Type.NewMachine(), l: t.l, n: t.n}
}

type watchedMachine struct {
	group.Machine
	l     *ledgerOfFleet
	n     *node
	index uint64
	count int // of what it has applied
}

// Apply implements group.Machine.
func (m *watchedMachine) Apply(meta group.Meta, b []byte) ([]byte, error) {
	answer, err := m.Machine.Apply(meta, b)
	f := m.l.f
	f.result.Checked++
	if meta.Index < m.index {
		f.violate(Forward, "node %d applies entry %d of the catalogue after %d", m.n.id, meta.Index, m.index)
	}
	m.index = meta.Index
	d := decision{meta.Index, xxhash.Sum64(b), mix(xxhash.Sum64(answer), uint64(meta.Time.UnixNano()))}
	m.count++
	all := m.l.applied
	switch {
	case m.count <= len(all):
		if all[m.count-1] != d {
			f.violate(OneCatalogue, "node %d applies %+v as number %d to the catalogue, others %+v", m.n.id, d, m.count, all[m.count-1])
		}
	case m.count == len(all)+1:
		m.l.applied = append(all, d)
		f.trace.add(d.command)
		m.l.decide(meta, b, answer)
	default:
		f.violate(OneCatalogue, "node %d applies number %d to the catalogue, nobody has %d", m.n.id, m.count, len(all)+1)
	}
	return answer, err
}

// AppliedUpTo implements group.IndexedMachine.
func (m *watchedMachine) AppliedUpTo(index uint64) {
	if whole, ok := m.Machine.(group.IndexedMachine); ok {
		whole.AppliedUpTo(index)
	}
}

// decide carries a new decision out in the run's own catalogue, and takes note of
// the groups that come and go with it.
func (l *ledgerOfFleet) decide(meta group.Meta, b, answer []byte) {
	f := l.f
	result, err := l.machine.Apply(meta.Index, meta.Time.UnixNano(), b)
	if !bytes.Equal(catalogue.EncodeAnswer(result, err), answer) {
		f.violate(OneCatalogue, "entry %d of the catalogue comes to another answer when it is applied again", meta.Index)
	}
	l.machine.AppliedUpTo(meta.Index)
	l.log = meta.Time.UnixNano()
	groups, nodes, _, _ := l.machine.Changes(meta.Index - 1)
	for _, id := range nodes {
		l.nodeDecided(id)
	}
	for _, id := range groups {
		l.groupDecided(id)
	}
	l.settingsDecided(l.log)
	l.keptStates()
	if f.plan.Log != nil {
		f.logf("the catalogue decides at %d: %q: %v", meta.Index, b, err)
	}
}

// Snapshot implements group.Machine: number of decisions first, so that a restored
// machine knows where it stands.
func (m *watchedMachine) Snapshot() (func(io.Writer) error, error) {
	write, err := m.Machine.Snapshot()
	if err != nil {
		return nil, err
	}
	count, index := m.count, m.index
	return func(w io.Writer) error {
		if _, err := w.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(count)), index)); err != nil {
			return err
		}
		return write(w)
	}, nil
}

// Restore implements group.Machine.
func (m *watchedMachine) Restore(r io.Reader) error {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	m.count, m.index = int(binary.LittleEndian.Uint64(b[:])), binary.LittleEndian.Uint64(b[8:])
	return m.Machine.Restore(r)
}

// addedGroup takes note of a group that the catalogue added.
func (f *fleetRun) addedGroup(g *catalogue.Group) {
	var first []group.Peer
	for _, m := range g.First {
		first = append(first, group.Peer{Member: m.ID, Node: m.Node})
	}
	r := f.newReplicated(g.ID, g.Name, first)
	r.kind, r.initial = g.Type, xxhash.Sum64(g.Initial)
	n := f.nameOf(g.Name)
	n.group, n.lineage = g.ID, f.lineageOf(g.Type)
	n.lineage.removed = 0
	f.result.Counts["groups"]++
}

// goneGroup takes note of a group that the catalogue removed.
func (f *fleetRun) goneGroup(id ident.GroupID) {
	g := f.groupOf(id)
	if g == nil || g.removed {
		return
	}
	g.removed = true
	if n := f.nameOf(g.name); n.group == id {
		n.group = 0
	}
}
