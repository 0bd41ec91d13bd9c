package wire

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Transport is one node's end of all its connections. Its methods may be called
// from any goroutine, from within Handler callbacks too (but not Close).
type Transport struct {
	cfg     Config
	fleet   atomic.Uint64
	started time.Time // base of clock

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of the transport

	// peers is replaced as a whole under mu, so that Send finds a peer without
	// a lock.
	peers atomic.Pointer[map[ident.NodeID]*peer]

	mu      sync.Mutex
	running bool
	closed  bool
	conns   map[net.Conn]struct{}   // taken from the listener
	inbound map[inboundKey]net.Conn // the newest of each node and class
	refused refusalLog
	shaking chan struct{} // handshakes of strangers under way
}

// peer is all that goes out to one node; its parts are made when first used.
type peer struct {
	node    ident.NodeID
	links   [2]atomic.Pointer[link] // Consensus, Calls
	streams streamPool
}

const (
	// maxHandshakes bounds the connections that have not yet said who they are.
	maxHandshakes = 128

	// maxAccepted bounds all connections that others made: far above what a
	// fleet of a thousand nodes needs, below what a process can have.
	maxAccepted = 16 << 10
)

// New checks the configuration. It starts nothing; it does not close the
// listener when it fails.
func New(cfg Config) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.withDefaults()
	t := &Transport{
		cfg:     cfg,
		started: time.Now(),
		conns:   make(map[net.Conn]struct{}),
		inbound: make(map[inboundKey]net.Conn),
		shaking: make(chan struct{}, maxHandshakes),
	}
	t.fleet.Store(uint64(cfg.Fleet))
	t.peers.Store(&map[ident.NodeID]*peer{})
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// Start takes connections from now on. It returns ErrClosed after Close, and an
// error if it was called before.
func (t *Transport) Start() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.running {
		return fmt.Errorf("wire: Start was called before")
	}
	t.running = true
	t.wg.Go(t.acceptAll)
	return nil
}

// Close ends all connections, calls (with ErrNotSent or ErrLost) and streams,
// and returns when every goroutine, Handler.Snapshot included, has ended. It
// must not be called from a Handler. Calling it again does nothing.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		t.wg.Wait()
		return nil
	}
	t.closed = true
	t.cancel()
	err := t.cfg.Listener.Close()
	for c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
	if err != nil {
		return fmt.Errorf("wire: close listener: %w", err)
	}
	return nil
}

// SetFleet says which fleet this node is of. It is called once, when a node
// that started without one founded or joined a fleet.
func (t *Transport) SetFleet(id ident.FleetID) { t.fleet.Store(uint64(id)) }

// Addr is where the listener listens.
func (t *Transport) Addr() net.Addr { return t.cfg.Listener.Addr() }

// Send appends one consensus message to what waits for a node: encode appends
// the message to its argument and returns the result; it runs once or not at
// all, before Send returns, and must not call the Transport. Send never blocks.
//
// A nil error does not mean that the message arrives. The error matches
// ErrNotSent and, if the bound is reached, ErrOverloaded; if no address is
// known, ErrUnknownNode; if the node could not be reached at the last attempt,
// the reason of that: nothing is queued for a node that is down.
func (t *Transport) Send(to ident.NodeID, encode func(dst []byte) []byte) error {
	l, err := t.link(to, Consensus)
	if err != nil {
		return err
	}
	return l.out.add(kindMessages, encode)
}

// SendHeartbeat makes payload (copied) the next thing that goes to a node, ahead
// of all messages that wait; it replaces a heartbeat that was not yet sent. It
// is dropped if the node cannot be reached.
func (t *Transport) SendHeartbeat(to ident.NodeID, payload []byte) {
	if l, err := t.link(to, Consensus); err == nil && len(payload) <= l.out.most {
		l.out.setBeat(payload)
	}
}

// Forget ends all that goes out to a node: what waits fails with ErrNotSent,
// what was sent with ErrLost, and nothing is dialled again until the next use.
func (t *Transport) Forget(node ident.NodeID) {
	t.mu.Lock()
	old := *t.peers.Load()
	p := old[node]
	if p == nil {
		t.mu.Unlock()
		return
	}
	peers := maps.Clone(old)
	delete(peers, node)
	t.peers.Store(&peers)
	for i := range p.links {
		if l := p.links[i].Load(); l != nil {
			l.cancel(ErrForgotten)
		}
	}
	t.mu.Unlock()
	p.streams.close()
}

// link gives the outgoing connection of a class to a node, and makes it if this
// is its first use.
func (t *Transport) link(to ident.NodeID, class Class) (*link, error) {
	if p := (*t.peers.Load())[to]; p != nil {
		if l := p.links[class-1].Load(); l != nil {
			return l, nil
		}
	}
	if _, ok := t.cfg.Resolve(to); !ok {
		return nil, notSent(to, ErrUnknownNode)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, notSent(to, ErrClosed)
	}
	p := t.peerLocked(to)
	l := p.links[class-1].Load()
	if l == nil {
		l = t.newLink(to, class)
		l.home = &p.links[class-1]
		l.home.Store(l)
		t.wg.Go(l.run)
	}
	return l, nil
}

func (t *Transport) peerLocked(node ident.NodeID) *peer {
	old := *t.peers.Load()
	p := old[node]
	if p == nil {
		p = &peer{node: node}
		p.streams.init(t.ctx)
		peers := maps.Clone(old)
		peers[node] = p
		t.peers.Store(&peers)
	}
	return p
}

// clock is monotonic nanoseconds since the transport was made.
func (t *Transport) clock() int64 { return int64(time.Since(t.started)) }

// silence is how long a connection may be silent before it is given up.
func (t *Transport) silence() time.Duration { return 3 * t.cfg.KeepAlive }

// largestFrame is the largest payload that another node may send: one message
// more than a frame needs to be closed.
func (t *Transport) largestFrame() int {
	return t.cfg.MaxFrameBytes + frameTarget + answerHead
}
