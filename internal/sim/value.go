package sim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

// maxGroups is how many groups a run may have in all, removed ones included: each
// is of its own type, so that a machine knows whose it is before the first command.
const maxGroups = 24

func typeName(ordinal int) string { return fmt.Sprintf("value%d", ordinal) }

func (n *node) valueTypes() []group.Type {
	types := make([]group.Type, maxGroups)
	for i := range types {
		types[i] = group.RawType(typeName(i), func() group.Machine { return &value{n: n, boot: n.boot, ordinal: i} })
	}
	return types
}

// value is the machine of every group: it counts its commands and hashes them in
// their order, so that a count stands for one history.
type value struct {
	n       *node
	boot    uint64
	ordinal int

	count, hash, index uint64
}

// commandHeader is the group and the command's number; the rest is there to take room.
const commandHeader = 16

// refusedOp tells which commands the machine answers with an error.
func refusedOp(op uint64) bool { return op%16 == 7 }

// Apply implements group.Machine.
func (v *value) Apply(meta group.Meta, b []byte) ([]byte, error) {
	w := v.n.w
	g := w.groups[v.ordinal]
	id, op := ident.GroupID(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
	if id != g.id {
		w.violate(Apart, "node %d applies command %d of group %d in group %d", v.n.id, op, id, g.id)
	}
	v.count++
	v.hash = mix(mix(mix(v.hash, meta.Index), uint64(meta.Time.UnixNano())), xxhash.Sum64(b))
	if meta.Index < v.index {
		w.violate(Forward, "node %d applies entry %d of group %d after %d", v.n.id, meta.Index, g.id, v.index)
	}
	v.index = meta.Index
	g.appliedBy(v, op)
	answer := binary.LittleEndian.AppendUint64(nil, v.count)
	if refusedOp(op) {
		return nil, errors.New(string(answer))
	}
	return answer, nil
}

// Query implements group.Machine.
func (v *value) Query([]byte) ([]byte, error) {
	b := binary.LittleEndian.AppendUint64(nil, v.count)
	return binary.LittleEndian.AppendUint64(b, v.hash), nil
}

// Snapshot implements group.Machine.
func (v *value) Snapshot() (func(io.Writer) error, error) {
	b := binary.LittleEndian.AppendUint64(nil, v.count)
	b = binary.LittleEndian.AppendUint64(b, v.hash)
	b = binary.LittleEndian.AppendUint64(b, v.index)
	return func(to io.Writer) error { _, err := to.Write(b); return err }, nil
}

// Restore implements group.Machine.
func (v *value) Restore(r io.Reader) error {
	var b [24]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	v.count, v.hash, v.index = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	g := v.n.w.groups[v.ordinal]
	if v.count > uint64(len(g.values)) || v.count > 0 && g.values[v.count-1].hash != v.hash {
		g.w.violate(Alike, "node %d restores a state of group %d that never was: %d commands, hash %x", v.n.id, g.id, v.count, v.hash)
	}
	return nil
}

// appliedBy checks one command that a machine applied against what others applied.
func (g *replicated) appliedBy(v *value, op uint64) {
	w := g.w
	w.result.Checked++
	g.commitTo(v.index, v.n)
	if v.count <= uint64(len(g.values)) {
		if a := &g.values[v.count-1]; a.hash != v.hash || a.op != op || a.index != v.index {
			w.violate(Agreement, "group %d: node %d applies command %d at %d as number %d, others command %d at %d", g.id, v.n.id, op, v.index, v.count, a.op, a.index)
		}
		return
	}
	if v.count != uint64(len(g.values))+1 {
		w.violate(Agreement, "group %d: node %d applies number %d, nobody has %d", g.id, v.n.id, v.count, len(g.values)+1)
		return
	}
	g.values = append(g.values, applied{v.index, op, v.hash})
	w.trace.add(v.hash)
	c := g.commands[op]
	switch {
	case c == nil:
		w.violate(Apart, "group %d: node %d applies command %d, which nobody gave", g.id, v.n.id, op)
		return
	case c.position != 0:
		w.violate(Once, "group %d: command %d (%v) is applied as number %d and again as %d at entry %d", g.id, op, c.id, c.position, v.count, v.index)
	case c.state == refused:
		w.violate(Refused, "group %d: command %d (%v) was refused and is applied as number %d", g.id, op, c.id, v.count)
	}
	c.position = v.count
}

// snapshotSaved checks a snapshot that became durable: all of an index are alike,
// and what it holds is the state at that index.
func (w *world) snapshotSaved(n *node, key store.Key, meta store.Snapshot, body []byte) {
	id := key.Group
	g := w.groupOf(id)
	if g == nil {
		w.violate(Apart, "node %d saves a snapshot of group %d, which never was", n.id, id)
		return
	}
	w.result.Checked++
	w.result.Counts["snapshots"]++
	g.commitTo(meta.Index, n)
	if l := g.logOf(key.Member); l != nil {
		l.snapshot = max(l.snapshot, meta.Index)
	}
	if c, err := consensus.DecodeConfiguration(bytes.Clone(meta.Config)); err != nil {
		w.violate(Alike, "group %d: node %d saves a snapshot at %d: %v", g.id, n.id, meta.Index, err)
	} else if in := g.configAt(nil, meta.Index); meta.ConfigIndex != in.index || !c.Equal(&in.config) {
		w.violate(Alike, "group %d: node %d saves a snapshot at %d with configuration %v of %d, in force was %v of %d", g.id, n.id, meta.Index, c, meta.ConfigIndex, in.config, in.index)
	}
	hash := xxhash.Sum64(body)
	if other, ok := g.snapshots[meta.Index]; ok && other != hash {
		w.violate(Alike, "group %d: node %d saves another snapshot at %d than others", g.id, n.id, meta.Index)
	}
	g.snapshots[meta.Index] = hash
	if len(body) < 24 {
		w.violate(Alike, "group %d: node %d saves a snapshot of %d bytes at %d", g.id, n.id, len(body), meta.Index)
		return
	}
	state := body[len(body)-24:]
	count, of := binary.LittleEndian.Uint64(state), binary.LittleEndian.Uint64(state[8:])
	if count > uint64(len(g.values)) || count > 0 && (g.values[count-1].hash != of || g.values[count-1].index > meta.Index) ||
		count < uint64(len(g.values)) && g.values[count].index <= meta.Index {
		w.violate(Alike, "group %d: node %d saves %d commands as the state at %d", g.id, n.id, count, meta.Index)
	}
	if e := g.committed; e >= meta.Index && g.at(meta.Index).term != meta.Term {
		w.violate(Alike, "group %d: node %d saves a snapshot at %d of term %d, it is of term %d", g.id, n.id, meta.Index, meta.Term, g.at(meta.Index).term)
	}
}
