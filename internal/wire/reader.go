package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	minChunk = 2 << 10
	maxChunk = 128 << 10
	minRead  = 512

	// growStep is how far a buffer may run ahead of what has arrived of a large
	// frame: a header alone must not make this node allocate the whole.
	growStep = maxChunk
)

// frameReader takes frames from a stream with few, large reads. Payloads alias
// the chunk they were read into; a chunk is never written again once a payload
// of it was handed out, so they are the receiver's to keep.
type frameReader struct {
	src   io.Reader
	most  int    // largest payload
	chunk []byte // its length is what has been read, its capacity what can be
	pos   int    // up to here frames were handed out
	lent  bool   // a payload of this chunk was handed out
	size  int    // of the next chunk: follows the rate of the stream
	reuse bool   // payloads are consumed before the next fill: write chunks again
}

func newFrameReader(src io.Reader, most int) *frameReader {
	return &frameReader{src: src, most: most, size: minChunk}
}

// fill reads once, for next to look at. It returns io.EOF only between frames.
func (r *frameReader) fill() error {
	r.makeRoom()
	n, err := r.src.Read(r.chunk[len(r.chunk):cap(r.chunk)])
	r.chunk = r.chunk[:len(r.chunk)+n]
	if n > 0 {
		if len(r.chunk) == cap(r.chunk) && r.size < maxChunk {
			r.size *= 2
		}
		return nil // an error, if any, comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	if err == io.EOF && len(r.chunk) > r.pos {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// makeRoom sees to it that the chunk can take more of the frame that is coming.
func (r *frameReader) makeRoom() {
	pending := r.chunk[r.pos:]
	if len(pending) == 0 && !r.lent && cap(r.chunk) == r.size {
		r.chunk, r.pos = r.chunk[:0], 0
		return
	}
	need := frameHead
	if len(pending) >= frameHead {
		need = frameSize(pending)
		if need-len(pending) <= cap(r.chunk)-len(r.chunk) {
			return
		}
	} else if cap(r.chunk)-len(r.chunk) >= minRead {
		return
	}
	if r.reuse && need <= cap(r.chunk) && r.size <= cap(r.chunk) {
		n := copy(r.chunk[:cap(r.chunk)], pending)
		r.chunk, r.pos = r.chunk[:n], 0
		return
	}
	size := max(r.size, min(need, 2*len(pending)+growStep))
	fresh := make([]byte, len(pending), size)
	copy(fresh, pending)
	r.chunk, r.pos, r.lent = fresh, 0, false
}

// next gives the next frame that is wholly there; ok is false when another fill
// is needed. The error, if any, matches ErrBadFrame.
func (r *frameReader) next() (kind byte, payload []byte, ok bool, err error) {
	b := r.chunk[r.pos:]
	if len(b) < frameHead {
		return 0, nil, false, nil
	}
	if n := binary.LittleEndian.Uint32(b); uint64(n) > uint64(r.most) {
		return 0, nil, false, fmt.Errorf("%w: of %d bytes, the limit is %d", ErrBadFrame, n, r.most)
	}
	n := frameSize(b)
	if len(b) < n {
		return 0, nil, false, nil
	}
	if frameSum(b[:n]) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, nil, false, fmt.Errorf("%w: checksum does not match", ErrBadFrame)
	}
	r.pos += n
	r.lent = r.lent || n > frameHead && !r.reuse
	return b[8], b[frameHead:n:n], true, nil
}

// calm gives memory back; it is called when the stream has nothing but signs of
// life to say.
func (r *frameReader) calm() {
	r.size = minChunk
	if r.pos == len(r.chunk) && cap(r.chunk) != minChunk {
		r.chunk, r.pos, r.lent = nil, 0, false
	}
}

// patientReader reads a connection and gives it up when nothing comes for
// longer than silence. The deadline is set anew only now and then: that costs
// more than a look at the clock.
type patientReader struct {
	conn    net.Conn
	silence time.Duration
	until   time.Time
}

// renew makes the time of silence begin now, also for a Read under way.
func (p *patientReader) renew() error {
	return p.conn.SetReadDeadline(time.Now().Add(p.silence))
}

func (p *patientReader) Read(b []byte) (int, error) {
	now := time.Now()
	if p.until.Sub(now) < p.silence-p.silence/8 {
		p.until = now.Add(p.silence)
		if err := p.conn.SetReadDeadline(p.until); err != nil {
			return 0, err
		}
	}
	n, err := p.conn.Read(b)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: for %v", ErrSilent, p.silence)
	}
	return n, err
}
