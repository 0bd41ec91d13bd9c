package gossip

import (
	"context"
	"errors"
	"log"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// transport is memberlist's own, with three things added: processes of another
// fleet get nothing more from us, so that two fleets that met through a fresh node
// come apart again; dials end when the transport is shut down; and so do all open
// connections, so that Close leaves nothing behind that waits for a peer.
type transport struct {
	*memberlist.NetTransport
	streams chan net.Conn
	relayed sync.WaitGroup
	ctx     context.Context // ends at Shutdown
	cancel  context.CancelFunc

	mu      sync.Mutex
	blocked map[string]struct{} // names of processes
	conns   map[net.Conn]struct{}
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// bindAttempts: with port 0 the system picks a free TCP port, whose UDP twin may be
// taken.
const bindAttempts = 10

func listen(ip net.IP, port int, logger *log.Logger) (*transport, error) {
	attempts := 1
	if port == 0 {
		attempts = bindAttempts
	}
	var inner *memberlist.NetTransport
	var err error
	for range attempts {
		inner, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{ip.String()},
			BindPort:  port,
			Logger:    logger,
		})
		if err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	t := &transport{
		NetTransport: inner,
		streams:      make(chan net.Conn),
		blocked:      make(map[string]struct{}),
		conns:        make(map[net.Conn]struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.relayed.Add(1)
	go t.relay()
	return t, nil
}

// relay hands incoming connections on, tracked.
func (t *transport) relay() {
	defer t.relayed.Done()
	for {
		select {
		case conn := <-t.NetTransport.StreamCh():
			tracked, err := t.track(conn)
			if err != nil {
				continue
			}
			select {
			case t.streams <- tracked:
			case <-t.ctx.Done():
			}
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	if t.isBlocked(to.Name) {
		return time.Time{}, refusal("write", "udp")
	}
	return t.NetTransport.WriteToAddress(b, to)
}

func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *transport) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if t.isBlocked(to.Name) {
		return nil, refusal("dial", "tcp")
	}
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(t.ctx, "tcp", to.Addr)
	if err != nil {
		return nil, err
	}
	if conn.LocalAddr().String() == conn.RemoteAddr().String() {
		// Loopback only: the system gave this end the very port that was dialled, as
		// nobody listens there, and TCP connected the socket with itself.
		conn.Close()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: conn.RemoteAddr(), Err: syscall.ECONNREFUSED}
	}
	return t.track(conn)
}

// refusal has the form by which memberlist tells that a peer, and not this node, is
// to blame, so that the peer is suspected and in the end removed.
func refusal(op, network string) error {
	return &net.OpError{Op: op, Net: network, Err: ErrForeignFleet}
}

// block refuses to send anything to a process.
func (t *transport) block(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blocked[name] = struct{}{}
}

// unblock is called when memberlist no longer counts the process among the living:
// from then on its words are refused on arrival.
func (t *transport) unblock(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.blocked, name)
}

func (t *transport) isBlocked(name string) bool {
	if name == "" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, blocked := t.blocked[name]
	return blocked
}

// Shutdown frees the port and ends all connections.
func (t *transport) Shutdown() error {
	t.cancel()
	t.mu.Lock()
	open := t.conns
	t.conns = nil
	t.mu.Unlock()
	errs := make([]error, 0, len(open)+1)
	for conn := range open {
		errs = append(errs, ignoreClosed(conn.Close()))
	}
	// The listeners of NetTransport hand over what they accepted before they stop:
	// take it, since relay no longer does.
	drained := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(drained)
		for {
			select {
			case conn := <-t.NetTransport.StreamCh():
				conn.Close()
			case <-stop:
				return
			}
		}
	}()
	errs = append(errs, t.NetTransport.Shutdown())
	close(stop)
	<-drained
	t.relayed.Wait()
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// trackedConn takes itself off the list when it is closed.
type trackedConn struct {
	net.Conn
	owner *transport
}

func (t *transport) track(conn net.Conn) (net.Conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		conn.Close()
		return nil, net.ErrClosed
	}
	t.conns[conn] = struct{}{}
	return &trackedConn{conn, t}, nil
}

func (c *trackedConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c.Conn)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
