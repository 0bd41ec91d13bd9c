package group

import (
	"io"
	"time"
)

// Meta is what a machine may know about the entry that it applies. It is the same on every member, so a
// machine that needs a time uses this one and never the clock.
type Meta struct {
	// Index is the position in the group's log of the entry that brought the command. It never goes back, has
	// gaps, and is shared by commands that were replicated together in one entry.
	Index uint64
	// Time is when the leader took the command in. It never goes back, but two commands may share it.
	Time time.Time
}

// A Machine is one member's copy of the value that a group replicates.
//
// All members apply the same commands in the same order, so Apply must be deterministic: its effect and its
// answer depend on the state, the Meta and the command only. Not on the clock, randomness, the iteration
// order of a map, addresses, the locale, nor on which binary runs it.
//
// Apply and Restore are called one at a time and never together with Query. Queries run concurrently with each
// other. A panic in any method stops this member and shows it as failed; other members and groups go on.
type Machine interface {
	// Apply carries out one command. An error is an answer like any other: it is replicated, a retry
	// gets it again, and the caller receives its text as a MachineError. The machine must not keep command
	// and must not change the returned slice later.
	Apply(meta Meta, command []byte) (result []byte, err error)

	// Query answers from the state and must not change it.
	Query(query []byte) (result []byte, err error)

	// Snapshot captures the state at once and returns the function that writes it. That function is called
	// at most once, from another goroutine, while Apply goes on; it must write the state as it was when
	// Snapshot returned. Equal states should be written as equal bytes.
	Snapshot() (write func(io.Writer) error, err error)

	// Restore replaces the whole state with one that Snapshot wrote, perhaps by an older program.
	// After an error the machine is not used any more.
	Restore(r io.Reader) error
}

// An IndexedMachine is told how far it has come, which Meta.Index alone does not say: commands that were
// replicated together share it, and between two of them readers of the machine see half of an entry.
type IndexedMachine interface {
	Machine

	// AppliedUpTo is called after the last command of an entry, when everything up to its index is applied. It is
	// called like Apply, one at a time with it, and changes nothing of the state.
	AppliedUpTo(index uint64)
}

// A Type makes the machines of one kind of group. Programs register their types under the same name on every
// node. Definition is the usual implementation; RawType is for machines that read bytes themselves. WithHooks adds to
// either what a node wants to be told.
//
// Both methods are safe for concurrent use.
type Type interface {
	// TypeName is the name in the catalogue and on the command line. It never changes for a given type.
	TypeName() string
	// NewMachine returns a machine with the state that a group has before its first command.
	NewMachine() Machine
}

// RawType returns a type whose machines get the bytes of commands and queries as they are. It has no JSON form.
// It panics, as it is meant for package variables, when name is not a valid name or new is nil.
func RawType(name string, new func() Machine) Type {
	mustBeName("RawType", "type", name, maxTypeName)
	if new == nil {
		panic("group.RawType " + quote(name) + ": new is nil: give a function that returns an empty machine")
	}
	return rawType{name: name, newMachine: new}
}

type rawType struct {
	name       string
	newMachine func() Machine
}

func (t rawType) TypeName() string    { return t.name }
func (t rawType) NewMachine() Machine { return t.newMachine() }
