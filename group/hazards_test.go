package group

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// A snapshot on its way to a member that was destroyed meanwhile leaves nothing
// behind, also not for the one that takes its place.
func TestHazard27_SnapshotForADestroyedMember(t *testing.T) {
	c := newCluster(t, 1, sumType)
	h := c.host(1)
	spec := Spec{Group: g1, Member: 1, Name: "g", Type: "sum", Config: quick.Encode(), First: []Peer{{1, 1}, {2, 8}, {3, 9}}}
	if err := h.Start(spec); err != nil {
		t.Fatal(err)
	}
	meta := spec.initialMeta()
	meta.Index, meta.Term = 10, 5
	header := binary.LittleEndian.AppendUint64(nil, uint64(g1))
	header = consensus.AppendMessage(header, &consensus.Message{Kind: consensus.MsgSnapshot, From: 2, To: 1, Term: 5, Snapshot: &meta})
	a := applyState{index: 10, config: quick.withDefaults(), sessions: newSessionTable(0, 0)}
	body := append(a.snapshotHead(), number(100)...)

	r, w := io.Pipe()
	received := make(chan error, 1)
	go func() { received <- h.Snapshot(8, header, r) }()
	if _, err := w.Write(body[:10]); err != nil { // half of it is here
		t.Fatal(err)
	}
	if err := h.Destroy(g1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body[10:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := <-received; err != nil && !errors.Is(err, ErrNoMember) && !errors.Is(err, ErrStopped) {
		t.Fatal(err)
	}
	if err := h.Snapshot(8, header, bytes.NewReader(body)); !errors.Is(err, ErrNoMember) {
		t.Fatalf("one that comes after: %v", err)
	}
	spec.Member = 4 // the group's next member on this node
	spec.First = append(spec.First, Peer{4, 1})
	if err := h.Start(spec); err != nil {
		t.Fatal(err)
	}
	if err := h.Snapshot(8, header, bytes.NewReader(body)); !errors.Is(err, ErrNoMember) {
		t.Fatalf("the old one's for the new one: %v", err)
	}
	h.member(g1).lane.callWait(func() {})
	for _, member := range []ident.MemberID{1, 4} {
		if s, found, err := h.store.SnapshotInfo(store.Key{Group: g1, Member: member}); found || err != nil {
			t.Fatalf("member %d has a snapshot: %+v, %v", member, s, err)
		}
	}
	if records, err := h.store.Members(); err != nil || len(records) != 1 || records[0].Key.Member != 4 {
		t.Fatalf("%+v, %v", records, err)
	}
}

// keeper is a machine that keeps every command it was given, as it was given.
type keeper struct {
	mu   sync.Mutex
	seen [][]byte
}

func (k *keeper) Apply(_ Meta, b []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = append(k.seen, bytes.Clone(b))
	return nil, nil
}
func (k *keeper) Query([]byte) ([]byte, error) { return nil, nil }
func (k *keeper) Snapshot() (func(io.Writer) error, error) {
	return func(io.Writer) error { return nil }, nil
}
func (k *keeper) Restore(io.Reader) error { return nil }

// What the leader applies is what stands in the log, byte for byte, also where the
// caller breaks its promise and writes over the command: otherwise it would differ
// from all who apply it from the log.
func TestHazard43_TheLeaderAppliesTheLogsBytes(t *testing.T) {
	var mu sync.Mutex
	var machines []*keeper
	typ := RawType("keeper", func() Machine {
		mu.Lock()
		defer mu.Unlock()
		machines = append(machines, new(keeper))
		return machines[len(machines)-1]
	})
	c := newCluster(t, 1, typ)
	c.add(g1, "keeper", quick, 1)
	c.leader(g1)
	const commands = 50
	open := make(chan struct{})
	c.nodes[1].fs.SetFault(func(op wal.Op) error {
		if op.Kind == "sync" {
			<-open // until the callers have written over their commands
		}
		return nil
	})
	done := make(chan error, commands)
	bodies := make([][]byte, commands)
	for i := range bodies {
		bodies[i] = bytes.Repeat([]byte{byte(i)}, 100)
		c.host(1).Propose(g1, Proposal{Body: bodies[i]}, func(_ []byte, err error) { done <- err })
	}
	for range 2 { // the first may run before the commands of its turn
		c.host(1).member(g1).lane.callWait(func() {})
	}
	for _, b := range bodies {
		clear(b)
	}
	close(open)
	for range bodies {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	c.stop(1)
	c.start(1)
	c.command(g1, Proposal{Body: []byte("the last")})
	first, again := machines[0], machines[len(machines)-1]
	again.mu.Lock()
	defer again.mu.Unlock()
	if len(first.seen) != commands || len(again.seen) != commands+1 {
		t.Fatalf("applied %d, and from the log %d", len(first.seen), len(again.seen))
	}
	for i := range first.seen {
		if !bytes.Equal(first.seen[i], again.seen[i]) {
			t.Fatalf("command %d: the leader applied %q, the log has %q", i, first.seen[i], again.seen[i])
		}
	}
}

// Far more than can be taken is refused at once and not queued; when the flood is
// over the group serves as before, and applied exactly what it acknowledged.
func TestHazard46_OverloadPassesWithItsCause(t *testing.T) {
	c := newCluster(t, 3, sumType)
	c.maxQueued = 16 << 10
	for id := range c.nodes {
		c.stop(id)
		c.start(id)
	}
	c.add(g1, "sum", quick, 1, 2, 3)
	c.command(g1, Proposal{Body: number(1)})
	leader := c.leader(g1)
	var sum outcomes
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		for range 1000 {
			sum.wg.Add(1)
			c.host(leader).Propose(g1, Proposal{Body: number(1)}, sum.note)
		}
	}
	sum.wg.Wait() // every call is answered
	if sum.done == 0 {
		t.Fatal("nothing was done")
	}
	if _, err := c.try(c.leader(g1), g1, Proposal{Body: number(0)}); err != nil {
		t.Fatalf("after the flood: %v", err)
	}
	if n := c.query(g1); n < sum.done+1 || n > sum.done+sum.unknown+1 {
		t.Fatalf("the sum is %d after %d acknowledged and %d unknown additions", n, sum.done+1, sum.unknown)
	}
	t.Logf("%d done, %d refused, %d unknown", sum.done, sum.refused, sum.unknown)
}

type outcomes struct {
	wg                     sync.WaitGroup
	mu                     sync.Mutex
	done, refused, unknown uint64
}

func (o *outcomes) note(_ []byte, err error) {
	o.mu.Lock()
	switch {
	case err == nil:
		o.done++
	case OutcomeOf(err) == Unknown:
		o.unknown++
	default:
		o.refused++
	}
	o.mu.Unlock()
	o.wg.Done()
}
