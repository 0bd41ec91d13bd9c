package wire

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
)

// caller is the end of an accepted calls connection: requests come in, answers
// go out through an outbox of its own.
type caller struct {
	t    *Transport
	conn net.Conn
	out  outbox
	held atomic.Int64 // bytes of requests that are not answered yet
	sent atomic.Uint64
}

// request is one call that the handler has not answered yet.
type request struct {
	from *caller
	id   uint64
	size int64
	done atomic.Bool
}

// receiveCalls hands requests over until the connection ends.
func (t *Transport) receiveCalls(conn net.Conn, h hello) error {
	c := &caller{t: t, conn: conn}
	c.out.init(t.cfg.MaxQueuedBytes, t.cfg.MaxFrameBytes, ErrOverloaded, ErrTooLarge)
	stop := make(chan error, 1)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		w := boxWriter{box: &c.out, conn: conn, timeout: t.silence(), bytes: &c.sent}
		if w.run(t.cfg.KeepAlive, false, stop) != nil {
			conn.Close() // the reader must notice
		}
	}()
	err := c.read(h)
	conn.Close()
	stop <- err
	<-wrote
	c.out.mu.Lock()
	c.out.down = ErrClosed
	c.out.drop()
	c.out.mu.Unlock()
	return err
}

func (c *caller) read(h hello) error {
	frames := newFrameReader(&patientReader{conn: c.conn, silence: c.t.silence()}, c.t.largestFrame())
	for {
		if err := frames.fill(); err != nil {
			return err
		}
		calm := true
		for {
			kind, payload, ok, err := frames.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			switch {
			case kind == kindRequests:
				calm = false
				for len(payload) > 0 {
					var id uint64
					var body []byte
					if id, body, payload, ok = nextRequest(payload); !ok {
						return fmt.Errorf("%w: requests are cut short", ErrBadFrame)
					}
					if id != 0 {
						c.request(h, id, body)
					}
				}
			case kind == kindPing && len(payload) == 0:
				c.out.setPong()
			default:
				return fmt.Errorf("%w: of kind %d on a %v connection", ErrBadFrame, kind, h.class)
			}
		}
		if calm {
			frames.calm()
		}
	}
}

// request hands one request to the handler, unless its caller has too many
// under way.
func (c *caller) request(h hello, id uint64, body []byte) {
	size := int64(len(body) + callBytes)
	if held := c.held.Add(size); held > int64(c.t.cfg.MaxQueuedBytes) && held > size {
		c.held.Add(-size)
		c.send(id, answerOverloaded, nil)
		return
	}
	r := &request{from: c, id: id, size: size}
	c.t.cfg.Handler.Request(h.node, body, r.answer)
}

// answer is the reply function that the handler is given.
func (r *request) answer(body []byte) {
	if r.done.Swap(true) {
		return
	}
	r.from.held.Add(-r.size)
	if len(body) > r.from.t.cfg.MaxFrameBytes {
		r.from.send(r.id, answerTooLarge, nil)
		return
	}
	r.from.send(r.id, answerOK, body)
}

// send queues an answer. A caller who does not fetch its answers loses the
// connection: it then knows that they are lost.
func (c *caller) send(id uint64, status byte, body []byte) {
	var head [answerHead]byte
	binary.LittleEndian.PutUint64(head[:], id)
	head[8] = status
	binary.LittleEndian.PutUint32(head[9:], uint32(len(body)))
	c.out.mu.Lock()
	_, err := c.out.addRecord(kindAnswers, head[:], body)
	c.out.mu.Unlock()
	if err != nil {
		c.conn.Close()
	}
}
