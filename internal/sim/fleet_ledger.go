package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A group's value is a ledger: it counts its commands and hashes them in their
// order. Each group that is added anew is of a type of its own, so that a ledger
// knows whose it is; one that is restored from an archive goes on in the type of
// the one before. What goes on in one type is a lineage: one history of commands.

// mostLineages bounds how many groups a run adds anew.
const mostLineages = 96

type lineage struct {
	ordinal int
	name    *name // nil until an operator takes it
	values  []applied
	floor   uint64 // the highest count that somebody was told
	removed int64  // since when its removal is acknowledged; 0: it is not
}

// name is a name of groups, with what the run knows of it.
type name struct {
	text    string
	group   ident.GroupID // that the name stands for, as the catalogue has it; 0: none
	lineage *lineage      // of the newest group of that name
	half    ident.GroupID // whose removal began and did not end: it may be closed
}

func ledgerType(ordinal int) string { return fmt.Sprintf("ledger%d", ordinal) }

// types are what a node's program registers.
func (f *fleetRun) types(n *node) []group.Type {
	for len(f.lineages) < mostLineages {
		f.lineages = append(f.lineages, &lineage{ordinal: len(f.lineages)})
	}
	types := make([]group.Type, mostLineages)
	for i := range types {
		types[i] = group.RawType(ledgerType(i), func() group.Machine { return &ledger{f: f, n: n, lineage: f.lineages[i]} })
	}
	return types
}

func (f *fleetRun) lineageOf(typeName string) *lineage {
	var i int
	if _, err := fmt.Sscanf(typeName, "ledger%d", &i); err != nil || i >= len(f.lineages) {
		return nil
	}
	return f.lineages[i]
}

// freshLineage takes a lineage for a name; nil when the run has used them up.
func (f *fleetRun) freshLineage(n *name) *lineage {
	for _, l := range f.lineages {
		if l.name == nil {
			l.name = n
			return l
		}
	}
	return nil
}

func (f *fleetRun) nameOf(text string) *name {
	for _, n := range f.names {
		if n.text == text {
			return n
		}
	}
	return nil
}

// ledger is one member's copy.
type ledger struct {
	f       *fleetRun
	n       *node
	lineage *lineage

	count, hash, index uint64
}

// A command is the operation's number, and then anything.
const callHeader = 8

// Apply implements group.Machine.
func (v *ledger) Apply(meta group.Meta, b []byte) ([]byte, error) {
	op := binary.LittleEndian.Uint64(b)
	v.count++
	v.hash, v.index = mix(mix(v.hash, meta.Index), op), meta.Index
	v.f.applied(v, op)
	answer := v.state(nil)
	if refusedOp(op) {
		return nil, errors.New(string(answer))
	}
	return answer, nil
}

func (v *ledger) state(b []byte) []byte {
	for _, x := range [...]uint64{uint64(v.lineage.ordinal), v.count, v.hash, v.index} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

// Query implements group.Machine.
func (v *ledger) Query([]byte) ([]byte, error) { return v.state(nil), nil }

// Snapshot implements group.Machine.
func (v *ledger) Snapshot() (func(io.Writer) error, error) {
	b := v.state(nil)
	return func(to io.Writer) error { _, err := to.Write(b); return err }, nil
}

// Restore implements group.Machine.
func (v *ledger) Restore(r io.Reader) error {
	var b [32]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	v.count, v.hash, v.index = at(1), at(2), at(3)
	l := v.lineage
	if at(0) != uint64(l.ordinal) {
		v.f.violate(Apart, "node %d restores a state of ledger %d as one of ledger %d", v.n.id, at(0), l.ordinal)
	}
	if !l.was(v.count, v.hash) {
		v.f.violate(Alike, "node %d restores a state of ledger %d that never was: %d commands, hash %x", v.n.id, l.ordinal, v.count, v.hash)
	}
	return nil
}

// was tells whether a ledger ever was so.
func (l *lineage) was(count, hash uint64) bool {
	return count <= uint64(len(l.values)) && (count == 0 && hash == 0 || count > 0 && l.values[count-1].hash == hash)
}

// applied checks one command that a ledger took against what others took.
func (f *fleetRun) applied(v *ledger, op uint64) {
	l := v.lineage
	f.result.Checked++
	if v.count <= uint64(len(l.values)) {
		if a := &l.values[v.count-1]; a.hash != v.hash || a.op != op || a.index != v.index {
			f.violate(Agreement, "ledger %d: node %d applies command %d at %d as number %d, others command %d at %d", l.ordinal, v.n.id, op, v.index, v.count, a.op, a.index)
		}
		return
	}
	if v.count != uint64(len(l.values))+1 {
		f.violate(Agreement, "ledger %d: node %d applies number %d, nobody has %d", l.ordinal, v.n.id, v.count, len(l.values)+1)
		return
	}
	l.values = append(l.values, applied{v.index, op, v.hash})
	f.trace.add(v.hash)
	c := f.ops[op]
	switch {
	case c == nil || c.name != l.name:
		f.violate(Apart, "ledger %d: node %d applies command %d, which nobody gave it", l.ordinal, v.n.id, op)
		return
	case c.position != 0:
		f.violate(Once, "command %d (%v) is applied to ledger %d as number %d and to ledger %d as number %d", op, c.id, c.lineage.ordinal, c.position, l.ordinal, v.count)
	case c.state == refused:
		f.violate(Refused, "command %d was refused (%v) and is applied to ledger %d as number %d", op, c.err, l.ordinal, v.count)
	}
	c.lineage, c.position = l, v.count
}
