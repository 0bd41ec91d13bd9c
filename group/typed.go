package group

import (
	"bytes"
	"fmt"
	"io"
)

// A snapshot of a stateMachine: format version, who encoded the state, the state.
const (
	stateFormat      = 1
	stateHeader      = 2
	stateMsgpack     = 1
	stateSnapshotter = 2
)

// stateMachine runs a Definition's operations on a state.
type stateMachine[S any] struct {
	definition *Definition[S]
	state      *S
}

// Apply implements Machine.
func (m *stateMachine[S]) Apply(meta Meta, command []byte) ([]byte, error) {
	meta.Time = meta.Time.UTC()
	return m.run(meta, command, false)
}

// Query implements Machine.
func (m *stateMachine[S]) Query(query []byte) ([]byte, error) {
	return m.run(Meta{}, query, true)
}

func (m *stateMachine[S]) run(meta Meta, b []byte, query bool) ([]byte, error) {
	name, payload, err := splitOperation(b)
	if err != nil {
		return nil, err
	}
	o := m.definition.operations[string(name)]
	if o == nil || o.info.Query != query {
		kind := "command"
		if query {
			kind = "query"
		}
		return nil, fmt.Errorf("type %q has no %s %q: %w", m.definition.name, kind, name, ErrUnknownOperation)
	}
	return o.run(meta, m.state, payload)
}

// Snapshot implements Machine.
func (m *stateMachine[S]) Snapshot() (func(io.Writer) error, error) {
	d := m.definition
	switch s := any(m.state).(type) {
	case Snapshotter:
		write, err := s.Snapshot()
		if err != nil {
			return nil, fmt.Errorf("snapshot of type %q: %w", d.name, err)
		}
		return func(w io.Writer) error {
			if _, err := w.Write([]byte{stateFormat, stateSnapshotter}); err != nil {
				return err
			}
			return write(w)
		}, nil
	case Cloner[S]:
		clone := s.Clone()
		return func(w io.Writer) error {
			encoded, err := d.codec.append([]byte{stateFormat, stateMsgpack}, clone)
			if err != nil {
				return fmt.Errorf("snapshot of type %q: %w", d.name, err)
			}
			return d.writeState(w, encoded)
		}, nil
	default:
		encoded, err := d.codec.append([]byte{stateFormat, stateMsgpack}, m.state)
		if err != nil {
			return nil, fmt.Errorf("snapshot of type %q: %w", d.name, err)
		}
		return func(w io.Writer) error { return d.writeState(w, encoded) }, nil
	}
}

func (d *Definition[S]) writeState(w io.Writer, encoded []byte) error {
	if err := d.codec.sort(encoded[stateHeader:]); err != nil {
		return fmt.Errorf("snapshot of type %q: %w", d.name, err)
	}
	_, err := w.Write(encoded)
	return err
}

// Restore implements Machine.
func (m *stateMachine[S]) Restore(r io.Reader) error {
	d := m.definition
	if d.own {
		header := make([]byte, stateHeader)
		if _, err := io.ReadFull(r, header); err != nil {
			return fmt.Errorf("restore a state of type %q: %w", d.name, err)
		}
		if err := d.checkHeader(header); err != nil {
			return err
		}
		return m.restoreOwn(r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("restore a state of type %q: %w", d.name, err)
	}
	return m.restore(b)
}

func (m *stateMachine[S]) restore(b []byte) error {
	d := m.definition
	if err := d.checkHeader(b); err != nil {
		return err
	}
	if d.own {
		return m.restoreOwn(bytes.NewReader(b[stateHeader:]))
	}
	// Into a zero value and not into what new made: a map keeps the entries that it has already.
	state := new(S)
	if err := d.codec.decode(b[stateHeader:], state); err != nil {
		return fmt.Errorf("restore a state of type %q: %w", d.name, err)
	}
	return m.take(state)
}

func (m *stateMachine[S]) restoreOwn(r io.Reader) error {
	state := m.definition.newState()
	if err := any(state).(Snapshotter).Restore(r); err != nil {
		return fmt.Errorf("restore a state of type %q: %w", m.definition.name, err)
	}
	return m.take(state)
}

func (m *stateMachine[S]) take(state *S) error {
	if r, ok := any(state).(Rebuilder); ok {
		if err := r.Rebuild(); err != nil {
			return fmt.Errorf("rebuild a state of type %q: %w", m.definition.name, err)
		}
	}
	m.state = state
	return nil
}

func (d *Definition[S]) checkHeader(b []byte) error {
	switch {
	case len(b) < stateHeader:
		return fmt.Errorf("restore a state of type %q: %d bytes, want %d at least: %w", d.name, len(b), stateHeader, ErrMalformed)
	case b[0] != stateFormat:
		return fmt.Errorf("restore a state of type %q: format %d, this program knows %d: %w", d.name, b[0], stateFormat, ErrUnknownVersion)
	case d.own != (b[1] == stateSnapshotter):
		return fmt.Errorf("restore a state of type %q: the snapshot's encoding is %d (1: msgpack, 2: its own Snapshotter), this program's is the other: keep the way in which a type is written: %w", d.name, b[1], ErrUnknownVersion)
	case !d.own && b[1] != stateMsgpack:
		return fmt.Errorf("restore a state of type %q: encoding %d, this program knows 1 and 2: %w", d.name, b[1], ErrUnknownVersion)
	}
	return nil
}
