package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

const (
	chunkBytes    = 64 << 10 // of a snapshot
	maxRemoteText = 4 << 10  // of an error that travels
)

// stream is the sending end of one snapshot connection.
type stream struct {
	t         *Transport
	to        ident.NodeID
	conn      net.Conn
	frames    *patientReader
	writing   sync.Mutex
	results   chan result // of the stream under way
	dead      chan struct{}
	why       error // set before dead is closed
	idleSince time.Time
}

// result is what the other side's handler returned.
type result struct {
	status byte
	text   string
}

// Bits of the status of a result.
const (
	resultFailed byte = 1 // text says why
	resultEarly  byte = 2 // the stream was not read to its end: the connection ends with it
)

var chunks = sync.Pool{New: func() any { return new([frameHead + chunkBytes]byte) }}

// SendSnapshot streams body to a node's Handler.Snapshot and returns when that
// has returned: nil if it returned nil, a *RemoteError with its text if it
// failed. An error of body aborts the stream and is returned wrapped. Other
// errors match ErrNotSent or ErrLost and the cause, ctx's error included.
//
// It blocks as long as the receiver does not read. Up to four streams to a node
// run side by side, more wait their turn. When ctx ends the stream is cut off;
// a Read of body under way is waited for. The caller paces body if need be.
func (t *Transport) SendSnapshot(ctx context.Context, to ident.NodeID, header []byte, body io.Reader) error {
	if len(header) > t.cfg.MaxFrameBytes {
		return notSent(to, ErrTooLarge)
	}
	addr, ok := t.cfg.Resolve(to)
	if !ok {
		return notSent(to, ErrUnknownNode)
	}
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return notSent(to, ErrClosed)
	}
	pool := &t.peerLocked(to).streams
	t.wg.Add(1) // Close waits for the caller's goroutine too
	t.mu.Unlock()
	defer t.wg.Done()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(pool.ctx, func() {
		if errors.Is(context.Cause(pool.ctx), ErrForgotten) {
			cancel(ErrForgotten)
			return
		}
		cancel(ErrClosed)
	})()
	select {
	case pool.places <- struct{}{}:
		defer func() { <-pool.places }()
	case <-ctx.Done():
		return notSent(to, context.Cause(ctx))
	}
	s := pool.get(t.silence() / 2)
	if s == nil {
		conn, _, err := t.dial(ctx, addr, Snapshots, to, false)
		if err != nil {
			return notSent(to, err)
		}
		s = t.newStream(conn, to, pool)
	}
	whole, err := s.send(ctx, header, body)
	if whole {
		pool.put(s)
	} else {
		s.conn.Close()
	}
	return err
}

func (t *Transport) newStream(conn net.Conn, to ident.NodeID, pool *streamPool) *stream {
	s := &stream{
		t: t, to: to, conn: conn,
		frames:  &patientReader{conn: conn, silence: t.silence()},
		results: make(chan result, 1),
		dead:    make(chan struct{}),
	}
	t.wg.Go(func() { // the caller holds wg above zero
		unhook := context.AfterFunc(t.ctx, func() { conn.Close() })
		s.why = s.read()
		conn.Close()
		close(s.dead)
		unhook()
		pool.discard(s)
	})
	return s
}

func (s *stream) isDead() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// read takes signs of life and results until the connection ends, if only for
// being idle.
func (s *stream) read() error {
	frames := newFrameReader(s.frames, maxRemoteText+1)
	for {
		if err := frames.fill(); err != nil {
			return err
		}
		for {
			kind, payload, ok, err := frames.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			switch {
			case kind == kindPing && len(payload) == 0:
			case kind == kindResult && len(payload) > 0:
				select {
				case s.results <- result{status: payload[0], text: string(payload[1:])}:
				default:
					return fmt.Errorf("%w: a second result", ErrBadFrame)
				}
			default:
				return fmt.Errorf("%w: of kind %d on a %v connection", ErrBadFrame, kind, Snapshots)
			}
		}
	}
}

// send carries one snapshot. whole tells that the connection can carry another.
func (s *stream) send(ctx context.Context, header []byte, body io.Reader) (whole bool, err error) {
	unhook := context.AfterFunc(ctx, func() { s.conn.Close() })
	stopPings := s.keepAlive()
	whole, err = s.sendBody(header, body)
	stopPings()
	if !unhook() {
		whole = false
	}
	if errors.Is(err, errStreamDead) {
		<-s.dead
		cause := s.why
		if ctx.Err() != nil {
			cause = context.Cause(ctx)
		}
		err = lost(s.to, cause)
	}
	return whole, err
}

// errStreamDead stands for stream.why.
var errStreamDead = errors.New("stream is dead")

func (s *stream) sendBody(header []byte, body io.Reader) (whole bool, err error) {
	buf := chunks.Get().(*[frameHead + chunkBytes]byte)
	defer chunks.Put(buf)
	if err := s.write(appendFrame(nil, kindBegin, header)); err != nil {
		return s.await(false)
	}
	var total uint64
	for {
		n, readErr := fillFrom(body, buf[frameHead:])
		if n > 0 {
			total += uint64(n)
			frame := buf[:frameHead+n]
			binary.LittleEndian.PutUint32(frame, uint32(n))
			frame[8] = kindChunk
			sealFrame(frame)
			if err := s.write(frame); err != nil {
				return s.await(false)
			}
		}
		switch {
		case readErr == nil:
		case readErr == io.EOF:
			err := s.write(appendFrame(nil, kindEnd, binary.LittleEndian.AppendUint64(nil, total)))
			return s.await(err == nil)
		default:
			text := readErr.Error()
			s.write(appendFrame(nil, kindAbort, []byte(text[:min(len(text), maxRemoteText)])))
			return false, fmt.Errorf("wire: snapshot to node %s aborted: %w", s.to, readErr)
		}
		if len(s.results) > 0 { // the receiver wants no more
			return s.await(false)
		}
	}
}

// fillFrom reads until b is full or body ends. Unlike io.ReadFull it leaves the
// error as it is: a body that was itself cut short must not pass for whole.
func fillFrom(body io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = body.Read(b[n:])
		n += m
	}
	return n, err
}

// await waits for the receiver's result. all tells that the stream was sent to
// its end, so that the connection is good for another.
func (s *stream) await(all bool) (whole bool, err error) {
	var r result
	select {
	case r = <-s.results:
	case <-s.dead:
		select {
		case r = <-s.results: // it came before the end
			all = false
		default:
			return false, errStreamDead
		}
	}
	if r.status&resultFailed != 0 {
		err = &RemoteError{Node: s.to, Text: r.text}
	}
	return all && r.status&resultEarly == 0, err
}

// write fails only when the connection is at its end: a receiver that is slow
// but alive is waited for, one that is silent is noticed by read.
func (s *stream) write(frame []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.conn.Write(frame); err != nil {
		s.conn.Close()
		return err
	}
	return nil
}

func (s *stream) keepAlive() (stop func()) {
	return keepAlive(s.conn, &s.writing, s.t.cfg.KeepAlive)
}

// keepAlive sends signs of life until stop is called, which waits for the last.
// One is left out while something else is being written.
func keepAlive(conn net.Conn, writing *sync.Mutex, every time.Duration) (stop func()) {
	ping := appendFrame(nil, kindPing)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-done:
				return
			}
			if writing.TryLock() {
				conn.Write(ping) // a failure shows where the stream is used
				writing.Unlock()
			}
		}
	}()
	return func() { close(done); <-ended }
}
