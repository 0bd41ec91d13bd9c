package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// ErrCrashed is returned by files of a MemFS that were opened before its Crash.
var ErrCrashed = errors.New("wal: file was opened before the crash")

// sectorBytes is the unit that a crash keeps or loses as a whole.
const sectorBytes = 512

// MemFS is a file system in memory. It serves nodes that keep nothing, and tests:
// it knows what was synced, so Crash can lose what was not. Its writes are copies
// and its syncs are free.
type MemFS struct {
	mu       sync.Mutex
	names    map[string]*memNode
	durable  map[string]*memNode
	pending  []dirOp
	epoch    uint64
	capacity int64 // 0 = no bound
	used     int64
	fault    atomic.Pointer[func(Op) error]
}

// Op is one call that changes a MemFS, as its fault function sees it.
type Op struct {
	Kind   string // create, rename, remove, syncdir, write, sync, allocate
	Name   string
	Offset int64
	Length int
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
	undo   []undone // what unsynced writes replaced, oldest first
	old    []byte   // the bytes of undo
}

type undone struct{ off, length int }

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

// SetFault lets f see every call that changes something, before it happens; an
// error that it returns is returned instead of doing it. nil removes it.
func (m *MemFS) SetFault(f func(Op) error) {
	if f == nil {
		m.fault.Store(nil)
		return
	}
	m.fault.Store(&f)
}

// Crash loses power: open files are dead, and of what was not synced each 512
// byte sector, each grown size and each change of a folder is kept when keep
// returns true. A nil keep loses all of it.
func (m *MemFS) Crash(keep func() bool) {
	if keep == nil {
		keep = func() bool { return false }
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	for _, op := range m.pending {
		if keep() {
			apply(m.durable, op)
		}
	}
	m.pending = nil
	m.names = maps.Clone(m.durable)
	m.used = 0
	counted := map[*memNode]bool{}
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		node := m.names[name]
		if counted[node] {
			continue
		}
		counted[node] = true
		node.crash(keep)
		m.used += int64(len(node.data))
	}
}

func (n *memNode) crash(keep func() bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	// One decision for each sector that was written: what it holds now, or what
	// it held at the last sync.
	kept := map[int]bool{}
	for _, u := range n.undo {
		for sector := u.off / sectorBytes; sector*sectorBytes < u.off+u.length; sector++ {
			if _, decided := kept[sector]; !decided {
				kept[sector] = keep()
			}
		}
	}
	at := len(n.old)
	// Undo from the newest to the oldest, so that the oldest bytes win.
	for k := len(n.undo) - 1; k >= 0; k-- {
		u := n.undo[k]
		at -= u.length
		old := n.old[at : at+u.length]
		for i := 0; i < u.length; {
			sector := (u.off + i) / sectorBytes
			end := min((sector+1)*sectorBytes-u.off, u.length)
			if !kept[sector] {
				copy(n.data[u.off+i:u.off+end], old[i:end])
			}
			i = end
		}
	}
	if len(n.data) > n.synced && !keep() {
		n.data = n.data[:n.synced:n.synced]
	}
	n.settle()
}

// settle makes the present content the durable one.
func (n *memNode) settle() {
	n.synced = len(n.data)
	n.undo = n.undo[:0]
	n.old = n.old[:0]
	if cap(n.old) > 16<<20 {
		n.old = nil
	}
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

func (m *MemFS) check(kind, name string, off int64, length int) error {
	if f := m.fault.Load(); f != nil {
		return (*f)(Op{kind, name, off, length})
	}
	return nil
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
	var names []string
	for name := range m.names {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// Create implements FS.
func (m *MemFS) Create(name string) (File, error) {
	name = filepath.Clean(name)
	if err := m.check("create", name, 0, 0); err != nil {
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
	if err := m.check("rename", from, 0, 0); err != nil {
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
	if err := m.check("remove", name, 0, 0); err != nil {
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
	if err := m.check("syncdir", dir, 0, 0); err != nil {
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
	if err := f.fs.check("write", f.name, off, len(b)); err != nil {
		return 0, err
	}
	if err := f.dead(); err != nil {
		return 0, err
	}
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
	n.undo = append(n.undo, undone{int(off), len(b)})
	return copy(at, b), nil
}

// Sync implements File.
func (f *memFile) Sync() error {
	if err := f.fs.check("sync", f.name, 0, 0); err != nil {
		return err
	}
	if err := f.dead(); err != nil {
		return err
	}
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	f.node.settle()
	return nil
}

// Allocate implements File. Like the real one it leaves the size durable.
func (f *memFile) Allocate(size int64) error {
	if err := f.fs.check("allocate", f.name, 0, int(size)); err != nil {
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
	f.node.settle()
	return nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.dead(); err != nil {
		return 0, err
	}
	return int64(f.node.len()), nil
}

func (f *memFile) Close() error { return nil }
