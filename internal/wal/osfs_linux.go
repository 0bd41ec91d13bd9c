package wal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync leaves out metadata that reading back does not need.
func (f osFile) datasync() error {
	for {
		// A signal before anything was done is not a failure of the disk.
		switch err := unix.Fdatasync(int(f.Fd())); err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// reserve takes the space from the file system now, so that a full disk shows
// here and not in the middle of a write.
func (f osFile) reserve(from, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, from, n)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil // the zeros that follow take the space
		}
		return err
	}
}
