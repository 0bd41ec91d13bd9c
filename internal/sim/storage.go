package sim

import (
	"io"

	"github.com/raftfleet/raftfleet/internal/store"
)

// storage is a node's store. It survives the process as it is; calls can fail, and
// the process can end between any two of them. What is saved as a snapshot passes
// the checks.
type storage struct {
	store.Store
	d *disk
}

// Members implements store.Store.
func (s *storage) Members() ([]store.MemberRecord, error) {
	if err := s.d.boundary(); err != nil {
		return nil, err
	}
	return s.Store.Members()
}

// PutMember implements store.Store.
func (s *storage) PutMember(k store.Key, record []byte) error {
	if err := s.d.boundary(); err != nil {
		return err
	}
	return s.Store.PutMember(k, record)
}

// DeleteMember implements store.Store.
func (s *storage) DeleteMember(k store.Key) error {
	if err := s.d.boundary(); err != nil {
		return err
	}
	return s.Store.DeleteMember(k)
}

// SnapshotInfo implements store.Store.
func (s *storage) SnapshotInfo(k store.Key) (store.Snapshot, bool, error) {
	if err := s.d.boundary(); err != nil {
		return store.Snapshot{}, false, err
	}
	return s.Store.SnapshotInfo(k)
}

// SaveCheckpoint implements store.Store.
func (s *storage) SaveCheckpoint(b []byte) error {
	if err := s.d.boundary(); err != nil {
		return err
	}
	return s.Store.SaveCheckpoint(b)
}

// OpenSnapshot implements store.Store.
func (s *storage) OpenSnapshot(k store.Key) (store.Snapshot, io.ReadCloser, error) {
	if err := s.d.boundary(); err != nil {
		return store.Snapshot{}, nil, err
	}
	return s.Store.OpenSnapshot(k)
}

// CreateSnapshot implements store.Store.
func (s *storage) CreateSnapshot(k store.Key) (store.SnapshotWriter, error) {
	if err := s.d.boundary(); err != nil {
		return nil, err
	}
	w, err := s.Store.CreateSnapshot(k)
	if err != nil {
		return nil, err
	}
	return &snapshotWriter{SnapshotWriter: w, s: s, key: k}, nil
}

type snapshotWriter struct {
	store.SnapshotWriter
	s    *storage
	key  store.Key
	body []byte
}

func (w *snapshotWriter) Write(b []byte) (int, error) {
	if err := w.s.d.boundary(); err != nil {
		return 0, err
	}
	w.body = append(w.body, b...)
	return w.SnapshotWriter.Write(b)
}

func (w *snapshotWriter) Commit(meta store.Snapshot) error {
	if err := w.s.d.boundary(); err != nil {
		w.SnapshotWriter.Abort()
		return err
	}
	err := w.SnapshotWriter.Commit(meta)
	if err == nil {
		w.s.d.n.w.snapshotSaved(w.s.d.n, w.key, meta, w.body)
	}
	return err
}
