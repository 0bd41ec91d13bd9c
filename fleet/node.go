package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/assemble"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// Identifiers, as other packages of the fleet use them.
type (
	// FleetID names a fleet for ever.
	FleetID = ident.FleetID
	// NodeID names a node, that is a data folder, for ever.
	NodeID = ident.NodeID
	// GroupID names one incarnation of a group.
	GroupID = ident.GroupID
)

// Node is one process's membership of a fleet. All its methods are safe for
// concurrent use.
type Node struct {
	cfg  Config
	exec exec.Exec
	rand func(n int) int
	// newID draws what names something for ever.
	newID func() uint64
	id    ident.NodeID
	boot  uint64
	log   *slog.Logger

	store   store.Store
	wal     *wal.Log
	wire    assemble.Wire
	host    *group.Host
	gossip  assemble.Gossip
	router  router
	queries routedQueries
	events  *eventLog
	types   map[string]group.Type
	admin   *admin.Server

	// catalogue is this node's copy of the fleet's own state; nil while it has none.
	catalogue        atomic.Pointer[catalogue.Machine]
	catalogueChanged signal // the copy changed, or one was put in place
	gossipChanged    signal
	leadersChanged   signal // a member here began or ceased to lead, or its group changed

	entering turn // to found, enter and leave a fleet; guards what follows
	fleet    ident.FleetID
	zone     string

	unhosted sync.Map // GroupIDs whose type the program lacks: said once
	mover    mover
	planner  plannerState
	ballots  ballots
	drains   drains

	ctx      context.Context
	cancel   context.CancelCauseFunc
	tasks    tasks
	ready    chan struct{} // closed once Open is done; handlers wait for it
	closing  turn
	closed   chan struct{} // closed when Close is done
	closeErr error
}

// signal wakes everybody who waits for something to happen.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// Activate opens a node and makes it active in a zone: Open followed by
// Node.Activate. It returns when the node is an active part of a fleet, which it
// founds or joins as Config.Join and Config.Founders say, or when ctx ends.
func Activate(ctx context.Context, zone string, cfg Config) (*Node, error) {
	n, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := n.Activate(ctx, zone); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Open starts a node: it locks the data folder, recovers the log, resumes the
// members that it hosts and begins to gossip. The node is not active yet: nothing
// new is placed on it. It can call groups already; a node that only calls never
// needs to be activated.
func Open(ctx context.Context, cfg Config) (_ *Node, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	parts, ok := assemble.From(ctx)
	if !ok {
		parts = machineParts(cfg)
	}
	n := &Node{
		cfg: cfg, exec: parts.Exec, rand: parts.Rand, log: cfg.Logger, events: newEventLog(parts.Exec.Now),
		types: make(map[string]group.Type), ready: make(chan struct{}), entering: newTurn(), closing: newTurn(), closed: make(chan struct{}), newID: parts.ID,
	}
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	n.router = router{node: n, table: cache.New()}
	n.mover.init()
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	for _, t := range cfg.Types {
		n.types[t.TypeName()] = t
	}
	if n.store, n.wal, err = parts.Storage(); err != nil {
		return nil, err
	}
	n.ballots.store = n.store
	identity := n.store.Identity()
	n.id, n.fleet = identity.Node, identity.Fleet
	n.boot = parts.ID()
	n.log = n.log.With("node", cfg.Name)

	if err := n.openWire(parts.Wire); err != nil {
		return nil, err
	}
	if err := n.openHost(parts.Host); err != nil {
		return nil, err
	}
	if err := n.openGossip(parts.Gossip); err != nil {
		return nil, err
	}
	if err := n.openAdmin(); err != nil {
		return nil, err
	}
	n.queries.start(n)
	close(n.ready)
	n.background(n.followGossip)
	n.background(n.comeBack)
	n.background(n.reconcile)
	n.background(n.move)
	n.background(n.plan)
	return n, ctx.Err()
}

func (n *Node) openWire(open func(wire.Config) (assemble.Wire, error)) (err error) {
	n.wire, err = open(wire.Config{
		Fleet: n.fleet, Node: n.id, Boot: n.boot, Resolve: n.resolve,
		TLS: n.cfg.TLS, Handler: handler{n}, Logger: n.log,
	})
	return err
}

func (n *Node) openHost(open func(group.HostConfig) (*group.Host, error)) error {
	types := append(slices.Clone(n.cfg.Types), catalogueType{n})
	var err error
	n.host, err = open(group.HostConfig{
		Node: n.id, Log: n.wal, Store: n.store, Transport: n.wire, Types: types, Logger: n.log,
		OnChange: n.memberChanged, OnBroken: n.broken,
	})
	if err != nil {
		return err
	}
	// The wire starts only now: its handler hands messages to the host.
	if err := n.wire.Start(); err != nil {
		return err
	}
	return n.host.Resume()
}

func (n *Node) openGossip(open func(gossip.Config) (assemble.Gossip, error)) (err error) {
	n.gossip, err = open(gossip.Config{
		Meta: gossip.Meta{
			Fleet: n.fleet, Node: n.id, Boot: n.boot, Name: n.cfg.Name, State: gossip.StateInactive,
			ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Founders: uint8(n.cfg.Founders),
		},
		Bind: n.cfg.Gossip, Advertise: n.cfg.AdvertiseGossip, Join: n.cfg.Join, Keys: n.cfg.Keys,
		RejoinInterval: n.cfg.RejoinInterval, Local: n.cfg.Local, Logger: n.log, OnChange: n.gossipChanged.raise,
	})
	if err != nil {
		return err
	}
	return n.advertiseListen()
}

// resolve finds where a node listens: gossip knows it best, the catalogue knows it
// from before.
func (n *Node) resolve(id ident.NodeID) (string, bool) {
	select {
	case <-n.ready:
	default:
		return n.resolveFromCatalogue(id)
	}
	if m, ok := n.gossip.Member(id); ok && m.Wire != "" {
		return m.Wire, true
	}
	return n.resolveFromCatalogue(id)
}

func (n *Node) resolveFromCatalogue(id ident.NodeID) (string, bool) {
	if c := n.catalogue.Load(); c != nil {
		if node, ok := c.Node(id); ok && node.Wire != "" {
			return node.Wire, true
		}
	}
	return "", false
}

// ID is the node's identity, which its data folder keeps.
func (n *Node) ID() NodeID { return n.id }

// Name is what people call the node.
func (n *Node) Name() string { return n.cfg.Name }

// GossipAddr is where the node gossips: what others give as Config.Join.
func (n *Node) GossipAddr() string { return n.gossip.Addr() }

// ListenAddr is where the node takes other nodes' connections, as it is bound; what
// others are told is in Nodes.
func (n *Node) ListenAddr() string { return n.wire.Addr().String() }

// background runs f beside the caller; Close waits for it.
func (n *Node) background(f func(ctx context.Context)) {
	n.tasks.start(n.exec, func() { f(n.ctx) })
}

// broken ends a node whose log failed: nothing that it could still say is worth
// the risk of saying it on a disk that loses writes.
func (n *Node) broken(err error) {
	n.cancel(fmt.Errorf("fleet: the log of node %s failed and the node has stopped: %w; check the disk, then start the process again", n.cfg.Name, err))
}

// Done is closed when the node has stopped, by Close or because its log failed.
func (n *Node) Done() <-chan struct{} { return n.ctx.Done() }

// Err tells why the node stopped; nil while it runs.
func (n *Node) Err() error { return context.Cause(n.ctx) }

// Shutdown drains the node, as Deactivate does, until ctx ends, and closes it.
func (n *Node) Shutdown(ctx context.Context) error {
	err := n.Deactivate(ctx, nil)
	return errors.Join(err, n.Close())
}

// leaveTimeout bounds how long Close tries to tell others that it goes.
const leaveTimeout = 2 * time.Second

// Close stops the node. Everything acknowledged is on disk; its members resume at
// the next Open. It is idempotent.
func (n *Node) Close() error {
	if n.closing.try() { // and never passed on
		n.closeErr = n.close()
		close(n.closed)
	}
	_, _ = exec.Await(context.Background(), n.exec, n.closed)
	return n.closeErr
}

func (n *Node) close() error {
	var errs []error
	n.giveLeadershipAway()
	n.cancel(ErrClosed)
	if err := n.closeAdmin(); err != nil {
		n.log.Debug("the admin API did not end in time", "error", err)
	}
	if n.gossip != nil {
		if err := n.gossip.Leave(leaveTimeout); err != nil {
			n.log.Debug("the fleet was not told of the leave", "error", err)
		}
		errs = append(errs, n.gossip.Close())
	}
	n.tasks.end(n.exec)
	if n.host != nil {
		n.host.Close()
	}
	if n.wire != nil {
		errs = append(errs, n.wire.Close())
	}
	if n.wal != nil {
		errs = append(errs, n.wal.Close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	return errors.Join(errs...)
}
