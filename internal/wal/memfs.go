package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// MemFS is a file system in memory. It serves nodes that keep nothing, and tests:
// it knows what was synced, so Crash can lose what was not, and calls can be made
// to fail. Its writes are copies and its syncs are free. It uses no goroutine, no
// clock and no randomness of its own.
type MemFS struct {
	mu       sync.Mutex
	names    map[string]*memNode
	durable  map[string]*memNode
	pending  []dirOp
	epoch    uint64
	capacity int64 // 0 = no bound
	used     int64

	fault, readFault atomic.Pointer[func(Op) error]
}

type dirOp struct {
	dir      string
	from, to string // "" from: create; "" to: remove
	node     *memNode
}

type memNode struct {
	mu     sync.RWMutex
	data   []byte
	synced int      // size at the last sync
	undo   []undone // unsynced writes, oldest first
	old    []byte   // the bytes that they replaced
	broken bool     // a sync failed: undo holds writes that are lost
}

// NewMemFS returns an empty file system without bound.
func NewMemFS() *MemFS {
	return &MemFS{names: map[string]*memNode{}, durable: map[string]*memNode{}}
}

// SetCapacity bounds the bytes of all files; 0 removes the bound. Beyond it
// files do not grow: ENOSPC.
func (m *MemFS) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used is the number of bytes of all files.
func (m *MemFS) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

func apply(names map[string]*memNode, op dirOp) {
	switch {
	case op.from == "":
		names[op.to] = op.node
	case op.to == "":
		delete(names, op.from)
	case names[op.from] == op.node:
		delete(names, op.from)
		names[op.to] = op.node
	}
}

func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// MkdirAll implements FS. Folders are no more than the beginnings of names.
func (m *MemFS) MkdirAll(string) error { return nil }

// List implements FS.
func (m *MemFS) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return list(m.names, dir), nil
}

func list(files map[string]*memNode, dir string) []string {
	var names []string
	for name := range files {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

// Create implements FS.
func (m *MemFS) Create(name string) (File, error) {
	name = filepath.Clean(name)
	if err := check(&m.fault, "create", name, 0, 0); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.names[name]; old != nil {
		m.used -= int64(old.len())
	}
	node := &memNode{}
	m.change(dirOp{dir: filepath.Dir(name), to: name, node: node})
	return &memFile{fs: m, node: node, name: name, epoch: m.epoch}, nil
}

// Open implements FS.
func (m *MemFS) Open(name string) (File, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[name]
	if node == nil {
		return nil, notExist("open", name)
	}
	return &memFile{fs: m, node: node, name: name, epoch: m.epoch}, nil
}

// Rename implements FS.
func (m *MemFS) Rename(from, to string) error {
	from, to = filepath.Clean(from), filepath.Clean(to)
	if err := check(&m.fault, "rename", from, 0, 0); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[from]
	if node == nil {
		return notExist("rename", from)
	}
	if old := m.names[to]; old != nil && old != node {
		m.used -= int64(old.len())
	}
	m.change(dirOp{dir: filepath.Dir(to), from: from, to: to, node: node})
	return nil
}

// Remove implements FS.
func (m *MemFS) Remove(name string) error {
	name = filepath.Clean(name)
	if err := check(&m.fault, "remove", name, 0, 0); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.names[name]
	if node == nil {
		return notExist("remove", name)
	}
	m.used -= int64(node.len())
	m.change(dirOp{dir: filepath.Dir(name), from: name, node: node})
	return nil
}

func (m *MemFS) change(op dirOp) {
	apply(m.names, op)
	m.pending = append(m.pending, op)
}

// SyncDir implements FS.
func (m *MemFS) SyncDir(dir string) error {
	dir = filepath.Clean(dir)
	if err := check(&m.fault, "syncdir", dir, 0, 0); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = slices.DeleteFunc(m.pending, func(op dirOp) bool {
		if op.dir == dir {
			apply(m.durable, op)
		}
		return op.dir == dir
	})
	return nil
}

type memFile struct {
	fs    *MemFS
	node  *memNode
	name  string
	epoch uint64
}

func (n *memNode) len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.data)
}

// grow makes the file length bytes long, within the bound of the file system.
func (f *memFile) grow(length int) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := f.node
	n.mu.Lock()
	defer n.mu.Unlock()
	more := length - len(n.data)
	if more <= 0 {
		return nil
	}
	if f.fs.capacity > 0 && f.fs.used+int64(more) > f.fs.capacity {
		return &fs.PathError{Op: "grow", Path: f.name, Err: syscall.ENOSPC}
	}
	f.fs.used += int64(more)
	if length <= cap(n.data) {
		clear(n.data[len(n.data):length])
		n.data = n.data[:length]
		return nil
	}
	data := make([]byte, length)
	copy(data, n.data)
	n.data = data
	return nil
}

func (f *memFile) dead() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.epoch != f.fs.epoch {
		return fmt.Errorf("%s: %w", f.name, ErrCrashed)
	}
	return nil
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if err := check(&f.fs.readFault, "read", f.name, off, len(b)); err != nil {
		return 0, err
	}
	if err := f.dead(); err != nil {
		return 0, err
	}
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	if err := check(&f.fs.fault, "write", f.name, off, len(b)); err != nil {
		var short *ShortWrite
		if !errors.As(err, &short) || f.dead() != nil {
			return 0, err
		}
		n, _ := f.write(b[:max(0, min(short.Bytes, len(b)))], off)
		return n, err
	}
	if err := f.dead(); err != nil {
		return 0, err
	}
	return f.write(b, off)
}

func (f *memFile) write(b []byte, off int64) (int, error) {
	n := f.node
	if off+int64(len(b)) > int64(n.len()) {
		if err := f.grow(int(off) + len(b)); err != nil {
			return 0, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	at := n.data[off:][:len(b)]
	n.old = append(n.old, at...)
	n.undo = append(n.undo, undone{off: int(off), length: len(b)})
	return copy(at, b), nil
}

// Sync implements File.
func (f *memFile) Sync() error {
	if err := check(&f.fs.fault, "sync", f.name, 0, 0); err != nil {
		if f.dead() == nil {
			f.node.failSync()
		}
		return err
	}
	if err := f.dead(); err != nil {
		return err
	}
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	f.node.sync()
	return nil
}

// Allocate implements File. Like the real one it leaves the size durable.
func (f *memFile) Allocate(size int64) error {
	if err := check(&f.fs.fault, "allocate", f.name, 0, int(size)); err != nil {
		return err
	}
	if err := f.dead(); err != nil {
		return err
	}
	if err := f.grow(int(size)); err != nil {
		return err
	}
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	f.node.sync()
	return nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.dead(); err != nil {
		return 0, err
	}
	return int64(f.node.len()), nil
}

func (f *memFile) Close() error { return nil }
