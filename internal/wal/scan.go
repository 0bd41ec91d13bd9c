package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// window reads a file through a sliding buffer.
type window struct {
	file io.ReaderAt
	size int64
	at   int64 // offset of buf[0] in the file
	buf  []byte
}

const windowBytes = 1 << 20

// view returns the n bytes at off, valid until the next call. The caller keeps
// off+n within the size.
func (w *window) view(off int64, n int) ([]byte, error) {
	if off >= w.at && off+int64(n) <= w.at+int64(len(w.buf)) {
		return w.buf[off-w.at:][:n], nil
	}
	want := int(min(int64(max(n, windowBytes)), w.size-off))
	if want < n {
		return nil, io.ErrUnexpectedEOF
	}
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.buf = w.buf[:want]
	w.at = off
	if _, err := w.file.ReadAt(w.buf, off); err != nil && !errors.Is(err, io.EOF) {
		w.buf = w.buf[:0]
		return nil, err
	}
	return w.buf[:n], nil
}

// scanner walks the frames of one segment.
type scanner struct {
	window
	generation uint64
	off        int64  // of the next frame
	round      uint64 // of the last sound frame, 0 before the first
	start      uint32 // of that round
	sealed     bool
	bad        string // why the walk ended before a seal
	cut        bool   // no crash leaves what stands at off
}

// next returns the records of the next sound frame, and false at the end: then
// either sealed is set or bad says what stands at off instead of a frame.
func (s *scanner) next() (f frame, records []byte, ok bool, err error) {
	if s.off+frameBytes > s.size {
		s.bad = "segment ends without a seal"
		return f, nil, false, nil
	}
	b, err := s.view(s.off, frameBytes)
	if err != nil {
		return f, nil, false, err
	}
	if f, ok = decodeFrame(b, s.generation); !ok {
		s.bad = "no frame with a right checksum"
		return f, nil, false, nil
	}
	// Frames of writes that a crash tore may lie behind the end, sound but void.
	if f.round < s.round || f.round == s.round && f.start != s.start || f.round > s.round && int64(f.start) != s.off {
		s.bad = "frame of an older write"
		return f, nil, false, nil
	}
	size := int64(frameBytes) + int64(f.payload)
	if s.off+size > s.size {
		// The space was there, durably, before the frame was written.
		s.bad, s.cut = "frame is longer than what is left of the file", true
		return f, nil, false, nil
	}
	if b, err = s.view(s.off, int(size)); err != nil {
		return f, nil, false, err
	}
	records = b[frameBytes:]
	if !soundRecords(records, f.sum) {
		s.bad = "record with a wrong checksum"
		return f, nil, false, nil
	}
	s.round, s.start = f.round, f.start
	if f.seal {
		s.off += size
		s.sealed = true
		return f, nil, false, nil
	}
	s.off += size
	return f, records, true, nil
}

// soundRecords checks the sum of each record, that these are the frame's, and
// that there are zeros between them.
func soundRecords(b []byte, sum uint32) bool {
	got := uint32(0)
	for len(b) > 0 {
		body, size, ok := item(b)
		if !ok || !soundItem(b, body) {
			return false
		}
		for _, c := range b[itemHeader+len(body) : size] {
			if c != 0 {
				return false
			}
		}
		got = crc32.Update(got, castagnoli, b[:itemHeader])
		b = b[size:]
	}
	return got == sum
}

// remains looks behind the end of the walk, up to limit, for frames of this
// generation. It returns the highest round among them and, when one belongs to a
// round that began behind the end, its offset: that round was written after what
// stood at the end had been synced, so the end is not where a write was torn.
func (s *scanner) remains(limit int64) (highest uint64, later int64, err error) {
	var pattern [8]byte
	binary.LittleEndian.PutUint64(pattern[:], s.generation)
	const at = 16 // offset of the generation in a frame
	for off := s.off; off+frameBytes <= limit; {
		n := int(min(windowBytes, limit-off))
		b, err := s.view(off, n)
		if err != nil {
			return 0, 0, err
		}
		for i := 0; ; {
			hit := bytes.Index(b[i:], pattern[:])
			if hit < 0 {
				break
			}
			i += hit
			if begin := i - at; begin >= 0 && (off+int64(begin))%8 == 0 && begin+frameBytes <= n {
				if f, ok := decodeFrame(b[begin:], s.generation); ok {
					highest = max(highest, f.round)
					if f.round >= s.round && int64(f.start) > s.off && (later == 0) {
						later = off + int64(begin)
					}
				}
			}
			i++
		}
		if off+int64(n) == limit {
			break
		}
		off += int64(n) - frameBytes // a frame may lie across two windows; both ends are aligned
	}
	return highest, later, nil
}

// scanSegment opens the walk over the frames of an open file, with a buffer that
// may be nil. A logID of 0 takes the segment of any log.
func scanSegment(dir string, file File, number, logID uint64, buf []byte) (*scanner, error) {
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("wal: size of segment %s: %w", segmentName(number), err)
	}
	s := &scanner{window: window{file: file, size: size, buf: buf[:0]}, off: dataStart}
	b, err := s.view(0, int(min(size, segmentHeader)))
	if err != nil {
		return nil, fmt.Errorf("wal: read header of segment %s: %w", segmentName(number), err)
	}
	h, reason, err := decodeHeader(b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w (%s/%s)", err, dir, segmentName(number))
	case reason != "":
	case h.number != number:
		reason = fmt.Sprintf("header says it is segment %d", h.number)
	case logID != 0 && h.logID != logID:
		reason = fmt.Sprintf("belongs to another log (%016x, this is %016x)", h.logID, logID)
	case size < dataStart+frameBytes || size > 1<<32 || uint64(size) < h.bytes:
		reason = fmt.Sprintf("has a size of %d bytes, its header says %d", size, h.bytes)
	}
	if reason != "" {
		return nil, corrupt(dir, number, -1, "%s", reason)
	}
	s.generation = h.generation
	return s, nil
}
