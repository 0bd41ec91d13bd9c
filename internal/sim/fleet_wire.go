package sim

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// fleetWire is the wire of one life of a node. Messages and snapshots go as they do
// in a group's run; calls end as wire.Transport says: once, with an answer, not sent,
// or lost.
type fleetWire struct {
	*transport
	m       *machine
	config  wire.Config
	fleet   ident.FleetID
	started bool
	open    int                 // calls without an answer
	known   map[*machine]uint64 // boots of those that it is connected to
}

func newFleetWire(m *machine, c wire.Config) *fleetWire {
	return &fleetWire{transport: &transport{m.node, m.node.boot}, m: m, config: c, fleet: c.Fleet, known: make(map[*machine]uint64)}
}

type simAddr string

func (simAddr) Network() string  { return "sim" }
func (a simAddr) String() string { return string(a) }

// Start and the others implement assemble.Wire.
func (t *fleetWire) Start() error              { t.started = true; return nil }
func (t *fleetWire) SetFleet(id ident.FleetID) { t.fleet = id }
func (t *fleetWire) Addr() net.Addr            { return simAddr(wireAddr(t.n.place)) }
func (t *fleetWire) Peers() []wire.PeerStatus  { return nil }
func (t *fleetWire) Close() error              { t.started = false; return nil }
func (t *fleetWire) failed(to ident.NodeID, outcome, cause error) error {
	return &wire.CallError{Node: to, Outcome: outcome, Cause: cause}
}

// peer finds the machine behind a node's address, as resolving and the handshake do.
func (t *fleetWire) peer(to ident.NodeID) (*machine, error) {
	addr, ok := t.config.Resolve(to)
	if !ok {
		return nil, wire.ErrUnknownNode
	}
	peer := t.m.f.machineAt(addr)
	switch {
	case peer == nil || !peer.node.up || peer.wire == nil || !peer.wire.started || peer.node.disk.dying:
		return nil, errLost
	case peer.node.id != to:
		return nil, wire.ErrWrongNode
	case t.fleet == 0 || peer.wire.fleet != t.fleet:
		return nil, wire.ErrWrongFleet
	}
	return peer, nil
}

// Send implements group.Transport.
func (t *fleetWire) Send(to ident.NodeID, encode func([]byte) []byte) error {
	peer, err := t.peer(to)
	if err != nil {
		if err == wire.ErrUnknownNode || t.m.f.chance(50) {
			return t.failed(to, wire.ErrNotSent, err)
		}
		return nil // it was not noticed yet
	}
	t.connect(peer)
	return t.transport.Send(to, encode)
}

// SendHeartbeat implements group.Transport.
func (t *fleetWire) SendHeartbeat(to ident.NodeID, payload []byte) {
	if _, err := t.peer(to); err == nil {
		t.transport.SendHeartbeat(to, payload)
	}
}

// SendSnapshot implements group.Transport.
func (t *fleetWire) SendSnapshot(ctx context.Context, to ident.NodeID, header []byte, body io.Reader) error {
	if _, err := t.peer(to); err != nil {
		return t.failed(to, wire.ErrNotSent, err)
	}
	return t.transport.SendSnapshot(ctx, to, header, body)
}

// connect tells the node of a connection to another process than before.
func (t *fleetWire) connect(peer *machine) {
	if t.known[peer] == peer.node.boot {
		return
	}
	f, boot := t.m.f, peer.node.boot
	t.known[peer] = boot
	f.at(f.now+f.about(f.plan.latency), t.n, func() {
		t.config.Handler.Connected(peer.node.id, boot)
		t.n.busy()
	})
}

// mostCalls is how many calls of one node may be under way: all that a run begins
// are far fewer, so more of them are calls that do not end.
const mostCalls = 4096

// CallAsync implements assemble.Wire.
func (t *fleetWire) CallAsync(to ident.NodeID, body []byte, deadline time.Time, done func([]byte, error)) {
	f := t.m.f
	if !t.alive() {
		return
	}
	peer, err := t.peer(to)
	if err != nil && (err != errLost || f.chance(50)) {
		done(nil, t.failed(to, wire.ErrNotSent, err))
		return
	}
	var left time.Duration
	if !deadline.IsZero() {
		if left = deadline.Sub(t.n.process.Now()); left <= 0 {
			done(nil, t.failed(to, wire.ErrNotSent, context.DeadlineExceeded))
			return
		}
	}
	t.open++
	if t.open > mostCalls {
		f.violate(Bounded, "node %d has %d calls under way", t.n.id, t.open)
	}
	ended := false
	end := func(b []byte, err error) {
		if !ended {
			ended = true
			t.open--
			done(b, err)
			t.n.busy()
		}
	}
	lost := func(cause error) func() {
		return func() { end(nil, t.failed(to, wire.ErrLost, cause)) }
	}
	if left > 0 {
		f.at(f.now+t.n.clock.duration(left), t.n, lost(context.DeadlineExceeded))
	}
	noticed := int64(6 * time.Second) // a connection that is silent for so long is given up
	at, ok := int64(0), false
	if peer != nil {
		at, ok = f.passage(t.n, peer.node)
	}
	if !ok {
		if f.chance(50) {
			noticed = f.about(time.Second)
		}
		f.at(f.now+noticed, t.n, lost(errLost))
		return
	}
	body = append([]byte(nil), body...)
	from := t.n
	f.at(at, peer.node, func() {
		peer.wire.config.Handler.Request(from.id, body, peer.wire.answer(from, end, lost))
		peer.node.busy()
	})
	boot := peer.node.boot
	f.at(at+noticed, t.n, func() {
		if !ended && (peer.node.boot != boot || !peer.node.up) {
			lost(errLost)()
		}
	})
}

// answer carries one answer back, if it comes through.
func (t *fleetWire) answer(to *node, end func([]byte, error), lost func(error) func()) func([]byte) {
	f, answered, boot := t.m.f, false, to.boot
	return func(b []byte) {
		if answered || !t.alive() || !to.up || to.boot != boot {
			return
		}
		answered = true
		b = append([]byte(nil), b...)
		if at, ok := f.passage(t.n, to); ok {
			f.at(at, to, func() { end(b, nil) })
		} else {
			f.at(f.now+f.about(2*time.Second), to, lost(errLost))
		}
	}
}

// Call implements assemble.Wire.
func (t *fleetWire) Call(ctx context.Context, to ident.NodeID, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, t.failed(to, wire.ErrNotSent, err)
	}
	type answer struct {
		b   []byte
		err error
	}
	got := make(chan answer, 1)
	t.CallAsync(to, body, time.Time{}, func(b []byte, err error) { got <- answer{b, err} })
	a, err := exec.Await(ctx, t.n.process, got)
	if err != nil {
		return nil, t.failed(to, wire.ErrLost, err)
	}
	return a.b, a.err
}

// CallAddr implements assemble.Wire: it goes to whoever is there, in a fleet or not.
func (t *fleetWire) CallAddr(ctx context.Context, addr string, body []byte) ([]byte, ident.NodeID, error) {
	f := t.m.f
	peer := f.machineAt(addr)
	if peer == nil || !peer.node.up || peer.wire == nil || !peer.wire.started {
		_ = exec.Sleep(ctx, t.n.process, time.Duration(f.about(f.plan.latency)))
		return nil, 0, t.failed(0, wire.ErrNotSent, fmt.Errorf("nobody answers at %s: %w", addr, errLost))
	}
	if t.fleet != 0 && peer.wire.fleet != 0 && t.fleet != peer.wire.fleet {
		return nil, 0, t.failed(peer.node.id, wire.ErrNotSent, wire.ErrWrongFleet)
	}
	got := make(chan []byte, 1)
	from := t.n
	body = append([]byte(nil), body...)
	if at, ok := f.passage(t.n, peer.node); ok {
		f.at(at, peer.node, func() {
			peer.wire.config.Handler.Request(from.id, body, peer.wire.answer(from, func(b []byte, _ error) { got <- b }, func(error) func() { return func() {} }))
			peer.node.busy()
		})
	}
	b, err := exec.Await(ctx, t.n.process, got)
	if err != nil {
		return nil, 0, t.failed(0, wire.ErrLost, err)
	}
	return b, peer.node.id, nil
}
