package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The names in a data folder.
const (
	lockName      = "LOCK"
	databaseName  = "node.db"
	newDatabase   = "node.db.new" // a first start that was cut off
	walName       = "wal"
	snapshotsName = "snapshots"
)

// databaseWait is how long Open waits for another program that reads node.db.
const databaseWait = time.Second

// Options of Open. The zero value is usable.
type Options struct {
	// Name is what people call the node. Empty keeps the name that the folder has;
	// another one replaces it, and the node stays the same.
	Name string

	// Logger hears of leftovers that were removed; slog.Default() when nil.
	Logger *slog.Logger
}

// Open opens the data folder dir for this process alone. A folder that does not
// exist, or is empty, becomes that of a new node. Everything else that cannot be
// used is refused and left as it is: see ErrLocked, ErrForeign, ErrIncomplete,
// ErrUnwritable, ErrFormat and ErrCorrupt.
func Open(dir string, o Options) (Store, error) {
	d, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", dir, err)
	}
	return d, nil
}

func open(dir string, o Options) (*disk, error) {
	if dir == "" {
		return nil, fmt.Errorf("the data folder has no name: %w", ErrInvalid)
	}
	if err := checkName(o.Name); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	// Looked at twice: before the lock, so that nothing is put into a folder of
	// somebody else, and under it, when nobody can be changing it.
	if _, err := look(dir); err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: dir, log: o.Logger, lock: lock}
	if err := d.load(o.Name); err != nil {
		lock.release()
		return nil, err
	}
	return d, nil
}

func (d *disk) load(name string) error {
	found, err := look(d.dir)
	if err != nil {
		return err
	}
	path := filepath.Join(d.dir, databaseName)
	if found[newDatabase] {
		if err := os.Remove(filepath.Join(d.dir, newDatabase)); err != nil {
			return folderError(d.dir, err)
		}
	}
	if !found[databaseName] {
		if err := createDatabase(d.dir, Identity{Node: ident.NewNodeID(), Name: name}); err != nil {
			return folderError(d.dir, err)
		}
	}
	id, checkpoint, err := examine(path)
	if err != nil {
		return err
	}
	if checkpoint && !found[walName] {
		return fmt.Errorf("node.db knows of a log and there is no %s/: restore it, or give the node an empty folder and let it join as a new one: %w", walName, ErrIncomplete)
	}
	d.identity.Store(&id)
	err = guard(func() (err error) {
		d.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: databaseWait, FreelistType: bbolt.FreelistMapType, NoStatistics: true})
		return err
	})
	if err != nil {
		return databaseError(d.dir, err)
	}
	if err := d.prepareSnapshots(); err != nil {
		d.db.Close()
		return err
	}
	d.commits = newCommitter(d.db)
	if name != "" && name != id.Name {
		renamed := id
		renamed.Name = name
		if err := d.SetIdentity(renamed); err != nil {
			d.commits.close()
			d.db.Close()
			return err
		}
		d.log.Info("the node has another name now", "node", id.Node, "was", id.Name, "name", name)
	}
	return nil
}

// look lists a folder and says whether it can be a data folder, or become one.
func look(dir string) (found map[string]bool, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, folderError(dir, err)
	}
	found = make(map[string]bool, len(entries))
	stranger := ""
	for _, e := range entries {
		found[e.Name()] = true
		switch e.Name() {
		case lockName, databaseName, newDatabase, walName, snapshotsName:
		case "lost+found": // every fresh ext4 has one
		default:
			stranger = e.Name()
		}
	}
	if found[databaseName] {
		return found, nil
	}
	for _, part := range []string{walName, snapshotsName} {
		if found[part] {
			return nil, fmt.Errorf("there is a %s/ and no %s: restore %s, or give the node an empty folder and let it join as a new one: %w", part, databaseName, databaseName, ErrIncomplete)
		}
	}
	if stranger != "" {
		return nil, fmt.Errorf("there is %q and no %s: name an empty folder or one that does not exist: %w", stranger, databaseName, ErrForeign)
	}
	return found, nil
}

// makeFolder makes dir and what is above it, durably.
func makeFolder(dir string) error {
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return folderError(dir, err)
	}
	for _, made := range missing {
		if err := syncFolder(filepath.Dir(made)); err != nil {
			return fmt.Errorf("sync %s: %w", filepath.Dir(made), err)
		}
	}
	return nil
}

// createDatabase makes node.db under another name first: a node.db that exists
// is always whole, and a first start that is cut off leaves none.
func createDatabase(dir string, id Identity) error {
	path := filepath.Join(dir, newDatabase)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: databaseWait})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		node := tx.Bucket(bucketNode)
		format := binary.LittleEndian.AppendUint32(nil, formatVersion)
		if err := node.Put(keyFormat, seal(bucketNode, keyFormat, format)); err != nil {
			return err
		}
		return node.Put(keyIdentity, seal(bucketNode, keyIdentity, encodeIdentity(id)))
	})
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(path, filepath.Join(dir, databaseName)); err != nil {
		return err
	}
	return syncFolder(dir)
}

// examine reads node.db without writing: is it whole, of this format, whose, and
// does it know of a log?
func examine(path string) (id Identity, checkpoint bool, err error) {
	if err := verifyDatabase(path); err != nil {
		return id, false, err
	}
	err = guard(func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: databaseWait})
		if err != nil {
			return databaseError(filepath.Dir(path), err)
		}
		defer db.Close()
		return db.View(func(tx *bbolt.Tx) error {
			id, checkpoint, err = examineBuckets(tx)
			return err
		})
	})
	return id, checkpoint, err
}

func examineBuckets(tx *bbolt.Tx) (id Identity, checkpoint bool, err error) {
	node := tx.Bucket(bucketNode)
	if node == nil {
		return id, false, fmt.Errorf("node.db is another program's bbolt file: name an empty folder or one that does not exist: %w", ErrForeign)
	}
	format, err := unseal(bucketNode, keyFormat, node.Get(keyFormat))
	if err != nil || len(format) != 4 {
		return id, false, fmt.Errorf("node.db: its format version cannot be read: wipe this node and let it join again, or restore its disk: %w", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint32(format); v != formatVersion {
		return id, false, fmt.Errorf("node.db has format %d, this program reads %d: run the version that wrote it: %w", v, formatVersion, ErrFormat)
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return id, false, fmt.Errorf("node.db: bucket %q is missing: wipe this node and let it join again, or restore its disk: %w", name, ErrCorrupt)
		}
	}
	raw, err := unseal(bucketNode, keyIdentity, node.Get(keyIdentity))
	if err == nil {
		id, err = decodeIdentity(raw)
	}
	if err != nil {
		return id, false, fmt.Errorf("node.db: the node's identity cannot be read: wipe this node and let it join again, or restore its disk: %w", err)
	}
	return id, tx.Bucket(bucketLog).Get(keyCheckpoint) != nil, nil
}

// folderError explains why a folder cannot be used.
func folderError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: give this user (uid %d) the right to write in %s, or name another folder: %w", ErrUnwritable, os.Getuid(), dir, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a file is in the way, name another folder: %w", ErrForeign, err)
	case isFull(err):
		return fmt.Errorf("%w: free some space and start again: %w", ErrFull, err)
	}
	return err
}

func databaseError(dir string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("another program reads or writes node.db: end it and start again: %w", ErrLocked)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("node.db: %w: wipe this node and let it join again, or restore its disk: %w", err, ErrCorrupt)
	}
	return folderError(dir, err)
}
