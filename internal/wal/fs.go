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

// vectorFile is a File that writes many pieces with one call.
type vectorFile interface {
	// WriteVec writes the pieces one behind the other, from off on.
	WriteVec(pieces [][]byte, off int64) error
}

// pageBytes is the unit in which an operating system keeps what files hold.
const pageBytes = 4096

var padding [pageBytes]byte

// writePieces writes the pieces one behind the other, from off on, where nothing
// of use is behind them up to limit. On a file that is cached in pages the last
// page is filled with zeros: a page that is written whole need not be read first.
func writePieces(file File, pieces [][]byte, off, limit int64) error {
	if v, ok := file.(vectorFile); ok {
		end := off
		for _, p := range pieces {
			end += int64(len(p))
		}
		if pad := min((pageBytes-end%pageBytes)%pageBytes, limit-end); pad > 0 {
			pieces = append(pieces, padding[:pad])
		}
		return v.WriteVec(pieces, off)
	}
	for _, p := range pieces {
		if _, err := file.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}
