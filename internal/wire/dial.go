package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

var errDialTimeout = errors.New("no answer to the handshake within DialTimeout")

// dial connects to an address and shakes hands within DialTimeout.
func (t *Transport) dial(ctx context.Context, addr string, class Class, wanted ident.NodeID, oneOff bool) (net.Conn, welcome, error) {
	h := hello{
		min: t.cfg.ProtocolMin, max: t.cfg.ProtocolMax,
		class: class, oneOff: oneOff,
		fleet: ident.FleetID(t.fleet.Load()), node: t.cfg.Node, wanted: wanted, boot: t.cfg.Boot,
	}
	if h.fleet == 0 && !oneOff {
		return nil, welcome{}, fmt.Errorf("%w: this node is in no fleet yet", ErrWrongFleet)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.cfg.DialTimeout, errDialTimeout)
	defer cancel()
	raw, err := t.cfg.Dial(ctx, addr)
	if err != nil {
		return nil, welcome{}, fmt.Errorf("dial %s: %w", addr, err)
	}
	unhook := context.AfterFunc(ctx, func() { raw.Close() })
	conn := raw
	if t.cfg.TLS != nil {
		conn = tls.Client(conn, t.clientTLS(addr))
	}
	w, err := greet(conn, h, addr)
	if err == nil && !unhook() {
		err = ctx.Err()
	}
	if err != nil {
		unhook()
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, welcome{}, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn, w, nil
}

// greet is the dialler's half of the handshake. The caller bounds its time.
func greet(conn net.Conn, h hello, addr string) (welcome, error) {
	if _, err := conn.Write(h.append(make([]byte, 0, helloBytes))); err != nil {
		return welcome{}, err
	}
	w, err := readWelcome(conn)
	if err != nil {
		return welcome{}, err
	}
	return w, w.check(h, addr)
}

// answer is the acceptor's half of the handshake, within DialTimeout.
func (t *Transport) answer(conn net.Conn) (hello, welcome, error) {
	if err := conn.SetDeadline(time.Now().Add(t.cfg.DialTimeout)); err != nil {
		return hello{}, welcome{}, err
	}
	h, err := readHello(conn)
	if err != nil {
		return hello{}, welcome{}, err
	}
	w := judge(h, welcome{
		min: t.cfg.ProtocolMin, max: t.cfg.ProtocolMax,
		fleet: ident.FleetID(t.fleet.Load()), node: t.cfg.Node, boot: t.cfg.Boot,
	})
	if t.ctx.Err() != nil {
		w.refusal, w.reason = refusedClosing, fmt.Sprintf("node %s is closing", t.cfg.Node)
	}
	if _, err := conn.Write(w.append(nil)); err != nil {
		return h, w, err
	}
	if w.refusal != 0 {
		return h, w, &RefusedError{Node: h.node, Addr: conn.RemoteAddr().String(), Text: w.reason, kind: w.refusal.sentinel()}
	}
	return h, w, conn.SetDeadline(time.Time{})
}

// clientTLS names the server as it was dialled, unless the configuration does.
func (t *Transport) clientTLS(addr string) *tls.Config {
	c := t.cfg.TLS.Clone()
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS13
	}
	if c.ServerName == "" {
		c.ServerName = addr
		if host, _, err := net.SplitHostPort(addr); err == nil {
			c.ServerName = host
		}
	}
	return c
}

// serverTLS demands a certificate of the dialler.
func serverTLS(cfg *tls.Config) *tls.Config {
	c := cfg.Clone()
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS13
	}
	if c.ClientCAs == nil {
		c.ClientCAs = c.RootCAs
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c
}
