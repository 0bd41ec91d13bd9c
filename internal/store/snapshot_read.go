package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"go.etcd.io/bbolt"
)

func (d *disk) SnapshotInfo(k Key) (Snapshot, bool, error) {
	h, _, err := d.snapshot(k, false)
	if errors.Is(err, ErrNotFound) {
		return Snapshot{}, false, nil
	}
	if err != nil {
		return Snapshot{}, false, fmt.Errorf("store: the snapshot of %s: %w", k, err)
	}
	return h.Snapshot, true, nil
}

func (d *disk) OpenSnapshot(k Key) (Snapshot, io.ReadCloser, error) {
	h, body, err := d.openSnapshot(k)
	if err != nil {
		return Snapshot{}, nil, fmt.Errorf("store: open the snapshot of %s: %w", k, err)
	}
	return h.Snapshot, body, nil
}

func (d *disk) openSnapshot(k Key) (header, *bodyReader, error) {
	h, body, err := d.snapshot(k, true)
	for {
		if err != nil {
			return h, nil, err
		}
		if h.nonce == 0 {
			return h, newBodyReader(&h, bytes.NewReader(body), nil), nil
		}
		f, fileErr := os.Open(d.bodyPath(&h))
		if fileErr == nil {
			return d.checkFile(h, f)
		}
		if !errors.Is(fileErr, os.ErrNotExist) {
			return h, nil, fileErr
		}
		// A newer one may have come since the record was read. If not, it is lost.
		again, againBody, againErr := d.snapshot(k, true)
		if againErr == nil && again.nonce == h.nonce {
			return h, nil, fmt.Errorf("%s is missing: remove this member so that it is made anew from the others: %w", d.bodyPath(&h), ErrCorrupt)
		}
		h, body, err = again, againBody, againErr
	}
}

// checkFile compares what a snapshot file says of itself with its record.
func (d *disk) checkFile(h header, f *os.File) (header, *bodyReader, error) {
	info, err := f.Stat()
	area := make([]byte, headerArea)
	if err == nil {
		_, err = io.ReadFull(f, area)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%s is cut short: %w", f.Name(), ErrCorrupt)
	}
	if err == nil {
		var own header
		own, _, err = decodeHeader(area)
		switch {
		case err != nil:
			err = fmt.Errorf("%s: %w", f.Name(), err)
		case !own.equal(&h):
			err = fmt.Errorf("%s is not the file that node.db tells of: %w", f.Name(), ErrCorrupt)
		case info.Size() != headerArea+h.Size:
			err = fmt.Errorf("%s has a body of %d bytes instead of %d: %w", f.Name(), info.Size()-headerArea, h.Size, ErrCorrupt)
		}
	}
	if err != nil {
		f.Close()
		return h, nil, err
	}
	return h, newBodyReader(&h, f, f), nil
}

// snapshot reads a member's snapshot record, and a small body if wanted.
func (d *disk) snapshot(k Key, withBody bool) (h header, body []byte, err error) {
	err = d.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketSnapshots).Get(appendKey(nil, k))
		if b == nil {
			return ErrNotFound
		}
		var n int
		h, n, err = decodeHeader(b)
		if err != nil {
			return err
		}
		if h.Key != k {
			return fmt.Errorf("the record is of %s: %w", h.Key, ErrCorrupt)
		}
		if h.nonce == 0 && int64(len(b)-n) != h.Size {
			return fmt.Errorf("a body of %d bytes instead of %d: %w", len(b)-n, h.Size, ErrCorrupt)
		}
		if withBody && h.nonce == 0 {
			body = bytes.Clone(b[n:])
		}
		return nil
	})
	return h, body, err
}

// bodyReader checks a body while it is read. It keeps the last part back until
// the whole is known to be right, for a reader that knows the size may never ask
// for the end.
type bodyReader struct {
	src    io.Reader
	closer io.Closer
	what   string
	left   int64
	crc    uint32
	want   uint32
	err    error
}

func newBodyReader(h *header, src io.Reader, closer io.Closer) *bodyReader {
	r := &bodyReader{
		src: src, closer: closer, left: h.Size, want: h.CRC,
		what: fmt.Sprintf("store: the snapshot of %s at index %d", h.Key, h.Index),
	}
	r.finish()
	return r
}

// finish settles the outcome once the whole body was read.
func (r *bodyReader) finish() {
	if r.left > 0 || r.err != nil {
		return
	}
	r.err = io.EOF
	if r.crc != r.want {
		r.err = fmt.Errorf("%s fails its checksum: remove this member so that it is made anew from the others: %w", r.what, ErrCorrupt)
	}
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.src.Read(p)
	r.crc = crc32.Update(r.crc, castagnoli, p[:n])
	r.left -= int64(n)
	r.finish()
	switch {
	case r.err == io.EOF:
		return n, nil
	case r.err != nil:
		return 0, r.err
	case err == io.EOF:
		r.err = fmt.Errorf("%s ends %d bytes early: %w", r.what, r.left, ErrCorrupt)
		return 0, r.err
	case err != nil:
		r.err = fmt.Errorf("%s: %w", r.what, err)
		return n, r.err
	}
	return n, nil
}

func (r *bodyReader) Close() error {
	r.err = os.ErrClosed
	if r.closer == nil {
		return nil
	}
	closer := r.closer
	r.closer = nil
	return closer.Close()
}
