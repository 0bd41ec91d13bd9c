package group

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// A cluster is a few hosts in one process, over a network in memory that can be
// cut, with real logs on disks in memory that survive a host's end.
type cluster struct {
	t     *testing.T
	types []Type
	// maxQueued bounds what waits for a log; 0 is the log's own bound.
	maxQueued int64
	mu        sync.Mutex
	nodes     map[ident.NodeID]*testNode
	cut       map[[2]ident.NodeID]bool
}

type testNode struct {
	c     *cluster
	id    ident.NodeID
	boot  uint64
	fs    *wal.MemFS
	store store.Store
	log   *wal.Log
	host  *Host
	inbox chan func()
	done  chan struct{}
}

func newCluster(t *testing.T, nodes int, types ...Type) *cluster {
	c := &cluster{t: t, types: types, nodes: make(map[ident.NodeID]*testNode), cut: make(map[[2]ident.NodeID]bool)}
	for i := range nodes {
		id := ident.NodeID(i + 1)
		c.nodes[id] = &testNode{c: c, id: id, fs: wal.NewMemFS(), store: store.OpenMemory(fmt.Sprint(id))}
		c.start(id)
	}
	t.Cleanup(func() {
		for id := range c.nodes {
			c.stop(id)
		}
	})
	return c
}

func (c *cluster) start(id ident.NodeID) {
	c.t.Helper()
	n := c.nodes[id]
	var err error
	n.log, err = wal.Open("wal", wal.Options{FS: n.fs, SegmentBytes: 1 << 20, Checkpoints: n.store, MaxQueuedBytes: c.maxQueued})
	if err != nil {
		c.t.Fatal(err)
	}
	n.inbox, n.done = make(chan func(), 4096), make(chan struct{})
	logger := slog.New(slog.NewTextHandler(testWriter{c.t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	host, err := NewHost(HostConfig{Node: id, Log: n.log, Store: n.store, Transport: n, Types: c.types, Logger: logger, Tick: 10 * time.Millisecond})
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	n.host = host
	n.boot++
	c.mu.Unlock()
	go func() {
		defer close(n.done)
		for f := range n.inbox {
			f()
		}
	}()
	if err := host.Resume(); err != nil {
		c.t.Fatal(err)
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// stop ends a node's process; its disk stays.
func (c *cluster) stop(id ident.NodeID) {
	n := c.nodes[id]
	c.mu.Lock()
	host := n.host
	n.host = nil
	c.mu.Unlock()
	if host == nil {
		return
	}
	host.Close()
	c.mu.Lock()
	close(n.inbox)
	c.mu.Unlock()
	<-n.done
	if err := n.log.Close(); err != nil {
		c.t.Error(err)
	}
}

// to runs f on the other node's reader, unless the network drops it.
func (n *testNode) to(id ident.NodeID, f func(*Host, uint64)) error {
	c := n.c
	c.mu.Lock()
	defer c.mu.Unlock()
	peer := c.nodes[id]
	if peer == nil || peer.host == nil || n.host == nil || c.cut[[2]ident.NodeID{n.id, id}] {
		return nil
	}
	host, boot := peer.host, n.boot
	select {
	case peer.inbox <- func() { f(host, boot) }:
		return nil
	default:
		return errors.New("full")
	}
}

func (n *testNode) Send(to ident.NodeID, encode func([]byte) []byte) error {
	b := encode(nil)
	return n.to(to, func(h *Host, boot uint64) { h.Messages(n.id, boot, [][]byte{b}) })
}

func (n *testNode) SendHeartbeat(to ident.NodeID, payload []byte) {
	n.to(to, func(h *Host, boot uint64) { h.Heartbeat(n.id, boot, payload) })
}

func (n *testNode) SendSnapshot(_ context.Context, to ident.NodeID, header []byte, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	result := make(chan error, 1)
	if err := n.to(to, func(h *Host, _ uint64) {
		go func() { result <- h.Snapshot(n.id, header, bytes.NewReader(b)) }()
	}); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-time.After(2 * time.Second):
		return errors.New("lost")
	}
}

// cutOff separates a node from all others, or joins it again.
func (c *cluster) cutOff(id ident.NodeID, off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.nodes {
		c.cut[[2]ident.NodeID{id, other}], c.cut[[2]ident.NodeID{other, id}] = off, off
	}
}

func (c *cluster) host(id ident.NodeID) *Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id].host
}

var quick = Config{HeartbeatInterval: 50 * time.Millisecond, ElectionTimeout: 200 * time.Millisecond, SleepAfter: -1}

func (c *cluster) add(g ident.GroupID, typ string, config Config, on ...ident.NodeID) {
	c.t.Helper()
	spec := Spec{Group: g, Name: fmt.Sprintf("g%d", g), Type: typ, Config: config.Encode()}
	for i, id := range on {
		spec.First = append(spec.First, Peer{Member: ident.MemberID(i + 1), Node: id})
	}
	for i, id := range on {
		spec.Member = ident.MemberID(i + 1)
		if err := c.host(id).Start(spec); err != nil {
			c.t.Fatal(err)
		}
	}
}

// eventually polls state that no event tells of.
func (c *cluster) eventually(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			c.t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond) // between two looks, so that the lanes get the processor
	}
}

func (c *cluster) leader(g ident.GroupID) ident.NodeID {
	c.t.Helper()
	var leader ident.NodeID
	c.eventually(fmt.Sprintf("group %d has a leader", g), func() bool {
		var term uint64
		leader = 0
		for id := range c.nodes {
			if h := c.host(id); h != nil {
				if info, ok := h.Info(g); ok && info.Role == consensus.Leader && info.Term >= term {
					leader, term = id, info.Term
				}
			}
		}
		return leader != 0
	})
	return leader
}

// command retries until it is acknowledged.
func (c *cluster) command(g ident.GroupID, p Proposal) []byte {
	c.t.Helper()
	var result []byte
	c.eventually("a command is acknowledged", func() bool {
		b, err := c.try(c.leader(g), g, p)
		result = b
		return err == nil
	})
	return result
}

// errNoAnswer leaves the outcome of a command unknown.
var errNoAnswer = errors.New("no answer")

type outcome struct {
	result []byte
	err    error
}

func (c *cluster) try(at ident.NodeID, g ident.GroupID, p Proposal) ([]byte, error) {
	h := c.host(at)
	if h == nil {
		return nil, ErrStopped
	}
	done := make(chan outcome, 1)
	h.Propose(g, p, func(b []byte, err error) { done <- outcome{b, err} })
	select {
	case o := <-done:
		if o.err != nil {
			return nil, o.err
		}
		return DecodeResult(o.result)
	case <-time.After(5 * time.Second):
		return nil, errNoAnswer
	}
}

func (c *cluster) register(g ident.GroupID) uint64 {
	c.t.Helper()
	var session uint64
	c.eventually("a session is registered", func() bool {
		done := make(chan error, 1)
		c.host(c.leader(g)).Register(g, func(id uint64, err error) { session = id; done <- err })
		return <-done == nil
	})
	return session
}

// sum is a raw machine that adds numbers.
type sum struct{ n uint64 }

func (s *sum) Apply(_ Meta, b []byte) ([]byte, error) {
	if len(b) != 8 {
		return nil, errors.New("want eight bytes")
	}
	s.n += binary.LittleEndian.Uint64(b)
	return binary.LittleEndian.AppendUint64(nil, s.n), nil
}
func (s *sum) Query([]byte) ([]byte, error) { return binary.LittleEndian.AppendUint64(nil, s.n), nil }
func (s *sum) Snapshot() (func(io.Writer) error, error) {
	b := binary.LittleEndian.AppendUint64(nil, s.n)
	return func(w io.Writer) error { _, err := w.Write(b); return err }, nil
}
func (s *sum) Restore(r io.Reader) error {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	s.n = binary.LittleEndian.Uint64(b[:])
	return nil
}

var sumType = RawType("sum", func() Machine { return new(sum) })

func number(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func (c *cluster) local(id ident.NodeID, g ident.GroupID) uint64 {
	h := c.host(id)
	if h == nil {
		return 0
	}
	b, err := h.QueryLocal(g, nil)
	if err != nil || len(b) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (c *cluster) query(g ident.GroupID) uint64 {
	c.t.Helper()
	var n uint64
	c.eventually("a query is answered", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b, err := c.host(c.leader(g)).Query(ctx, g, nil)
		if err == nil {
			n = binary.LittleEndian.Uint64(b)
		}
		return err == nil
	})
	return n
}
