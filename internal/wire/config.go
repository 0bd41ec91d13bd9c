package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Class is a kind of traffic; each has connections of its own.
type Class uint8

// The classes of traffic.
const (
	Consensus Class = 1 // one-way messages and heartbeats
	Calls     Class = 2 // requests and answers
	Snapshots Class = 3 // streams
)

// String names the class as logs and status show it.
func (c Class) String() string {
	switch c {
	case Consensus:
		return "consensus"
	case Calls:
		return "calls"
	case Snapshots:
		return "snapshots"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Protocol versions that this package speaks.
const (
	ProtocolMin = 1
	ProtocolMax = 1
)

// Defaults of Config.
const (
	DefaultMaxQueuedBytes = 64 << 20
	DefaultMaxFrameBytes  = 64 << 20
	DefaultKeepAlive      = 2 * time.Second
	DefaultDialTimeout    = 3 * time.Second
)

// Config says who this node is and how it reaches others. Node, Boot, Listener,
// Resolve and Handler are required.
type Config struct {
	// Fleet of this node; zero while it is in none, see Transport.SetFleet.
	Fleet ident.FleetID

	// Node is this node.
	Node ident.NodeID

	// Boot is drawn at random at each start of the process, so that others can
	// tell a restart from a reconnect. Not zero.
	Boot uint64

	// Listener takes connections of others. Transport owns and closes it.
	Listener net.Listener

	// Resolve gives the address of a node, and false if the node is not known.
	// It is asked before each dial and now and then while a node cannot be
	// reached; it must be quick and safe for concurrent use.
	Resolve func(ident.NodeID) (addr string, ok bool)

	// Dial opens a connection to an address; nil dials TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// TLS, if set, is used for both sides, and both must show a certificate
	// that the other trusts: RootCAs serve as ClientCAs where those are not set.
	// An empty ServerName is taken from the dialled address.
	TLS *tls.Config

	// Handler receives what others send.
	Handler Handler

	// MaxQueuedBytes bounds what waits for one peer in one class, and what one
	// peer's unanswered calls may hold here. Default 64 MiB.
	MaxQueuedBytes int

	// MaxFrameBytes bounds one message, call, answer or snapshot header. It
	// should be the same on all nodes. Default 64 MiB.
	MaxFrameBytes int

	// KeepAlive is the time between two signs of life on an otherwise idle
	// connection; a connection silent for three of them is given up. It should
	// be the same on all nodes. Default 2 s.
	KeepAlive time.Duration

	// DialTimeout bounds one attempt to connect, handshake included. Default 3 s.
	DialTimeout time.Duration

	// Logger gets connections that come, go and are refused. Default: discard.
	Logger *slog.Logger

	// ProtocolMin and ProtocolMax narrow the protocol versions that this node
	// offers; zero means all that this package speaks.
	ProtocolMin, ProtocolMax uint16
}

// Handler receives what other nodes send. All methods are called concurrently
// for different peers, and now and then for one, while its new connection takes
// the place of an old one. Except for Snapshot they run on the goroutine that reads
// the connection and must not block: what they delay is everything that this
// peer sends in that class.
//
// Byte slices are the handler's to keep and never written again, but they share
// the memory of one read (up to 128 KiB): copy a few bytes that are to live long.
type Handler interface {
	// Messages hands over the consensus messages of one read, in the order in
	// which Send was called. boot is that of the sending process.
	Messages(from ident.NodeID, boot uint64, msgs [][]byte)

	// Heartbeat hands over the payload of a SendHeartbeat.
	Heartbeat(from ident.NodeID, boot uint64, payload []byte)

	// Request is a call of another node, or, through CallAddr, of a node that is
	// in no fleet yet. reply answers it: once (more are ignored), now or later,
	// from any goroutine; its argument is copied before it returns. A call that
	// is never answered holds its memory until the connection ends.
	Request(from ident.NodeID, body []byte, reply func([]byte))

	// Snapshot receives a stream on a goroutine of its own. body gives io.EOF
	// only after all that the sender sent, and an error that matches
	// io.ErrUnexpectedEOF when the stream was aborted or the connection lost. The
	// returned error's text (up to 4 KiB) is what SendSnapshot returns there.
	// Returning before the end of body calls off the rest of the stream. body
	// must not be used after the return.
	Snapshot(from ident.NodeID, header []byte, body io.Reader) error

	// Connected says that this node's own consensus connection to another one is
	// up, Disconnected that it is lost. They alternate for each node, in order.
	Connected(node ident.NodeID, boot uint64)
	Disconnected(node ident.NodeID)
}

// Validate names the field that cannot be right, its value and the remedy.
func (c *Config) Validate() error {
	switch {
	case c.Node == 0:
		return fmt.Errorf("wire: Config.Node is zero: set the node's identity")
	case c.Boot == 0:
		return fmt.Errorf("wire: Config.Boot is zero: draw it at random at each start")
	case c.Listener == nil:
		return fmt.Errorf("wire: Config.Listener is nil: listen on the address that others are told")
	case c.Resolve == nil:
		return fmt.Errorf("wire: Config.Resolve is nil: give a function from NodeID to address")
	case c.Handler == nil:
		return fmt.Errorf("wire: Config.Handler is nil: give what receives messages")
	case c.MaxQueuedBytes < 0:
		return fmt.Errorf("wire: Config.MaxQueuedBytes is %d: set a positive bound or 0 for the default", c.MaxQueuedBytes)
	case c.MaxFrameBytes < 0 || c.MaxFrameBytes > 1<<30 || c.MaxFrameBytes > 0 && c.MaxFrameBytes < 1024:
		return fmt.Errorf("wire: Config.MaxFrameBytes is %d: set 1 KiB to 1 GiB or 0 for the default", c.MaxFrameBytes)
	case c.KeepAlive < 0:
		return fmt.Errorf("wire: Config.KeepAlive is %v: set a positive interval or 0 for the default", c.KeepAlive)
	case c.DialTimeout < 0:
		return fmt.Errorf("wire: Config.DialTimeout is %v: set a positive timeout or 0 for the default", c.DialTimeout)
	}
	lo, hi := c.protocols()
	if lo < ProtocolMin || hi > ProtocolMax || lo > hi {
		return fmt.Errorf("wire: Config.ProtocolMin..ProtocolMax is %d..%d: choose within %d..%d", lo, hi, ProtocolMin, ProtocolMax)
	}
	if t := c.TLS; t != nil && len(t.Certificates) == 0 && (t.GetCertificate == nil || t.GetClientCertificate == nil) {
		return fmt.Errorf("wire: Config.TLS has no certificate: both sides must show one, set Certificates")
	}
	return nil
}

func (c *Config) protocols() (lo, hi uint16) {
	lo, hi = c.ProtocolMin, c.ProtocolMax
	if lo == 0 {
		lo = ProtocolMin
	}
	if hi == 0 {
		hi = ProtocolMax
	}
	return lo, hi
}

func (c *Config) withDefaults() {
	if c.MaxQueuedBytes == 0 {
		c.MaxQueuedBytes = DefaultMaxQueuedBytes
	}
	if c.MaxFrameBytes == 0 {
		c.MaxFrameBytes = DefaultMaxFrameBytes
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = DefaultKeepAlive
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.ProtocolMin, c.ProtocolMax = c.protocols()
}

// dialTCP leaves the kernel's keep-alive off: this package has its own.
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	return d.DialContext(ctx, "tcp", addr)
}
