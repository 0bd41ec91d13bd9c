package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/raftfleet/raftfleet/internal/ident"
	"go.etcd.io/bbolt"
)

const (
	bodySuffix      = ".snap"
	temporarySuffix = ".tmp"
)

// bodyName is the name of a snapshot's file. The nonce makes it unique for ever:
// no file is ever replaced, so that a record never meets another's body.
func bodyName(k Key, index, nonce uint64) string {
	return fmt.Sprintf("%s-%s-%d-%016x%s", k.Group, k.Member, index, nonce, bodySuffix)
}

// parseBodyName reads what bodyName wrote, with or without temporarySuffix.
func parseBodyName(name string) (k Key, temporary, ok bool) {
	name, temporary = strings.CutSuffix(name, temporarySuffix)
	base, isBody := strings.CutSuffix(name, bodySuffix)
	parts := strings.Split(base, "-")
	if !isBody || len(parts) != 4 {
		return k, false, false
	}
	group, err1 := strconv.ParseUint(parts[0], 16, 64)
	member, err2 := strconv.ParseUint(parts[1], 10, 64)
	index, err3 := strconv.ParseUint(parts[2], 10, 64)
	nonce, err4 := strconv.ParseUint(parts[3], 16, 64)
	if errors.Join(err1, err2, err3, err4) != nil {
		return k, false, false
	}
	k = Key{ident.GroupID(group), ident.MemberID(member)}
	return k, temporary, bodyName(k, index, nonce) == name
}

func newNonce() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		if v := binary.LittleEndian.Uint64(b[:]); v != 0 {
			return v
		}
	}
}

func (d *disk) bodyPath(h *header) string {
	return filepath.Join(d.dir, snapshotsName, bodyName(h.Key, h.Index, h.nonce))
}

// removeBody removes the file of a snapshot that no record names any more. What
// cannot be removed now is removed by the next Open.
func (d *disk) removeBody(h *header) {
	if h.nonce == 0 {
		return
	}
	if err := os.Remove(d.bodyPath(h)); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.log.Warn("an old snapshot stays until the next start", "group", h.Group, "member", h.Member, "index", h.Index, "error", err)
	}
}

func (d *disk) CreateSnapshot(k Key) (SnapshotWriter, error) {
	err := checkKey(k)
	if err == nil {
		err = d.view(func(tx *bbolt.Tx) error { return hosted(tx, k) })
	}
	if err != nil {
		return nil, fmt.Errorf("store: create a snapshot of %s: %w", k, err)
	}
	return &diskWriter{d: d, key: k}, nil
}

func hosted(tx *bbolt.Tx, k Key) error {
	if tx.Bucket(bucketMembers).Get(appendKey(nil, k)) == nil {
		return fmt.Errorf("the member has no record: %w", ErrNotFound)
	}
	return nil
}

// diskWriter holds a body in memory until it is too large for node.db, then in a
// file with a temporary name.
type diskWriter struct {
	d    *disk
	key  Key
	size int64
	crc  uint32

	buf   []byte // the whole body while file is nil, else what is not yet written
	file  *os.File
	nonce uint64

	err  error // what went wrong with the file; it stays wrong
	done bool
}

func (w *diskWriter) Write(p []byte) (int, error) {
	if w.done {
		return 0, fmt.Errorf("store: write a snapshot of %s: %w", w.key, os.ErrClosed)
	}
	if w.err == nil {
		w.write(p)
	}
	if w.err != nil {
		return 0, fmt.Errorf("store: write a snapshot of %s: %w", w.key, w.err)
	}
	w.size += int64(len(p))
	w.crc = crc32.Update(w.crc, castagnoli, p)
	return len(p), nil
}

func (w *diskWriter) write(p []byte) {
	if len(w.buf)+len(p) <= inlineLimit {
		w.buf = append(w.buf, p...)
		return
	}
	if w.file == nil {
		w.create()
	}
	w.flush()
	if len(p) >= inlineLimit {
		w.toFile(p)
		return
	}
	w.buf = append(w.buf, p...)
}

// create makes the temporary file, with room for the header.
func (w *diskWriter) create() {
	w.nonce = newNonce()
	w.file, w.err = os.OpenFile(w.temporaryPath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if w.err != nil {
		w.err = fullError(w.err)
		return
	}
	w.toFile(make([]byte, headerArea))
}

func (w *diskWriter) temporaryPath() string {
	return filepath.Join(w.d.dir, snapshotsName, bodyName(w.key, 0, w.nonce)+temporarySuffix)
}

func (w *diskWriter) flush() {
	w.toFile(w.buf)
	w.buf = w.buf[:0]
}

func (w *diskWriter) toFile(b []byte) {
	if w.err != nil || len(b) == 0 {
		return
	}
	_, err := w.file.Write(b)
	w.err = fullError(err)
}

func fullError(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: free some space and try again: %w", ErrFull, err)
	}
	return err
}

func (w *diskWriter) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.drop()
}

// drop removes the temporary file, if there is one.
func (w *diskWriter) drop() {
	w.buf = nil
	if w.file != nil {
		w.file.Close()
		os.Remove(w.temporaryPath()) // else the next Open does it
	}
}

func (w *diskWriter) Commit(s Snapshot) error {
	if w.done {
		return fmt.Errorf("store: commit a snapshot of %s: %w", w.key, os.ErrClosed)
	}
	w.done = true
	err := w.commit(&s)
	if err != nil {
		return fmt.Errorf("store: commit the snapshot of %s at index %d: %w", w.key, s.Index, err)
	}
	return nil
}

func (w *diskWriter) commit(s *Snapshot) error {
	err := w.err
	if err == nil {
		err = checkSnapshot(s)
	}
	if err == nil {
		err = checkBody(s, w.size, w.crc)
	}
	if err != nil {
		w.drop()
		return err
	}
	h := &header{Key: w.key, Snapshot: *s, nonce: w.nonce}
	h.Size, h.CRC = w.size, w.crc
	if w.file == nil {
		return w.d.record(h, w.buf)
	}
	if err := w.publish(h); err != nil {
		return err
	}
	err = w.d.record(h, nil)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrStale) || errors.Is(err, ErrFull) || errors.Is(err, ErrClosed) {
		w.d.removeBody(h) // certainly no record names it
	}
	return err
}

// publish makes the file durable under its final name. A sync that fails leaves
// the disk in doubt and so ends the store.
func (w *diskWriter) publish(h *header) error {
	w.flush()
	if w.err == nil {
		_, err := w.file.WriteAt(h.append(nil), 0)
		w.err = fullError(err)
	}
	if w.err != nil {
		w.drop()
		return w.err
	}
	w.d.step("written")
	if err := w.file.Sync(); err != nil {
		w.drop()
		if isFull(err) {
			return fullError(err) // of this file alone, which is gone now
		}
		return w.d.commits.fail(err)
	}
	w.d.step("synced")
	if err := w.file.Close(); err != nil {
		w.drop()
		return err
	}
	final := w.d.bodyPath(h)
	if err := os.Rename(w.temporaryPath(), final); err != nil {
		w.drop()
		return fullError(err)
	}
	w.d.step("renamed")
	if err := syncFolder(filepath.Dir(final)); err != nil {
		return w.d.commits.fail(err)
	}
	w.d.step("folder synced")
	return nil
}

// record makes a snapshot the member's in one transaction, with the body if it is
// a small one, and removes the file of the snapshot before.
func (d *disk) record(h *header, body []byte) error {
	key := appendKey(nil, h.Key)
	value := append(h.append(make([]byte, 0, headerFixed+4+len(h.Config)+len(body))), body...)
	var old header
	err := d.commits.do(len(value), func(tx *bbolt.Tx) error {
		old = header{}
		if err := hosted(tx, h.Key); err != nil {
			return refused{err}
		}
		bucket := tx.Bucket(bucketSnapshots)
		if b := bucket.Get(key); b != nil {
			// A damaged record is replaced: a new snapshot is the cure. Its file, if it
			// had one, is removed by the next Open.
			have, _, err := decodeHeader(b)
			if err == nil {
				if err := checkProgress(have.Index, have.Term, &h.Snapshot); err != nil {
					return refused{err}
				}
				old = have
			}
		}
		return bucket.Put(key, value)
	})
	if err != nil {
		return err
	}
	d.step("recorded")
	d.removeBody(&old)
	d.step("old removed")
	return nil
}
