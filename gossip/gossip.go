package gossip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Gossip is this node's part in the gossip. All methods may be called concurrently.
type Gossip struct {
	config    Config
	logger    *slog.Logger
	name      string // of this process, see package comment
	started   uint64
	addr      string // at which others reach us
	list      *memberlist.Memberlist
	transport *transport
	lines     *logWriter
	keyring   *memberlist.Keyring
	keysMu    sync.Mutex
	refusals  *refusals
	trouble   *trouble

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	left   chan struct{} // closed by Leave
	work   sync.WaitGroup
	signal chan struct{} // room for one: OnChange is due

	// life serializes what tells others of us, and keeps it from a list that is shut
	// down. It is taken before mu.
	life   sync.Mutex
	closed bool        // with life and mu
	again  *time.Timer // says once more what this node says of itself; with life
	gone   bool        // Leave was called; with life and mu

	closing  sync.Once
	closeErr error

	// mu guards what follows. memberlist's callbacks take it while memberlist holds
	// its own lock: nobody who holds mu calls memberlist.
	mu      sync.Mutex
	meta    Meta
	encoded []byte
	table   table
	joining map[string]int // addresses being joined

	// members is what Members returns: never changed, nil when the table has changed
	// since. It is set with mu held and read without.
	members atomic.Pointer[[]Member]
}

// Start binds the address, says what Config.Meta says to whoever asks, and begins to
// join. It returns before anyone was reached: see Config.OnChange. Close must be
// called on what it returns.
func Start(config Config) (*Gossip, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config.Join = append([]string(nil), config.Join...)
	encoded, err := config.Meta.encode()
	if err != nil {
		return nil, err
	}
	ip, port, err := config.bindAddr()
	if err != nil {
		return nil, err
	}
	keyring, err := newKeyring(config.Keys)
	if err != nil {
		return nil, err
	}
	config.Keys = nil // the keyring has them
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	g := &Gossip{
		config:   config,
		logger:   logger,
		started:  uint64(time.Now().UnixNano()),
		keyring:  keyring,
		refusals: newRefusals(time.Now),
		trouble:  newTrouble(),
		left:     make(chan struct{}),
		signal:   make(chan struct{}, 1),
		meta:     config.Meta,
		encoded:  encoded,
		joining:  make(map[string]int),
	}
	g.name = processName(config.Meta.Node, g.started)
	g.table = newTable(g.name)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.lines = &logWriter{to: logger, suspects: func(name string) { delegate{g}.suspect(name, true) }}
	if err := g.open(ip, port); err != nil {
		g.cancel()
		return nil, err
	}
	g.work.Add(2)
	go g.rejoin()
	go g.tell()
	return g, nil
}

// open binds the sockets and makes memberlist run over them.
func (g *Gossip) open(ip net.IP, port int) error {
	standard := g.lines.logger()
	var err error
	if g.transport, err = listen(ip, port, standard); err != nil {
		return fmt.Errorf("gossip: listen on %s: %w; choose a free port of this machine, or port 0", g.config.Bind, err)
	}
	bound := g.transport.GetAutoBindPort()
	c := timings(g.config.Local)
	c.Name = g.name
	c.BindAddr, c.BindPort = ip.String(), bound
	if c.AdvertiseAddr, c.AdvertisePort, err = g.config.advertiseAddr(bound); err != nil {
		return errors.Join(err, g.transport.Shutdown())
	}
	final, finalPort, err := g.transport.FinalAdvertiseAddr(c.AdvertiseAddr, c.AdvertisePort)
	if err != nil {
		return errors.Join(
			fmt.Errorf("gossip: no address to advertise: set Advertise: %w", err), g.transport.Shutdown())
	}
	g.addr = hostPort(final, uint16(finalPort))
	c.Transport = g.transport
	c.Keyring = g.keyring
	c.Logger = standard
	d := delegate{g}
	c.Delegate, c.Events, c.Alive, c.Merge, c.Ping = d, d, d, d, d
	if g.config.adjust != nil {
		g.config.adjust(c)
	}
	if g.list, err = memberlist.Create(c); err != nil {
		return errors.Join(fmt.Errorf("gossip: start: %w", err), g.transport.Shutdown())
	}
	return nil
}

// changed gives up the list of members and makes OnChange due. It never blocks. It is
// called with g.mu held, after any change of the table.
func (g *Gossip) changed() {
	g.members.Store(nil)
	select {
	case g.signal <- struct{}{}:
	default: // already due
	}
}

func (g *Gossip) tell() {
	defer g.work.Done()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.signal:
			if g.config.OnChange != nil && g.ctx.Err() == nil {
				g.config.OnChange()
			}
		}
	}
}

// begin counts a piece of work that Close waits for; false when it is too late.
func (g *Gossip) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.gone {
		return false
	}
	g.work.Add(1)
	return true
}

// Addr is the host:port at which others reach this node's gossip.
func (g *Gossip) Addr() string { return g.addr }

// Self is what this node says of itself at present.
func (g *Gossip) Self() Meta {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.meta
}

// Members lists every node seen since Start and not forgotten, this one included,
// alive or not, sorted by NodeID. It costs next to nothing while nothing changes. The
// slice is everybody's: it must not be changed, and never will be.
func (g *Gossip) Members() []Member {
	if members := g.members.Load(); members != nil {
		return *members
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.listed()
}

// listed is Members with g.mu held. The list is made when it is wanted and not with
// each change: many come together when a fleet starts.
func (g *Gossip) listed() []Member {
	if members := g.members.Load(); members != nil {
		return *members
	}
	members := g.table.members()
	g.members.Store(&members)
	return members
}

// Member returns what Members lists of one node, and whether it does.
func (g *Gossip) Member(node ident.NodeID) (Member, bool) {
	members := g.Members()
	at, known := slices.BinarySearchFunc(members, node, func(m Member, id ident.NodeID) int { return cmp.Compare(m.Node, id) })
	if !known {
		return Member{}, false
	}
	return members[at], true
}

// Forget drops a node that is not alive, and stops looking for it. It reports false,
// and changes nothing, if the node is alive. A forgotten node that returns is listed
// again. Other nodes keep it until they forget it too.
func (g *Gossip) Forget(node ident.NodeID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.table.forget(node) {
		return false
	}
	g.changed()
	return true
}

// UpdateMeta lets change alter what this node says of itself, and begins to spread
// it; others see it within a few gossip intervals. Node and Boot cannot change, and
// Fleet only from zero. The first time that Fleet is set, nodes of other fleets
// disappear from Members. change runs with locks held: it must only set fields. On
// error, ErrMeta or ErrClosed, nothing has changed.
func (g *Gossip) UpdateMeta(change func(*Meta)) error {
	g.life.Lock()
	defer g.life.Unlock()
	if g.closed || g.gone {
		return fmt.Errorf("gossip: update metadata: %w", ErrClosed)
	}
	if err := g.setMeta(change); err != nil {
		return fmt.Errorf("gossip: update metadata: %w", err)
	}
	// memberlist would wait until the word was passed on often enough; the only error
	// it knows is that it did not wait so long.
	_ = g.list.UpdateNode(time.Nanosecond)
	g.repeat(repeats)
	return nil
}

// memberlist's queue numbers its broadcasts from 1 again whenever it runs empty, which
// it does for an instant when a node's own word replaces the last one. Two broadcasts
// of equal length and number are one to it, and the first is dropped: then nobody
// would hear the word before the next exchange of all state, half a minute later. So
// it is said again, a few times.
const (
	repeats     = 3
	repeatAfter = 500 * time.Millisecond
)

// repeat says again what this node says of itself, so many times. life is held.
func (g *Gossip) repeat(times int) {
	if g.again != nil {
		g.again.Stop()
	}
	if times == 0 {
		return
	}
	g.again = time.AfterFunc(repeatAfter, func() {
		g.life.Lock()
		defer g.life.Unlock()
		if g.closed || g.gone {
			return
		}
		_ = g.list.UpdateNode(time.Nanosecond)
		g.repeat(times - 1)
	})
}

func (g *Gossip) setMeta(change func(*Meta)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	meta := g.meta
	change(&meta)
	switch {
	case meta.Node != g.meta.Node:
		return fmt.Errorf("%w: Node cannot change from %s to %s", ErrMeta, g.meta.Node, meta.Node)
	case meta.Boot != g.meta.Boot:
		return fmt.Errorf("%w: Boot cannot change", ErrMeta)
	case meta.Fleet != g.meta.Fleet && g.meta.Fleet != 0:
		return fmt.Errorf("%w: Fleet cannot change from %s to %s: start with an empty data folder", ErrMeta, g.meta.Fleet, meta.Fleet)
	}
	encoded, err := meta.encode()
	if err != nil {
		return err
	}
	g.meta, g.encoded = meta, encoded
	for _, name := range g.table.markForeign(meta.Fleet) {
		g.transport.block(name)
	}
	g.changed()
	return nil
}

// Leave tells the others that this node goes on purpose, so that they report it as
// Left. It returns when the word is on its way, or with an
// error after timeout, which must be positive. Gossip still answers afterwards, but
// this node is no part of it any more: Close is all that is left to do. Calling it
// again does nothing.
func (g *Gossip) Leave(timeout time.Duration) error {
	g.life.Lock()
	defer g.life.Unlock()
	if g.closed {
		return fmt.Errorf("gossip: leave: %w", ErrClosed)
	}
	if g.gone {
		return nil
	}
	if timeout <= 0 {
		return fmt.Errorf("gossip: leave: timeout is %v: want more than 0", timeout)
	}
	g.mu.Lock()
	g.gone = true
	g.mu.Unlock()
	close(g.left)
	deadline := time.Now().Add(timeout)
	if err := g.setMeta(func(m *Meta) { m.State = StateLeaving }); err != nil {
		return fmt.Errorf("gossip: leave: %w", err)
	}
	// First that we leave, then that we left: the second word replaces the first in
	// the queue, so the first needs time to get through.
	first := g.list.UpdateNode(timeout / 2)
	if err := g.list.Leave(max(time.Until(deadline), time.Nanosecond)); err != nil {
		return fmt.Errorf("gossip: leave: others may take it for a failure: %w", err)
	}
	if first != nil {
		return fmt.Errorf("gossip: leave: others may take it for a failure: %w", first)
	}
	return nil
}

// Close ends gossip at once; without Leave the others find out by themselves and
// report this node as dead. When it returns the port is free, and OnChange is not
// running and will not be called. A probe of memberlist's that is under way may take
// another moment to see its end. Calling it again does nothing.
func (g *Gossip) Close() error {
	g.closing.Do(func() {
		g.life.Lock()
		g.repeat(0)
		g.mu.Lock()
		g.closed = true
		g.mu.Unlock()
		g.life.Unlock() // OnChange, which we wait for, may itself wait for life
		g.lines.quiet.Store(true)
		g.cancel()
		if err := g.list.Shutdown(); err != nil {
			g.closeErr = fmt.Errorf("gossip: close: %w", err)
		}
		g.work.Wait()
	})
	return g.closeErr
}
