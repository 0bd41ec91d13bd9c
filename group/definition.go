package group

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A Definition is a Type whose state is the Go type S, with operations that Command and Query add. It is safe for
// concurrent use once the program's package variables are set up; its first machine closes it to further operations.
type Definition[S any] struct {
	name     string
	newState func() *S
	codec    msgpackOf[S]
	own      bool // *S is a Snapshotter

	mu         sync.Mutex // held while operations and errors are added
	operations map[string]*stateOperation[S]
	sentinels  []error
	hooks      *Hooks
	closed     atomic.Bool
}

// Snapshotter is implemented by a *S that writes its snapshots itself. The rules are those of Machine: what Snapshot
// captured at once, write writes later, while commands go on. Restore is called on a state that new made.
type Snapshotter interface {
	Snapshot() (write func(io.Writer) error, err error)
	Restore(r io.Reader) error
}

// Cloner is implemented by a *S that can be copied cheaply, as with a persistent or copy-on-write structure. Its
// snapshots are encoded from the copy while commands go on; without it commands wait for the encoding.
// The copy must not change when the original does.
type Cloner[S any] interface {
	Clone() *S
}

// Rebuilder is implemented by a *S with fields that snapshots leave out. Rebuild is called after every decoding of the
// state, to fill them in from the rest. It is also the place to make what an older snapshot does not have, such as the map of
// a new field.
type Rebuilder interface {
	Rebuild() error
}

// Define makes a type that replicates an S. The state of a new group is what new returns: always the same. It is meant for
// package variables and panics when the name or S is not fit:
//
// A snapshot is S in msgpack, so all of S must survive that: no interfaces, channels, functions or complex numbers, no
// unexported fields and no pointers as keys of maps. A field with the tag `msgpack:"-"` is left out; see Rebuilder. A
// *S that implements Snapshotter is free of these rules. Arguments and results must follow them too, but may hold values of
// type any. Maps of all kinds are written in the order of their encoded keys and times are read in UTC, so equal
// states are equal bytes on every node. Pointers must not form a cycle, and what two pointers share is two values
// after a snapshot. A type that encodes itself must give equal values equal bytes.
//
// S may grow fields in later releases: they are zero after an older snapshot (see Rebuilder), and an older program skips
// them.
func Define[S any](name string, new func() *S) *Definition[S] {
	mustBeName("Define", "type", name, maxTypeName)
	if new == nil {
		panic("group.Define " + quote(name) + ": new is nil: give a function that returns the state of a new group")
	}
	d := &Definition[S]{name: name, newState: new, operations: map[string]*stateOperation[S]{}}
	if _, d.own = any((*S)(nil)).(Snapshotter); d.own {
		return d
	}
	var err error
	if d.codec, err = newMsgpackOf[S](true); err != nil {
		panic(fmt.Sprintf("group.Define %q: the state can not be replicated: %v; or implement group.Snapshotter", name, err))
	}
	return d
}

// Errors names errors that the type's operations return, so that errors.Is finds them on the caller's side too. An error
// is known by its text: the text of the sentinel, or that with a context before it as fmt.Errorf("context: %w", err)
// writes it. It panics for a text that is empty or is another one's already. It returns d, to be used where d is
// defined.
func (d *Definition[S]) Errors(sentinels ...error) *Definition[S] {
	d.add("Errors", func() {
		for _, e := range sentinels {
			if e == nil || e.Error() == "" {
				panic(fmt.Sprintf("group.Definition.Errors of %q: an error without text can not be recognised", d.name))
			}
			for _, other := range d.sentinels {
				if other.Error() == e.Error() {
					panic(fmt.Sprintf("group.Definition.Errors of %q: two errors say %q: give each its own text", d.name, e))
				}
			}
			d.sentinels = append(d.sentinels, e)
		}
		// The longest match counts.
		slices.SortStableFunc(d.sentinels, func(a, b error) int { return len(b.Error()) - len(a.Error()) })
	})
	return d
}

// Hooks has h told what happens to the type's groups on this node, in place of any hooks given before. For hooks that
// differ between nodes of one process, or are known only later, see WithHooks. It returns d, to be used where d is
// defined, and panics when a machine of the type is running already.
func (d *Definition[S]) Hooks(h Hooks) *Definition[S] {
	d.add("Definition.Hooks", func() { d.hooks = h.contained() })
	return d
}

// GroupHooks returns the hooks, nil where there are none. Hosts ask for it before they make a machine.
func (d *Definition[S]) GroupHooks() *Hooks {
	d.close()
	return d.hooks
}

// TypeName implements Type.
func (d *Definition[S]) TypeName() string { return d.name }

// NewMachine implements Type.
func (d *Definition[S]) NewMachine() Machine {
	d.close()
	return &stateMachine[S]{definition: d, state: d.newState()}
}

// EncodeState encodes a state as a snapshot has it, for instance as the initial state of a group.
func (d *Definition[S]) EncodeState(state *S) ([]byte, error) {
	m := stateMachine[S]{definition: d, state: state}
	write, err := m.Snapshot()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// DecodeState reads what EncodeState or a snapshot wrote.
func (d *Definition[S]) DecodeState(b []byte) (*S, error) {
	m := stateMachine[S]{definition: d}
	if err := m.restore(b); err != nil {
		return nil, err
	}
	return m.state, nil
}

// add runs fn unless a machine exists, which may be reading what fn changes and must agree with other members.
func (d *Definition[S]) add(function string, fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Load() {
		panic(fmt.Sprintf("group.%s of type %q: its machines are running already: define all operations in package variables", function, d.name))
	}
	fn()
}

func (d *Definition[S]) close() {
	if !d.closed.Load() {
		d.mu.Lock()
		d.closed.Store(true)
		d.mu.Unlock()
	}
}

// sentinelOf returns the registered error that a machine's text stands for, nil if there is none.
func (d *Definition[S]) sentinelOf(text string) error {
	d.close()
	for _, e := range d.sentinels {
		if text == e.Error() || strings.HasSuffix(text, ": "+e.Error()) {
			return e
		}
	}
	return nil
}

// operationNamed implements jsonType.
func (d *Definition[S]) operationNamed(name string) (operation, bool) {
	d.close()
	o, ok := d.operations[name]
	if !ok {
		return operation{}, false
	}
	return o.operation, true
}

// operationNames implements jsonType; the names are sorted.
func (d *Definition[S]) operationNames() []string {
	d.close()
	return slices.Sorted(maps.Keys(d.operations))
}
