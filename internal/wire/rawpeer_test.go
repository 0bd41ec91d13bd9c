package wire

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// rawPeer is a node that a test plays by hand: it has shaken hands over a pipe,
// which holds no bytes, and does nothing else that the test does not do.
type rawPeer struct {
	t      testing.TB
	conn   net.Conn
	frames *frameReader
	hello  hello
}

// playPeer opens node 1, whose dials all end at the test: each gives a rawPeer
// that answers as node 2.
func playPeer(t testing.TB, h Handler, change func(*Config)) (*Transport, <-chan *rawPeer) {
	var b book
	peers := make(chan *rawPeer, 16)
	one := open(t, &b, 1, h, func(c *Config) {
		c.KeepAlive = time.Minute
		c.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
			near, far := net.Pipe()
			t.Cleanup(func() { far.Close() })
			go func() {
				hello, err := readHello(far)
				if err != nil {
					return // given up
				}
				w := judge(hello, welcome{min: 1, max: 1, fleet: testFleet, node: 2, boot: 99})
				if _, err := far.Write(w.append(nil)); err != nil {
					return
				}
				peers <- &rawPeer{t: t, conn: far, frames: newFrameReader(far, 1<<30), hello: hello}
			}()
			return near, nil
		}
		if change != nil {
			change(c)
		}
	})
	b.set(2, "pipe")
	return one, peers
}

// peerOf waits for the next connection.
func peerOf(t testing.TB, c <-chan *rawPeer) *rawPeer {
	t.Helper()
	select {
	case p := <-c:
		return p
	case <-time.After(patience):
		t.Fatal("nobody dials")
		return nil
	}
}

// next gives the next frame, signs of life included.
func (p *rawPeer) next() (kind byte, payload []byte) {
	p.t.Helper()
	for {
		kind, payload, ok, err := p.frames.next()
		if err != nil {
			p.t.Fatal(err)
		}
		if ok {
			return kind, payload
		}
		if err := p.frames.fill(); err != nil {
			p.t.Fatal(err)
		}
	}
}

// dialRaw connects to a transport as node 9 and shakes hands as h says.
func dialRaw(t testing.TB, tr *Transport, h hello) (net.Conn, welcome) {
	t.Helper()
	conn, err := net.Dial("tcp", tr.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(h.append(nil)); err != nil {
		t.Fatal(err)
	}
	w, err := readWelcome(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, w
}

func helloTo(wanted ident.NodeID, class Class) hello {
	return hello{min: 1, max: 1, class: class, fleet: testFleet, node: 9, wanted: wanted, boot: 5}
}

// closed waits until the other side has closed a connection.
func closed(t testing.TB, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	var b [4096]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatal("the connection was not closed")
			}
			return
		}
	}
}
