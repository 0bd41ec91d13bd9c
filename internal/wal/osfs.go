package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// OSFS is the file system of the operating system. The zero value is ready.
type OSFS struct{}

// MkdirAll implements FS.
func (OSFS) MkdirAll(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

// List implements FS.
func (OSFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Create implements FS.
func (OSFS) Create(name string) (File, error) {
	return openOS(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// Open implements FS.
func (OSFS) Open(name string) (File, error) { return openOS(name, os.O_RDWR) }

// Rename implements FS.
func (OSFS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OSFS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS.
func (OSFS) SyncDir(dir string) error { return syncDir(dir) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readOnlyFS opens files for reading alone, for inspection by whoever may only read.
type readOnlyFS struct{ OSFS }

func (readOnlyFS) Open(name string) (File, error) { return openOS(name, os.O_RDONLY) }

type osFile struct{ *os.File }

func openOS(name string, flags int) (File, error) {
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

const (
	zeroChunk = 1 << 20
	// zeroSync bounds the dirty pages that zeroing leaves in the cache, so that the
	// writer's own sync does not queue behind a whole segment of them.
	zeroSync = 8 << 20
)

var zeros [zeroChunk]byte

// Sync implements File.
func (f osFile) Sync() error { return f.datasync() }

// Allocate implements File. Zeros are really written: writing over them later
// changes no metadata, so a sync has only the data to wait for.
func (f osFile) Allocate(size int64) error {
	have, err := f.Size()
	if err != nil || have >= size {
		return err
	}
	if err := f.reserve(have, size-have); err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size-have, err)
	}
	for at, dirty := have, int64(0); at < size; {
		n := min(size-at, zeroChunk)
		if _, err := f.WriteAt(zeros[:n], at); err != nil {
			return fmt.Errorf("write zeros: %w", err)
		}
		at += n
		if dirty += n; dirty >= zeroSync {
			if err := f.Sync(); err != nil {
				return err
			}
			dirty = 0
		}
	}
	return f.File.Sync()
}
