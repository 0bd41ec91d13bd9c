package wal

import "io"

// FS is the file system that a log lives on. OSFS is the real one, MemFS lives
// in memory. All methods may be called from several goroutines.
type FS interface {
	// MkdirAll makes the folder and its parents, durably.
	MkdirAll(dir string) error
	// List returns the names of the files in dir, in no order.
	List(dir string) ([]string, error)
	// Create makes an empty file, or empties an existing one.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename moves a file, replacing what was there, atomically.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes creations, renames and removals in dir durable.
	SyncDir(dir string) error
}

// File is one open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes all that was written durable.
	Sync() error
	// Allocate grows the file to size with zeros, and makes sure that later
	// writes below size neither need space nor change the file's metadata.
	// It never shrinks the file and never changes bytes that are there.
	Allocate(size int64) error
	// Size is the length of the file in bytes.
	Size() (int64, error)
	Close() error
}
