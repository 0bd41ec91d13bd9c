package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// failing returns a store whose node.db can be made unwritable.
func failing(t *testing.T) (d *disk, breakIt func()) {
	t.Helper()
	d = openTest(t, t.TempDir())
	must(t, d.PutMember(key(2, 1), []byte("record")))
	must(t, save(t, d, key(2, 1), snapshotAt(5), large))
	must(t, d.db.Close())
	var file *os.File
	db, err := bbolt.Open(filepath.Join(d.dir, databaseName), 0o600, &bbolt.Options{
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
	must(t, err)
	d.db, d.commits.db = db, db
	return d, func() { file.Close() }
}

func TestHazard31_FailedWriteIsNotTriedAgain(t *testing.T) {
	d, breakIt := failing(t)
	breakIt()
	for range 2 {
		wantError(t, d.PutMember(key(3, 1), nil), ErrFailed)
		wantError(t, d.DeleteMember(key(2, 1)), ErrFailed)
		wantError(t, d.Put("k", []byte("v")), ErrFailed)
		wantError(t, d.SaveCheckpoint([]byte("x")), ErrFailed)
		wantError(t, save(t, d, key(2, 1), snapshotAt(6), small), ErrFailed)
		wantError(t, save(t, d, key(2, 1), snapshotAt(6), large), ErrFailed)
		id := d.Identity()
		id.Fleet = 9
		wantError(t, d.SetIdentity(id), ErrFailed)
		if d.Identity().Fleet != 0 {
			t.Fatal("an identity that is not on the disk")
		}
	}
	// What is there can be read.
	expectSnapshot(t, d, key(2, 1), snapshotAt(5), large)
	d.Close()
	d = openTest(t, d.dir)
	expectSnapshot(t, d, key(2, 1), snapshotAt(5), large)
	if files := bodyFiles(t, d.dir); len(files) != 1 {
		t.Fatal(files)
	}
	must(t, d.PutMember(key(3, 1), nil))
}

func TestFullDiskIsNotAFailedDisk(t *testing.T) {
	for _, c := range []struct {
		err  error
		full bool
	}{
		{&fs.PathError{Op: "write", Path: "node.db", Err: syscall.ENOSPC}, true},
		{fmt.Errorf("grow: %w", &fs.PathError{Op: "truncate", Path: "node.db", Err: syscall.EDQUOT}), true},
		{&fs.PathError{Op: "write", Path: "node.db", Err: syscall.EIO}, false},
		{&fs.PathError{Op: "sync", Path: "node.db", Err: syscall.ENOSPC}, false},
		{syscall.ENOSPC, false}, // bbolt's fdatasync
	} {
		if isFullWrite(c.err) != c.full {
			t.Errorf("%v: full %v", c.err, !c.full)
		}
		d := openTest(t, t.TempDir())
		want := ErrFailed
		if c.full {
			want = ErrFull
		}
		err := d.commits.do(0, func(*bbolt.Tx) error { return c.err })
		wantError(t, err, want)
		wantError(t, err, c.err)
		if err := d.PutMember(key(2, 1), nil); c.full != (err == nil) {
			t.Errorf("after %v: %v", c.err, err)
		}
		must(t, d.Close())
	}
}

// A panic over a damaged page ends the store, not the process, and Close returns.
func TestHazard49_PanicInTransaction(t *testing.T) {
	d := openTest(t, t.TempDir())
	err := d.commits.do(0, func(*bbolt.Tx) error { panic("page 7: unexpected page type") })
	wantError(t, err, ErrFailed)
	wantError(t, err, ErrCorrupt)
	wantError(t, d.PutMember(key(2, 1), nil), ErrFailed)
	must(t, d.Close())

	d = openTest(t, t.TempDir())
	wantError(t, d.view(func(*bbolt.Tx) error { panic("page 7: unexpected page type") }), ErrCorrupt)
	must(t, d.PutMember(key(2, 1), nil)) // readers hold nothing back
}

// Callers that share a transaction with one that is refused are not concerned.
func TestRefusalIsOneCallersAlone(t *testing.T) {
	d := openTest(t, t.TempDir())
	ran := 0
	batch := []*change{
		{apply: func(*bbolt.Tx) error { ran++; return refused{ErrStale} }},
		{apply: func(tx *bbolt.Tx) error { ran++; return tx.Bucket(bucketValues).Put([]byte("k"), []byte("v")) }},
	}
	d.commits.commit(batch)
	if !errors.Is(batch[0].err, ErrStale) || batch[1].err != nil || ran != 2 {
		t.Fatal(batch[0].err, batch[1].err, ran)
	}
	before := transactions(t, d)
	d.commits.commit(batch[:1])
	if after := transactions(t, d); after != before {
		t.Fatal("a transaction of nothing was written")
	}
}

func TestTransactionsAreBounded(t *testing.T) {
	c := &committer{}
	for range maxCommitChanges + 5 {
		c.queue = append(c.queue, &change{})
	}
	c.queue = append(c.queue, &change{bytes: maxCommitBytes}, &change{bytes: 1}, &change{bytes: 2 * maxCommitBytes})
	for i, want := range []int{maxCommitChanges, 6, 1, 1, 0} {
		if batch, _ := c.take(); len(batch) != want {
			t.Fatalf("transaction %d has %d changes, want %d", i, len(batch), want)
		}
	}
}

// A snapshot file that cannot be written is its member's trouble alone.
func TestSnapshotFileCannotBeWritten(t *testing.T) {
	d := openTest(t, t.TempDir())
	k := key(2, 1)
	must(t, d.PutMember(k, nil))
	must(t, save(t, d, k, snapshotAt(1), small))
	must(t, os.RemoveAll(filepath.Join(d.dir, snapshotsName)))
	w, err := d.CreateSnapshot(k)
	must(t, err)
	for range 2 {
		_, err := w.Write(large)
		wantError(t, err, fs.ErrNotExist)
	}
	wantError(t, w.Commit(snapshotAt(2)), fs.ErrNotExist)
	expectSnapshot(t, d, k, snapshotAt(1), small)
	must(t, save(t, d, k, snapshotAt(2), small))
}
