package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The buckets of node.db.
var (
	bucketNode      = []byte("node") // format, identity
	bucketMembers   = []byte("members")
	bucketSnapshots = []byte("snapshots")
	bucketValues    = []byte("values")
	bucketLog       = []byte("log") // checkpoint

	buckets = [][]byte{bucketNode, bucketMembers, bucketSnapshots, bucketValues, bucketLog}

	keyFormat     = []byte("format")
	keyIdentity   = []byte("identity")
	keyCheckpoint = []byte("checkpoint")
)

// disk is the Store in a folder.
type disk struct {
	dir  string
	log  *slog.Logger
	lock *lockFile
	db   *bbolt.DB

	commits *committer

	identityMu sync.Mutex // one change of identity at a time
	identity   atomic.Pointer[Identity]

	closeOnce sync.Once
	closeErr  error

	// at is called between the steps of a commit; tests look at the folder there.
	at func(step string)
}

func (d *disk) step(name string) {
	if d.at != nil {
		d.at(name)
	}
}

func (d *disk) Identity() Identity { return *d.identity.Load() }

func (d *disk) SetIdentity(id Identity) error {
	d.identityMu.Lock()
	defer d.identityMu.Unlock()
	have := d.Identity()
	if err := checkIdentity(have, id); err != nil {
		return fmt.Errorf("store: set the identity: %w", err)
	}
	if id == have {
		return nil
	}
	err := d.put(bucketNode, keyIdentity, encodeIdentity(id))
	if err != nil {
		return fmt.Errorf("store: set the identity: %w", err)
	}
	d.identity.Store(&id)
	return nil
}

func (d *disk) Members() ([]MemberRecord, error) {
	var all []MemberRecord
	err := d.view(func(tx *bbolt.Tx) error {
		all = nil
		return tx.Bucket(bucketMembers).ForEach(func(key, sealed []byte) error {
			k, err := decodeKey(key)
			if err != nil {
				return err
			}
			r := MemberRecord{Key: k}
			record, err := unseal(bucketMembers, key, sealed)
			if err == nil && len(record) < keyBytes {
				err = ErrCorrupt
			}
			if err != nil {
				r.Key = trueKey(k, sealed)
				r.Err = fmt.Errorf("store: the record of %s: %w", r.Key, err)
			} else {
				r.Record = append([]byte{}, record[keyBytes:]...)
			}
			all = append(all, r)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("store: list the members: %w", err)
	}
	return all, nil
}

func (d *disk) PutMember(k Key, record []byte) error {
	err := checkRecord(k, record)
	if err == nil {
		key := appendKey(nil, k)
		err = d.put(bucketMembers, key, append(key[:keyBytes:keyBytes], record...))
	}
	if err != nil {
		return fmt.Errorf("store: put %s: %w", k, err)
	}
	return nil
}

func (d *disk) DeleteMember(k Key) error {
	if err := checkKey(k); err != nil {
		return fmt.Errorf("store: delete %s: %w", k, err)
	}
	key := appendKey(nil, k)
	var old header
	err := d.commits.do(0, func(tx *bbolt.Tx) error {
		old = header{}
		if b := tx.Bucket(bucketSnapshots).Get(key); b != nil {
			// A damaged record hides its file's name; the next Open removes that file.
			old, _, _ = decodeHeader(b)
		}
		if err := tx.Bucket(bucketSnapshots).Delete(key); err != nil {
			return err
		}
		return tx.Bucket(bucketMembers).Delete(key)
	})
	if err != nil {
		return fmt.Errorf("store: delete %s: %w", k, err)
	}
	d.removeBody(&old)
	return nil
}

func (d *disk) Get(key string) ([]byte, error) {
	if err := checkValue(key, nil); err != nil {
		return nil, fmt.Errorf("store: get: %w", err)
	}
	v, err := d.get(bucketValues, []byte(key))
	if err != nil {
		return nil, fmt.Errorf("store: get %q: %w", key, err)
	}
	return v, nil
}

func (d *disk) Put(key string, value []byte) error {
	err := checkValue(key, value)
	switch {
	case err != nil:
	case value == nil:
		err = d.commits.do(0, func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketValues).Delete([]byte(key))
		})
	default:
		err = d.put(bucketValues, []byte(key), value)
	}
	if err != nil {
		return fmt.Errorf("store: put %q: %w", key, err)
	}
	return nil
}

func (d *disk) LoadCheckpoint() ([]byte, error) {
	v, err := d.get(bucketLog, keyCheckpoint)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: load the log's checkpoint: %w", err)
	}
	return v, nil
}

func (d *disk) SaveCheckpoint(b []byte) error {
	err := checkSize("checkpoint", len(b), MaxCheckpointBytes)
	if err == nil {
		err = d.put(bucketLog, keyCheckpoint, b)
	}
	if err != nil {
		return fmt.Errorf("store: save the log's checkpoint: %w", err)
	}
	return nil
}

func (d *disk) Close() error {
	d.closeOnce.Do(func() {
		sound := d.commits.close()
		if sound {
			d.closeErr = d.db.Close()
		}
		// A transaction that panicked may have kept bbolt's own locks: its file is
		// then left to the end of the process.
		if err := d.lock.release(); d.closeErr == nil {
			d.closeErr = err
		}
		if d.closeErr != nil {
			d.closeErr = fmt.Errorf("store: close %s: %w", d.dir, d.closeErr)
		}
	})
	return d.closeErr
}

// put writes one sealed value.
func (d *disk) put(bucket, key, value []byte) error {
	sealed := seal(bucket, key, value)
	return d.commits.do(len(sealed), func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).Put(key, sealed)
	})
}

// get returns a copy of one sealed value.
func (d *disk) get(bucket, key []byte) (value []byte, err error) {
	err = d.view(func(tx *bbolt.Tx) error {
		sealed := tx.Bucket(bucket).Get(key)
		if sealed == nil {
			return ErrNotFound
		}
		v, err := unseal(bucket, key, sealed)
		value = append([]byte{}, v...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// view runs a read transaction. They are all short: a long one would keep bbolt
// from using pages again.
func (d *disk) view(fn func(*bbolt.Tx) error) (err error) {
	return guard(func() error { return translate(d.db.View(fn)) })
}

// guard turns a panic over a damaged page, and a fault of the memory that maps
// it, into ErrCorrupt.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("node.db: %v: wipe this node and let it join again, or restore its disk: %w", p, ErrCorrupt)
		}
	}()
	return fn()
}

func translate(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// isFull says whether err means that there is no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// isFullWrite says whether err is a write that found no room. The same errno
// from a sync is another matter: data that was taken may be lost.
func isFullWrite(err error) bool {
	var path *fs.PathError
	return isFull(err) && errors.As(err, &path) && path.Op != "sync"
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

var _ Store = (*disk)(nil)
