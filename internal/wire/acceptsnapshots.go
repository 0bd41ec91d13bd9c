package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// snapshotBody is what Handler.Snapshot reads one stream from.
type snapshotBody struct {
	from   ident.NodeID
	frames *frameReader
	rest   []byte // of the chunk under way
	total  uint64
	err    error // sticky; io.EOF at the true end
	broken bool  // the connection is of no more use
}

// receiveSnapshots hands streams over, one after another, until the connection
// ends.
func (t *Transport) receiveSnapshots(conn net.Conn, h hello) error {
	patient := &patientReader{conn: conn, silence: t.silence()}
	frames := newFrameReader(patient, max(t.cfg.MaxFrameBytes, chunkBytes))
	frames.reuse = true
	for {
		kind, header, err := nextOf(frames)
		if err != nil {
			return err
		}
		if kind != kindBegin {
			return fmt.Errorf("%w: of kind %d before a snapshot begins", ErrBadFrame, kind)
		}
		header = bytes.Clone(header)
		body := &snapshotBody{from: h.node, frames: frames}

		var writing sync.Mutex
		stopPings := keepAlive(conn, &writing, t.cfg.KeepAlive)
		err = t.cfg.Handler.Snapshot(h.node, header, body)
		stopPings()
		if body.broken {
			return body.err
		}
		payload := []byte{0}
		if err != nil {
			text := err.Error()
			payload = append([]byte{resultFailed}, text[:min(len(text), maxRemoteText)]...)
		}
		if body.err != io.EOF {
			payload[0] |= resultEarly
		}
		if err := conn.SetWriteDeadline(time.Now().Add(t.silence())); err != nil {
			return err
		}
		if _, err := conn.Write(appendFrame(nil, kindResult, payload)); err != nil {
			return err
		}
		if err := conn.SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
		if body.err != io.EOF {
			return drain(conn, t.silence())
		}
		if err := patient.renew(); err != nil {
			return err
		}
	}
}

// drain reads on, for a while, until the sender has seen the result and closed:
// closing with bytes unread could take the result back on its way.
func drain(conn net.Conn, within time.Duration) error {
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

// nextOf waits for the next frame that is no sign of life.
func nextOf(frames *frameReader) (kind byte, payload []byte, err error) {
	for {
		kind, payload, ok, err := frames.next()
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			if err := frames.fill(); err != nil {
				return 0, nil, err
			}
			continue
		}
		if kind != kindPing {
			return kind, payload, nil
		}
	}
}

// Read gives the bytes of the stream, and io.EOF only after all of them.
func (b *snapshotBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 {
		if b.err == nil {
			b.err = b.advance()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// WriteTo spares io.Copy a buffer of its own.
func (b *snapshotBody) WriteTo(w io.Writer) (int64, error) {
	var sum int64
	for {
		for len(b.rest) > 0 {
			n, err := w.Write(b.rest)
			sum += int64(n)
			b.rest = b.rest[n:]
			if err != nil {
				return sum, err
			}
		}
		if b.err == nil {
			b.err = b.advance()
		}
		if b.err == io.EOF {
			return sum, nil
		}
		if b.err != nil {
			return sum, b.err
		}
	}
}

// advance takes the next frame of the stream.
func (b *snapshotBody) advance() error {
	kind, payload, err := nextOf(b.frames)
	if err != nil {
		b.broken = true
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("connection lost")
		}
		return b.fail(err)
	}
	switch {
	case kind == kindChunk:
		b.rest = payload
		b.total += uint64(len(payload))
		return nil
	case kind == kindEnd && len(payload) == 8:
		if want := binary.LittleEndian.Uint64(payload); want != b.total {
			b.broken = true
			return b.fail(fmt.Errorf("%w: %d bytes came of %d", ErrBadFrame, b.total, want))
		}
		return io.EOF
	case kind == kindAbort:
		b.broken = true // the sender closes after it
		return b.fail(fmt.Errorf("aborted by its sender: %q", payload))
	}
	b.broken = true
	return b.fail(fmt.Errorf("%w: of kind %d within a snapshot", ErrBadFrame, kind))
}

func (b *snapshotBody) fail(cause error) error {
	return fmt.Errorf("wire: snapshot from node %s: %w: %w", b.from, io.ErrUnexpectedEOF, cause)
}
