package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync/atomic"
)

// ErrCrashed is returned by files of a MemFS that were opened before its Crash or
// Kill.
var ErrCrashed = errors.New("wal: file was opened before the crash")

// sectorBytes is the unit that a crash keeps or loses as a whole.
const sectorBytes = 512

// Op is one call on a MemFS, as its fault functions see it.
type Op struct {
	Kind   string // create, rename, remove, syncdir, write, sync, allocate; read
	Name   string
	Offset int64
	Length int
}

// ShortWrite is what a fault function returns for a write that takes only its
// first bytes and then fails with Err.
type ShortWrite struct {
	Bytes int
	Err   error
}

func (s *ShortWrite) Error() string { return fmt.Sprintf("%d bytes written: %v", s.Bytes, s.Err) }

// Unwrap returns Err.
func (s *ShortWrite) Unwrap() error { return s.Err }

// SetFault lets f see every call that changes something, before it happens; an
// error that it returns is returned instead of doing it. nil removes it. f may
// call the MemFS. After a failed sync, what was written before is durable only
// when it is written again and synced, as with a real disk.
func (m *MemFS) SetFault(f func(Op) error) { setFault(&m.fault, f) }

// SetReadFault lets f see every read of a file, before it happens; an error that
// it returns is returned instead. nil removes it.
func (m *MemFS) SetReadFault(f func(Op) error) { setFault(&m.readFault, f) }

func setFault(to *atomic.Pointer[func(Op) error], f func(Op) error) {
	if f == nil {
		to.Store(nil)
		return
	}
	to.Store(&f)
}

func check(fault *atomic.Pointer[func(Op) error], kind, name string, off int64, length int) error {
	if f := fault.Load(); f != nil {
		return (*f)(Op{kind, name, off, length})
	}
	return nil
}

// Kill ends the process: open files are dead, and what was written is all there.
// What was not synced may still go with a later Crash.
func (m *MemFS) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
}

// Crash loses power: open files are dead. Of what was not synced, keep decides:
// for each sector of 512 bytes and each write to it, from the newest to the
// oldest, whether the sector stays as that write left it; for each file that
// grew, whether it stays long; for each change of a folder, whether it stays. A
// nil keep loses all of it. The order of the questions depends on nothing but what
// was done before.
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
	settled := map[int]bool{}
	at := len(n.old)
	for k := len(n.undo) - 1; k >= 0; k-- {
		u := n.undo[k]
		at -= u.length
		old := n.old[at : at+u.length]
		u.sectors(func(sector, from, to int) {
			switch {
			case settled[sector]:
			case keep():
				settled[sector] = true
			default:
				copy(n.data[u.off+from:u.off+to], old[from:to])
			}
		})
	}
	if len(n.data) > n.synced && !keep() {
		n.data = n.data[:n.synced:n.synced]
	}
	n.settle()
}

// undone is a write that no sync has made durable.
type undone struct {
	off, length int
	lost        bool // a sync failed since: no later one covers it
}

// sectors calls f for each sector that the write touched, with the part of the
// write that lies in it.
func (u undone) sectors(f func(sector, from, to int)) {
	for i := 0; i < u.length; {
		sector := (u.off + i) / sectorBytes
		end := min((sector+1)*sectorBytes-u.off, u.length)
		f(sector, i, end)
		i = end
	}
}

// settle makes the present content the durable one.
func (n *memNode) settle() {
	n.synced = len(n.data)
	n.undo = n.undo[:0]
	n.old = n.old[:0]
	n.broken = false
	if cap(n.old) > 16<<20 {
		n.old = nil
	}
}

// sync makes durable what was written since the last sync, and of what was
// written before a failed one the sectors that were written again.
func (n *memNode) sync() {
	if !n.broken {
		n.settle()
		return
	}
	again := map[int]bool{}
	for _, u := range n.undo {
		if !u.lost {
			u.sectors(func(sector, _, _ int) { again[sector] = true })
		}
	}
	undo, old, at := n.undo, n.old, 0
	n.undo, n.old = nil, nil
	n.settle()
	for _, u := range undo {
		before := old[at : at+u.length]
		at += u.length
		u.sectors(func(sector, from, to int) {
			if u.lost && !again[sector] {
				n.undo = append(n.undo, undone{u.off + from, to - from, true})
				n.old = append(n.old, before[from:to]...)
				n.broken = true
			}
		})
	}
}

// failSync is what a failed sync leaves: pages that are shown and that no later
// sync writes.
func (n *memNode) failSync() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.undo {
		n.undo[i].lost = true
	}
	n.broken = len(n.undo) > 0
}

// Clone returns a copy with all that is durable and all that is not yet. Files
// that are open stay with the original, as do its fault functions.
func (m *MemFS) Clone() *MemFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &MemFS{epoch: m.epoch, capacity: m.capacity, used: m.used}
	copies := map[*memNode]*memNode{}
	node := func(n *memNode) *memNode {
		if n != nil && copies[n] == nil {
			n.mu.RLock()
			copies[n] = &memNode{data: slices.Clone(n.data), synced: n.synced, undo: slices.Clone(n.undo), old: slices.Clone(n.old), broken: n.broken}
			n.mu.RUnlock()
		}
		return copies[n]
	}
	names := func(names map[string]*memNode) map[string]*memNode {
		copied := make(map[string]*memNode, len(names))
		for name, n := range names {
			copied[name] = node(n)
		}
		return copied
	}
	c.names, c.durable = names(m.names), names(m.durable)
	c.pending = slices.Clone(m.pending)
	for i := range c.pending {
		c.pending[i].node = node(c.pending[i].node)
	}
	return c
}

// FlipBit changes one bit of a file, on the disk and in what is shown of it.
func (m *MemFS) FlipBit(name string, offset int64, bit uint) error {
	m.mu.Lock()
	node := m.names[filepath.Clean(name)]
	m.mu.Unlock()
	if node == nil {
		return notExist("flip", name)
	}
	node.mu.Lock()
	defer node.mu.Unlock()
	if offset < 0 || offset >= int64(len(node.data)) {
		return &fs.PathError{Op: "flip", Path: name, Err: io.EOF}
	}
	node.data[offset] ^= 1 << (bit % 8)
	return nil
}

// Durable is a view of what is durable at each moment: what Crash(nil) would
// leave. Files and folders cannot be changed through it. Inspect and Verify read
// a log through it while the log is open, between two of its Turns.
func (m *MemFS) Durable() FS { return durableFS{m} }

type durableFS struct{ m *MemFS }

func (d durableFS) Open(name string) (File, error) {
	name = filepath.Clean(name)
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	node := d.m.durable[name]
	if node == nil {
		return nil, notExist("open", name)
	}
	return durableFile{node, name}, nil
}

func (d durableFS) List(dir string) ([]string, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return list(d.m.durable, dir), nil
}

func readOnly(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission}
}

func (durableFS) MkdirAll(dir string) error              { return readOnly("mkdir", dir) }
func (durableFS) Create(name string) (File, error)       { return nil, readOnly("create", name) }
func (durableFS) Rename(from, _ string) error            { return readOnly("rename", from) }
func (durableFS) Remove(name string) error               { return readOnly("remove", name) }
func (durableFS) SyncDir(dir string) error               { return readOnly("syncdir", dir) }
func (f durableFile) WriteAt([]byte, int64) (int, error) { return 0, readOnly("write", f.name) }
func (f durableFile) Sync() error                        { return readOnly("sync", f.name) }
func (f durableFile) Allocate(int64) error               { return readOnly("allocate", f.name) }
func (durableFile) Close() error                         { return nil }

type durableFile struct {
	node *memNode
	name string
}

func (f durableFile) Size() (int64, error) {
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	return int64(min(f.node.synced, len(f.node.data))), nil
}

func (f durableFile) ReadAt(b []byte, off int64) (int, error) {
	n := f.node
	n.mu.RLock()
	defer n.mu.RUnlock()
	size := int64(min(n.synced, len(n.data)))
	if off >= size {
		return 0, io.EOF
	}
	got := copy(b, n.data[off:size])
	at := len(n.old)
	for k := len(n.undo) - 1; k >= 0; k-- {
		u := n.undo[k]
		at -= u.length
		from, to := max(int(off), u.off), min(int(off)+got, u.off+u.length)
		if from < to {
			copy(b[from-int(off):to-int(off)], n.old[at+from-u.off:at+to-u.off])
		}
	}
	if got < len(b) {
		return got, io.EOF
	}
	return got, nil
}
