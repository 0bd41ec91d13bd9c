package gossip

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/raftfleet/raftfleet/internal/ident"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := settled(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// settled waits for memberlist's goroutines, which see their end at the next tick.
func settled(options ...goleak.Option) error {
	var err error
	for range 20 { // each Find retries for some 400 ms
		if err = goleak.Find(options...); err == nil {
			return nil
		}
	}
	return err
}

const patience = 30 * time.Second

// world is a set of nodes on loopback, and the network between them.
type world struct {
	t *testing.T

	mu      sync.Mutex
	changed chan struct{}
	side    map[string]int // address to side of the partition; unlisted: side 0
	split   bool
	tries   map[string]int // dials across the partition, by address of the dialler

	deadTime time.Duration // how long memberlist remembers the dead; 0: as usual
	wordOnly bool          // what nodes say is only passed on, and all of it never exchanged
}

func newWorld(t *testing.T) *world {
	return &world{t: t, changed: make(chan struct{}), side: make(map[string]int), tries: make(map[string]int)}
}

func (w *world) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// await returns when cond holds; it is evaluated after every change at any node.
func (w *world) await(what string, cond func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if cond() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("still waiting: %s", what)
		}
	}
}

func (w *world) partition(nodes ...*Gossip) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.split = true
	for _, g := range nodes {
		w.side[g.Addr()] = 1
	}
}

func (w *world) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.split = false
}

func (w *world) passes(from, to string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.split || w.side[from] == w.side[to]
}

func (w *world) tried(from string) {
	w.mu.Lock()
	w.tries[from]++
	w.mu.Unlock()
	w.notify()
}

// awaitTries returns when each node has dialled n times more across the partition.
func (w *world) awaitTries(n int, nodes ...*Gossip) {
	w.t.Helper()
	w.mu.Lock()
	before := maps.Clone(w.tries)
	w.mu.Unlock()
	w.await("tries across the partition", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !slices.ContainsFunc(nodes, func(g *Gossip) bool { return w.tries[g.Addr()]-before[g.Addr()] < n })
	})
}

// lossy drops what does not pass.
type lossy struct {
	memberlist.NodeAwareTransport
	world *world
	own   string
}

func (l *lossy) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	if !l.world.passes(l.own, to.Addr) {
		return time.Now(), nil
	}
	return l.NodeAwareTransport.WriteToAddress(b, to)
}

func (l *lossy) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if !l.world.passes(l.own, to.Addr) {
		l.world.tried(l.own)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	return l.NodeAwareTransport.DialAddressTimeout(to, timeout)
}

func (w *world) config(node ident.NodeID, join ...*Gossip) Config {
	c := Config{
		Meta: Meta{
			Node: node, Boot: uint64(ident.NewNodeID()), Name: fmt.Sprintf("n%d", node),
			Zone: "z", Wire: "127.0.0.1:1", ProtocolMin: 1, ProtocolMax: 1,
		},
		Bind:     "127.0.0.1:0",
		Local:    true,
		OnChange: w.notify,
		Logger:   slog.New(slog.NewTextHandler(w.t.Output(), nil)),
		adjust: func(c *memberlist.Config) {
			ip, port, err := c.Transport.FinalAdvertiseAddr("", 0)
			if err != nil {
				w.t.Error(err)
			}
			c.Transport = &lossy{c.Transport.(*transport), w, hostPort(ip, uint16(port))}
			if w.deadTime > 0 {
				c.GossipToTheDeadTime = w.deadTime
			}
			if w.wordOnly {
				c.PushPullInterval = 0
			}
		},
	}
	for _, g := range join {
		c.Join = append(c.Join, g.Addr())
	}
	return c
}

func (w *world) start(c Config) *Gossip {
	w.t.Helper()
	g, err := Start(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := g.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return g
}

// fleet starts n nodes that know each other.
func (w *world) fleet(n int, fleet ident.FleetID) []*Gossip {
	w.t.Helper()
	var nodes []*Gossip
	for i := range n {
		c := w.config(ident.NodeID(uint64(fleet)*100+uint64(i)+1), nodes[:min(i, 1)]...)
		c.Meta.Fleet = fleet
		nodes = append(nodes, w.start(c))
	}
	w.await("all see all", func() bool { return allSee(nodes, nodes...) })
	return nodes
}

func member(g *Gossip, node ident.NodeID) (Member, bool) {
	all := g.Members()
	i := slices.IndexFunc(all, func(m Member) bool { return m.Node == node })
	if i < 0 {
		return Member{}, false
	}
	return all[i], true
}

// allSee: each of the observers sees each of the nodes alive, where it listens.
func allSee(observers []*Gossip, nodes ...*Gossip) bool {
	for _, o := range observers {
		for _, n := range nodes {
			m, ok := member(o, n.Self().Node)
			if !ok || !m.Alive || m.Addr != n.Addr() || m.Meta != n.Self() {
				return false
			}
		}
	}
	return true
}

// allMiss: each of the observers holds each of the nodes for dead.
func allMiss(observers []*Gossip, nodes ...*Gossip) bool {
	for _, o := range observers {
		for _, n := range nodes {
			if m, ok := member(o, n.Self().Node); !ok || m.Alive {
				return false
			}
		}
	}
	return true
}

// lineLog collects log lines.
type lineLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

func (l *lineLog) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (l *lineLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
