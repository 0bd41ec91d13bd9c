package store

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// memory is the Store of a node that keeps nothing.
type memory struct {
	mu         sync.RWMutex
	identity   Identity
	members    map[Key][]byte
	snapshots  map[Key]memorySnapshot
	values     map[string][]byte
	checkpoint []byte
	closed     bool
}

type memorySnapshot struct {
	header
	body []byte // never changed once it is here
}

// OpenMemory returns a Store in memory, of a new node: it behaves as one on a
// disk does, without the disk's errors, and is gone with the process. It holds
// what is put into it and no more.
func OpenMemory(name string) Store {
	return &memory{
		identity:  Identity{Node: ident.NewNodeID(), Name: name},
		members:   make(map[Key][]byte),
		snapshots: make(map[Key]memorySnapshot),
		values:    make(map[string][]byte),
	}
}

// write runs fn alone, unless the store is closed.
func (m *memory) write(fn func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	return fn()
}

func (m *memory) read(fn func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	return fn()
}

func (m *memory) Identity() Identity {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.identity
}

func (m *memory) SetIdentity(id Identity) error {
	err := m.write(func() error {
		if err := checkIdentity(m.identity, id); err != nil {
			return err
		}
		m.identity = id
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: set the identity: %w", err)
	}
	return nil
}

func (m *memory) Members() ([]MemberRecord, error) {
	var all []MemberRecord
	err := m.read(func() error {
		for k, record := range m.members {
			all = append(all, MemberRecord{Key: k, Record: append([]byte{}, record...)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list the members: %w", err)
	}
	slices.SortFunc(all, func(a, b MemberRecord) int {
		return bytes.Compare(appendKey(nil, a.Key), appendKey(nil, b.Key))
	})
	return all, nil
}

func (m *memory) PutMember(k Key, record []byte) error {
	err := checkRecord(k, record)
	if err == nil {
		record = bytes.Clone(record)
		err = m.write(func() error { m.members[k] = record; return nil })
	}
	if err != nil {
		return fmt.Errorf("store: put %s: %w", k, err)
	}
	return nil
}

func (m *memory) DeleteMember(k Key) error {
	err := checkKey(k)
	if err == nil {
		err = m.write(func() error {
			delete(m.members, k)
			delete(m.snapshots, k)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("store: delete %s: %w", k, err)
	}
	return nil
}

func (m *memory) hosted(k Key) error {
	if _, ok := m.members[k]; !ok {
		return fmt.Errorf("the member has no record: %w", ErrNotFound)
	}
	return nil
}

func (m *memory) CreateSnapshot(k Key) (SnapshotWriter, error) {
	err := checkKey(k)
	if err == nil {
		err = m.read(func() error { return m.hosted(k) })
	}
	if err != nil {
		return nil, fmt.Errorf("store: create a snapshot of %s: %w", k, err)
	}
	return &memoryWriter{m: m, key: k}, nil
}

func (m *memory) OpenSnapshot(k Key) (Snapshot, io.ReadCloser, error) {
	s, err := m.snapshot(k)
	if err != nil {
		return Snapshot{}, nil, fmt.Errorf("store: open the snapshot of %s: %w", k, err)
	}
	return s.Snapshot, newBodyReader(&s.header, bytes.NewReader(s.body), nil), nil
}

func (m *memory) SnapshotInfo(k Key) (Snapshot, bool, error) {
	m.mu.RLock()
	s, ok := m.snapshots[k]
	closed := m.closed
	m.mu.RUnlock()
	if closed {
		return Snapshot{}, false, fmt.Errorf("store: the snapshot of %s: %w", k, ErrClosed)
	}
	s.Config = bytes.Clone(s.Config)
	return s.Snapshot, ok, nil
}

func (m *memory) snapshot(k Key) (s memorySnapshot, err error) {
	err = m.read(func() error {
		found, ok := m.snapshots[k]
		if !ok {
			return ErrNotFound
		}
		s = found
		s.Config = bytes.Clone(s.Config)
		return nil
	})
	return s, err
}

func (m *memory) Get(key string) (value []byte, err error) {
	err = checkValue(key, nil)
	if err == nil {
		err = m.read(func() error {
			v, ok := m.values[key]
			if !ok {
				return ErrNotFound
			}
			value = append([]byte{}, v...)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("store: get %q: %w", key, err)
	}
	return value, nil
}

func (m *memory) Put(key string, value []byte) error {
	err := checkValue(key, value)
	if err == nil {
		err = m.write(func() error {
			if value == nil {
				delete(m.values, key)
			} else {
				m.values[key] = bytes.Clone(value)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("store: put %q: %w", key, err)
	}
	return nil
}

func (m *memory) LoadCheckpoint() (b []byte, err error) {
	err = m.read(func() error { b = bytes.Clone(m.checkpoint); return nil })
	if err != nil {
		return nil, fmt.Errorf("store: load the log's checkpoint: %w", err)
	}
	return b, nil
}

func (m *memory) SaveCheckpoint(b []byte) error {
	err := checkSize("checkpoint", len(b), MaxCheckpointBytes)
	if err == nil {
		err = m.write(func() error { m.checkpoint = append([]byte{}, b...); return nil })
	}
	if err != nil {
		return fmt.Errorf("store: save the log's checkpoint: %w", err)
	}
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

type memoryWriter struct {
	m    *memory
	key  Key
	body []byte
	done bool
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, fmt.Errorf("store: write a snapshot of %s: %w", w.key, os.ErrClosed)
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *memoryWriter) Abort() { w.done, w.body = true, nil }

func (w *memoryWriter) Commit(s Snapshot) error {
	if w.done {
		return fmt.Errorf("store: commit a snapshot of %s: %w", w.key, os.ErrClosed)
	}
	body := w.body
	w.Abort()
	err := checkSnapshot(&s)
	crc := crc32.Checksum(body, castagnoli)
	if err == nil {
		err = checkBody(&s, int64(len(body)), crc)
	}
	if err == nil {
		s.Config, s.Size, s.CRC = append([]byte{}, s.Config...), int64(len(body)), crc
		err = w.m.write(func() error {
			if err := w.m.hosted(w.key); err != nil {
				return err
			}
			have := w.m.snapshots[w.key]
			if err := checkProgress(have.Index, have.Term, &s); err != nil {
				return err
			}
			w.m.snapshots[w.key] = memorySnapshot{header{Key: w.key, Snapshot: s}, body}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("store: commit the snapshot of %s at index %d: %w", w.key, s.Index, err)
	}
	return nil
}

var _ Store = (*memory)(nil)
