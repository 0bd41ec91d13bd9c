package wal

import (
	"errors"
	"io"
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

// maxVector is how many pieces the kernel takes in one call.
const maxVector = 1024

// WriteVec implements vectorFile.
func (f osFile) WriteVec(pieces [][]byte, off int64) error {
	fd := int(f.Fd())
	for len(pieces) > 0 {
		n, err := unix.Pwritev(fd, pieces[:min(len(pieces), maxVector)], off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return &os.PathError{Op: "pwritev", Path: f.Name(), Err: err}
		}
		off += int64(n)
		for len(pieces) > 0 && n >= len(pieces[0]) {
			n -= len(pieces[0])
			pieces = pieces[1:]
		}
		if n > 0 {
			// The rest of a piece that was written in part, without changing the caller's list.
			pieces = append([][]byte{pieces[0][n:]}, pieces[1:]...)
		}
	}
	return nil
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
