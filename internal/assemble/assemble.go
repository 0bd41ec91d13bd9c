// Package assemble says what a node is made of, so that a simulator can give a node
// its own network, gossip, disk and clock and run the code that ships.
//
// A program has nothing to do with it: fleet.Open builds a node of the machine's
// parts, unless its context carries others.
package assemble

import (
	"context"
	"net"
	"time"

	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// Parts are what a node is made of. All fields are required.
type Parts struct {
	// Exec is what the node runs on.
	Exec exec.Exec
	// Rand returns a number in [0,n): it spreads retries and picks whom to ask.
	Rand func(n int) int
	// ID draws what names a fleet, or one run of the node, for ever; never zero.
	ID func() uint64

	// Each of these is called once, in this order. What it returns is the node's, which
	// closes it, also when the node cannot be opened.
	Storage func() (store.Store, *wal.Log, error)
	Wire    func(wire.Config) (Wire, error) // Config.Listener is left open
	Host    func(group.HostConfig) (*group.Host, error)
	Gossip  func(gossip.Config) (Gossip, error)
}

// Wire carries bytes between nodes; *wire.Transport is the real one and says what the
// methods promise.
type Wire interface {
	group.Transport
	Start() error
	SetFleet(ident.FleetID)
	Addr() net.Addr
	Peers() []wire.PeerStatus
	Call(ctx context.Context, to ident.NodeID, body []byte) ([]byte, error)
	CallAsync(to ident.NodeID, body []byte, deadline time.Time, done func([]byte, error))
	CallAddr(ctx context.Context, addr string, body []byte) ([]byte, ident.NodeID, error)
	Close() error
}

// Gossip tells who is there; *gossip.Gossip is the real one and says what the methods
// promise.
type Gossip interface {
	Addr() string
	Self() gossip.Meta
	Members() []gossip.Member
	Member(ident.NodeID) (gossip.Member, bool)
	Strangers() []gossip.Stranger
	Unreached() []gossip.Unreached
	Join(ctx context.Context, addrs []string) (int, error)
	UpdateMeta(change func(*gossip.Meta)) error
	Forget(ident.NodeID) bool
	Leave(timeout time.Duration) error
	Close() error
}

type key struct{}

// With returns a context with which fleet.Open builds a node of the given parts.
func With(ctx context.Context, p Parts) context.Context {
	return context.WithValue(ctx, key{}, &p)
}

// From returns the parts that With put into a context; false when there are none.
func From(ctx context.Context) (Parts, bool) {
	p, ok := ctx.Value(key{}).(*Parts)
	if !ok {
		return Parts{}, false
	}
	return *p, true
}
