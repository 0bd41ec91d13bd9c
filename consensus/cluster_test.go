package consensus

import (
	"fmt"
	"hash/fnv"
	"math/rand"
	"slices"
)

// testDisk is what survives a crash of a testNode.
type testDisk struct {
	state    HardState
	snap     SnapshotMeta
	base     uint64 // the log starts behind it
	baseTerm uint64
	log      []Entry
}

func (d *testDisk) last() uint64 { return d.base + uint64(len(d.log)) }

// holds reports whether the entry is safe: in the log, or in the snapshot.
func (d *testDisk) holds(index, term uint64) bool {
	if index <= d.snap.Index {
		return true
	}
	return index > d.base && index <= d.last() && d.log[index-d.base-1].Term == term
}

// Entries makes the disk a Storage.
func (d *testDisk) Entries(lo, hi, maxBytes uint64) ([]Entry, error) {
	if lo <= d.base || hi > d.last()+1 || lo >= hi {
		return nil, fmt.Errorf("entries %d to %d of a durable log from %d to %d", lo, hi-1, d.base+1, d.last())
	}
	var entries []Entry
	size := uint64(0)
	for _, e := range d.log[lo-d.base-1 : hi-d.base-1] {
		size += uint64(len(e.Data))
		if len(entries) > 0 && size > maxBytes {
			break
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (d *testDisk) write(w *Write) {
	if w.StateChanged {
		d.state = w.State
	}
	if w.Install != nil {
		d.snap = w.Install.Clone()
		d.base, d.baseTerm, d.log = d.snap.Index, d.snap.Term, nil
		return
	}
	if len(w.Entries) == 0 {
		return
	}
	first := w.Entries[0].Index
	if first <= d.base || first > d.last()+1 {
		panic(fmt.Sprintf("write from %d to a log from %d to %d", first, d.base+1, d.last()))
	}
	d.log = append(slices.Clip(d.log[:first-d.base-1]), w.Entries...)
}

// testNode is a member with its disk and its state machine, which is a hash
// over the entries that it applied.
type testNode struct {
	id        MemberID
	cfg       Config
	core      *Core
	out       Output
	disk      testDisk
	writes    []Write // on their way to the disk
	lazy      *Write
	committed []Entry // handed out, not applied
	applied   uint64
	machine   uint64
	view      testDisk // the log as handed out, durable or not
	reads     map[uint64]uint64
	frozen    int64  // until when it stands still, as a paused process
	commit    uint64 // since the start
	heard     int64  // when its leader was last heard, since the start
	asleep    bool
}

func (n *testNode) up() bool { return n.core != nil }

// runs reports whether it is up and not frozen.
func (c *cluster) runs(n *testNode) bool { return n.up() && n.frozen <= c.now }

func hashEntry(h uint64, e *Entry) uint64 {
	f := fnv.New64a()
	fmt.Fprintf(f, "%d %d %d %d %s", h, e.Index, e.Term, e.Kind, e.Data)
	return f.Sum64()
}

type testMessage struct {
	bytes    []byte
	from, to MemberID
	snapshot uint64 // index, if it carries one
}

// cluster runs members over a network and disks that do as they are told, and
// checks after every step what Raft promises.
type cluster struct {
	rand    *rand.Rand
	nodes   map[MemberID]*testNode
	ids     []MemberID
	network []testMessage
	now     int64
	cut     map[[2]MemberID]bool // links that lose everything
	// restarts is how often, out of a hundred times, one that is asked for its vote
	// has just crashed.
	restarts int
	trace    func(format string, args ...any)
	onRead   func(id MemberID, r ReadReady)
	// beforeStep is called before each step of a random schedule, if it is set.
	beforeStep func()

	leaders   map[uint64]MemberID    // by term
	committed map[uint64]uint64      // index -> term
	since     map[uint64]uint64      // index -> term of who first knew it to be committed
	states    map[uint64]uint64      // index -> state of the machine
	chains    map[[2]uint64]uint64   // (index, term) -> hash of the log up to there
	highest   uint64                 // highest index that anyone knew to be committed
	votes     map[[2]uint64]MemberID // (member, term) -> whom it voted for on disk
	nextRead  uint64
	answered  int
	promises  promises
	failure   error
}

const testTick = int64(1e6)

func newCluster(seed int64) *cluster {
	return &cluster{
		rand: rand.New(rand.NewSource(seed)), nodes: map[MemberID]*testNode{}, cut: map[[2]MemberID]bool{},
		trace: func(string, ...any) {}, onRead: func(MemberID, ReadReady) {},
		leaders: map[uint64]MemberID{}, committed: map[uint64]uint64{}, since: map[uint64]uint64{}, states: map[uint64]uint64{1: 1},
		chains: map[[2]uint64]uint64{}, votes: map[[2]uint64]MemberID{}, promises: newPromises(),
	}
}

func (c *cluster) fail(format string, args ...any) {
	if c.failure == nil {
		c.failure = fmt.Errorf(format, args...)
	}
}

func voters(ids ...MemberID) Configuration {
	var config Configuration
	for _, id := range ids {
		config.Voters = append(config.Voters, Member{ID: id, Node: uint64(id) * 10})
	}
	return config
}

// first is the disk of one of a group's first voters.
func firstDisk(config Configuration) testDisk {
	return testDisk{state: HardState{Term: 1, Commit: 1}, snap: SnapshotMeta{Index: 1, Term: 1, Config: config, ConfigIndex: 1}, base: 1, baseTerm: 1}
}

func (c *cluster) add(id MemberID, cfg Config, disk testDisk) *testNode {
	cfg.ID = id
	if cfg.Rand == nil {
		cfg.Rand = c.rand.Intn
	}
	n := &testNode{id: id, cfg: cfg, disk: disk}
	c.nodes[id] = n
	c.ids = append(c.ids, id)
	c.start(n)
	return n
}

func (c *cluster) start(n *testNode) {
	d := &n.disk
	core, err := New(n.cfg, d, Start{State: d.state, Snapshot: d.snap, LastIndex: d.last()})
	if err != nil {
		c.fail("start %d: %v", n.id, err)
		return
	}
	if core.LogDiscarded() {
		d.base, d.baseTerm, d.log = d.snap.Index, d.snap.Term, nil
	}
	n.core, n.writes, n.lazy, n.committed = core, nil, nil, nil
	n.applied, n.machine = d.snap.Index, c.states[d.snap.Index]
	n.view = *d
	n.view.log = slices.Clone(d.log)
	n.reads = map[uint64]uint64{}
	n.commit, n.asleep, n.frozen, n.heard = core.Commit(), false, 0, 0
	c.handle(n)
}

// crash loses all but the disk; of the writes on their way, the first few made it.
func (c *cluster) crash(n *testNode, survive int) {
	for range min(survive, len(n.writes)) {
		c.persistOne(n, c.rand.Intn(4) == 0)
	}
	n.core = nil
}

// persistOne completes the oldest write. A torn install leaves the snapshot
// stored and the log as it was.
func (c *cluster) persistOne(n *testNode, torn bool) {
	w := n.writes[0]
	n.writes = n.writes[1:]
	if w.Install != nil && torn {
		n.disk.snap = w.Install.Clone()
		return
	}
	n.disk.write(&w)
	c.checkVote(n)
	if w.Install != nil {
		n.committed = nil
		n.applied, n.machine = w.Install.Index, c.states[w.Install.Index]
	}
}

func (c *cluster) persist(n *testNode, count int) {
	for range min(count, len(n.writes)) {
		ticket := n.writes[0].Ticket
		c.persistOne(n, false)
		if len(n.writes) == 0 || c.rand.Intn(2) == 0 {
			n.core.Persisted(ticket) // one report may stand for several
		}
	}
	c.handle(n)
}

func (c *cluster) apply(n *testNode, count int) {
	for range min(count, len(n.committed)) {
		e := n.committed[0]
		n.committed = n.committed[1:]
		if e.Index != n.applied+1 {
			c.fail("member %d applies %d behind %d", n.id, e.Index, n.applied)
			return
		}
		n.applied, n.machine = e.Index, hashEntry(n.machine, &e)
		if state, ok := c.states[e.Index]; ok && state != n.machine {
			c.fail("state machine safety: member %d differs at %d", n.id, e.Index)
		}
		c.states[e.Index] = n.machine
	}
	n.core.Applied(n.applied)
	c.handle(n)
}

// compact takes a snapshot, and perhaps ends before the log is cut.
func (c *cluster) compact(n *testNode) {
	index := n.applied
	if index <= n.disk.snap.Index || n.core.AppliedIndex() != index {
		return
	}
	// Only what the core handed out is known to be in the log.
	config, configIndex := n.core.ConfigurationAt(index)
	term, ok := n.core.log.term(index)
	if !ok || len(n.writes) > 0 && n.writes[0].Install != nil {
		return
	}
	meta := SnapshotMeta{Index: index, Term: term, Config: config.Clone(), ConfigIndex: configIndex}
	n.disk.snap = meta
	if err := n.core.Compact(meta); err != nil {
		c.fail("member %d: %v", n.id, err)
	}
	if c.rand.Intn(2) == 0 && len(n.writes) == 0 {
		n.disk.log = slices.Clone(n.disk.log[index-n.disk.base:])
		n.disk.base, n.disk.baseTerm = index, term
	}
	c.handle(n)
}

// handle does what the core wants, except for disk and machine, which are
// driven from outside.
func (c *cluster) handle(n *testNode) {
	for rounds := 0; n.core.HasOutput(); rounds++ {
		if rounds > 1000 {
			c.fail("member %d never ceases to have output", n.id)
			return
		}
		n.core.Output(&n.out)
		o := &n.out
		if o.StorageErr != nil {
			c.fail("member %d: %v", n.id, o.StorageErr)
		}
		for i := range o.Messages {
			c.post(&o.Messages[i])
		}
		if o.Write.Ticket != 0 || o.Write.StateChanged {
			w := o.Write
			w.Entries = slices.Clone(w.Entries)
			if w.Install != nil {
				s := w.Install.Clone()
				w.Install = &s
			}
			if w.Ticket == 0 {
				if len(n.writes) == 0 { // it may be left out, but not overtake
					n.disk.state = w.State
				}
			} else {
				n.writes = append(n.writes, w)
				c.checkWrite(n, &w)
			}
		}
		n.committed = append(n.committed, o.Committed...)
		c.checkCommitted(n, o.Committed)
		for _, r := range o.Reads {
			if r.Index < n.reads[r.ID] {
				c.fail("stale read: member %d answers %d with %d, %d was committed before", n.id, r.ID, r.Index, n.reads[r.ID])
			}
			delete(n.reads, r.ID)
			c.answered++
			c.onRead(n.id, r)
		}
		for _, to := range o.NeedSnapshot {
			m := n.core.SnapshotMessage(to, n.disk.snap)
			c.post(&m)
		}
		if o.Changed && n.core.Role() != Leader {
			clear(n.reads)
		}
		c.checkNode(n)
		c.checkBounds(n)
		c.checkSleep(n)
		if o.Changed || len(o.Write.Entries) > 0 {
			c.checkConfig(n)
		}
	}
}

func (c *cluster) post(m *Message) {
	t := testMessage{bytes: AppendMessage(nil, m), from: m.From, to: m.To}
	if m.Snapshot != nil {
		t.snapshot = m.Snapshot.Index
	}
	c.noteMessage(m)
	c.network = append(c.network, t)
}

// deliver takes message i off the network and hands it over, unless lost.
func (c *cluster) deliver(i int, lose, twice bool) {
	t := c.network[i]
	if to := c.nodes[t.to]; to != nil && to.frozen > c.now && !lose {
		return // it waits at the door
	}
	if !twice {
		c.network[i] = c.network[len(c.network)-1]
		c.network = c.network[:len(c.network)-1]
	}
	n := c.nodes[t.to]
	lose = lose || n == nil || !n.up() || c.cut[[2]MemberID{t.from, t.to}]
	if t.snapshot != 0 && !twice {
		if from := c.nodes[t.from]; from != nil && from.up() {
			defer func() {
				from.core.SnapshotSent(t.to, t.snapshot, !lose)
				c.handle(from)
			}()
		}
	}
	if lose {
		if from := c.nodes[t.from]; from != nil && c.runs(from) && c.rand.Intn(8) == 0 {
			from.core.Unreachable(t.to)
			c.handle(from)
		}
		return
	}
	m, err := DecodeMessage(t.bytes)
	if err != nil {
		c.fail("decode: %v", err)
		return
	}
	c.trace("%v", m)
	if (m.Kind == MsgPreVote || m.Kind == MsgVote) && c.rand.Intn(100) < c.restarts {
		c.crash(n, c.rand.Intn(4))
		c.start(n) // at once: what it promised still counts
	}
	before := n.core.Term()
	protects := n.core.Role() == Follower && n.core.Leader() != 0 && n.heard > 0 && c.now-n.heard < int64(n.core.cfg.ElectionTicks)*testTick
	if err := n.core.Step(m); err != nil {
		c.fail("member %d: %v", n.id, err)
	}
	switch {
	case m.Kind == MsgVote && m.Context != voteForced && protects && n.core.Term() > before:
		c.fail("member %d hears its leader and follows %d to term %d", n.id, m.From, m.Term)
	case (m.Kind == MsgAppend || m.Kind == MsgHeartbeat) && n.core.Leader() == m.From && n.core.Term() == m.Term:
		n.heard = c.now
	}
	c.handle(n)
}

// wake has a member know that its leader's node is silent: where no leases are used it
// protects that leader no more.
func (n *testNode) wake() {
	if n.core.Asleep() && n.core.cfg.LeaseNanos == 0 {
		n.heard = 0
	}
	n.core.Wake()
}

func (c *cluster) tick(n *testNode) {
	n.core.Tick(c.now)
	c.handle(n)
}

func (c *cluster) read(n *testNode) {
	c.nextRead++
	if n.core.Read(c.nextRead) == nil {
		n.reads[c.nextRead] = c.highest
		c.handle(n)
	}
}
