package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

type inboundKey struct {
	node  ident.NodeID
	class Class
}

// acceptAll takes connections until the listener is closed.
func (t *Transport) acceptAll() {
	var pauses backoff
	for {
		conn, err := t.cfg.Listener.Accept()
		if err != nil {
			if t.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, for example: others may be given back.
			t.cfg.Logger.Warn("cannot accept connections", "reason", err)
			timer := time.NewTimer(pauses.next())
			select {
			case <-timer.C:
			case <-t.ctx.Done():
				timer.Stop()
				return
			}
			continue
		}
		pauses.reset()
		select {
		case t.shaking <- struct{}{}:
		default:
			conn.Close() // too many strangers at once: their dialler tries again
			continue
		}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			conn.Close()
			return
		}
		if len(t.conns) >= maxAccepted {
			t.mu.Unlock()
			conn.Close()
			<-t.shaking
			continue
		}
		t.conns[conn] = struct{}{}
		t.wg.Go(func() { t.receive(conn) })
		t.mu.Unlock()
	}
}

// receive serves one accepted connection from its handshake to its end.
func (t *Transport) receive(raw net.Conn) {
	defer func() {
		raw.Close()
		t.mu.Lock()
		delete(t.conns, raw)
		t.mu.Unlock()
	}()
	conn := raw
	if t.cfg.TLS != nil {
		conn = tls.Server(raw, serverTLS(t.cfg.TLS))
	}
	h, _, err := t.answer(conn)
	<-t.shaking
	if err != nil {
		t.tellRefusal(raw, h, err)
		return
	}
	if !h.oneOff {
		if !t.replaceOlder(h, raw) {
			return
		}
		defer t.leaveInbound(h, raw)
	}
	switch h.class {
	case Consensus:
		err = t.receiveMessages(conn, h)
	case Calls:
		err = t.receiveCalls(conn, h)
	case Snapshots:
		err = t.receiveSnapshots(conn, h)
	}
	if t.ctx.Err() == nil {
		t.cfg.Logger.Debug("connection of another node ended", "peer", h.node, "class", h.class, "reason", err)
	}
}

// replaceOlder makes a connection the one of its node and class, and closes the
// one before: its dialler has given it up, or will not notice otherwise.
func (t *Transport) replaceOlder(h hello, conn net.Conn) bool {
	if h.class == Snapshots {
		return true // several are in use side by side
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	key := inboundKey{h.node, h.class}
	if old, ok := t.inbound[key]; ok {
		old.Close()
	}
	t.inbound[key] = conn
	return true
}

func (t *Transport) leaveInbound(h hello, conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := inboundKey{h.node, h.class}
	if t.inbound[key] == conn {
		delete(t.inbound, key)
	}
}

// receiveMessages hands consensus messages over until the connection ends.
func (t *Transport) receiveMessages(conn net.Conn, h hello) error {
	frames := newFrameReader(&patientReader{conn: conn, silence: t.silence()}, t.largestFrame())
	pong := appendFrame(nil, kindPong)
	var slab [][]byte // slices are handed over: cut from a larger piece
	for {
		if err := frames.fill(); err != nil {
			return err
		}
		msgs := slab[:0]
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
			case kind == kindMessages:
				calm = false
				for len(payload) > 0 {
					var msg []byte
					if msg, payload, ok = nextMessage(payload); !ok {
						return fmt.Errorf("%w: messages are cut short", ErrBadFrame)
					}
					msgs = append(msgs, msg)
				}
			case kind == kindHeartbeat:
				t.cfg.Handler.Heartbeat(h.node, h.boot, payload)
			case kind == kindPing && len(payload) == 0:
				if err := conn.SetWriteDeadline(time.Now().Add(t.silence())); err != nil {
					return err
				}
				if _, err := conn.Write(pong); err != nil {
					return err
				}
			default:
				return fmt.Errorf("%w: of kind %d on a %v connection", ErrBadFrame, kind, h.class)
			}
		}
		if len(msgs) > 0 {
			slab = msgs[len(msgs):]
			t.cfg.Handler.Messages(h.node, h.boot, msgs[:len(msgs):len(msgs)])
		}
		if calm {
			frames.calm()
			slab = nil
		} else if cap(slab) == 0 {
			slab = make([][]byte, 0, slabMessages)
		}
	}
}

// slabMessages is how many messages' slices are allocated at once.
const slabMessages = 64

// tellRefusal logs why a connection was not taken, but not each time.
func (t *Transport) tellRefusal(conn net.Conn, h hello, err error) {
	if t.ctx.Err() != nil {
		return
	}
	host := conn.RemoteAddr().String()
	if a, _, err := net.SplitHostPort(host); err == nil {
		host = a
	}
	t.mu.Lock()
	tell := t.refused.worth(host, h.node, time.Now())
	t.mu.Unlock()
	if !tell {
		return
	}
	if errors.Is(err, ErrRefused) {
		t.cfg.Logger.Warn("refused the connection of another node", "peer", h.node, "from", host, "reason", err)
		return
	}
	t.cfg.Logger.Info("connection without a handshake", "from", host, "reason", err)
}
