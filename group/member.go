package group

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// member is this node's replica of one group. Its lane owns everything but the
// parts that say otherwise.
type member struct {
	host  *Host
	lane  *lane
	spec  Spec
	typ   Type
	hooks *Hooks
	core  *consensus.Core

	awakeAt int // position in lane.awake, -1 while asleep
	touched bool
	begun   bool // it is on its lane; until then another goroutine builds it
	stopped bool
	failed  error
	apart   uint64   // which Salvage keeps it apart, 0 while none does
	late    []uint64 // writes that became durable meanwhile

	waiting   []proposal               // to be proposed at the end of this turn
	newReads  []func(ReadGrant, error) // to be asked at the end of this turn
	inflight  proposalQueue
	reads     []readRound // asked, not yet allowed, or allowed and not yet applied
	lastRead  uint64
	appliedAt uint64 // what the apply worker has reported

	unreadable int64 // since when the log cannot be read, monotonic; 0 while it can
	lazy       bool  // a commit index waits to be written with the next write
	lazyState  wal.State
	installing *installation
	strangers  []consensus.Member // who wrote to us and is not in our configuration
	role       consensus.Role     // as of the last changed()
	term       uint64
	peers      []ident.NodeID // nodes of the configuration, as counted in host.peers
	transfer   *transferWait
	leadership leadership
	compactAt  *consensus.SnapshotMeta // a durable snapshot whose log is kept for slow followers a while

	applyState applyState
	info       atomic.Pointer[Info]
	maxCommand atomic.Int64

	// snapshotMu orders the saving of snapshots against the member's destruction.
	snapshotMu sync.Mutex
	destroyed  bool
}

// Spec says which member of which group a node is to host. It is kept in the
// node's store, so that a restart needs nothing else.
type Spec struct {
	Group  ident.GroupID  `msgpack:"g"`
	Member ident.MemberID `msgpack:"m"`
	Name   string         `msgpack:"n"`
	Type   string         `msgpack:"t"`
	Config []byte         `msgpack:"c,omitempty"` // encoded Config of the group's first entry
	// Initial is the state the group begins with; nil is the type's own.
	Initial []byte `msgpack:"i,omitempty"`
	// First are the voters with which the group began. All members, also later
	// ones, start from this same beginning: index 1 of term 1.
	First []Peer `msgpack:"f"`
}

// Peer is a member and the node it lives on.
type Peer struct {
	Member ident.MemberID `msgpack:"m"`
	Node   ident.NodeID   `msgpack:"n"`
}

// Info is what a member publishes for lock-free reading.
type Info struct {
	Group       ident.GroupID
	Name        string
	Member      ident.MemberID
	Role        consensus.Role
	Term        uint64
	Leader      ident.NodeID // 0 while unknown
	ConfigIndex uint64
	Asleep      bool
	Failed      error // why it was stopped, nil while it runs
}

// NotLeaderError is returned when the asked member does not lead. It matches
// ErrNotLeader and says who does, as far as the member knows.
type NotLeaderError struct {
	Group  string
	Leader ident.NodeID // 0 when unknown
	Term   uint64
}

func (e *NotLeaderError) Error() string {
	if e.Leader == 0 {
		return fmt.Sprintf("group %q has no leader known here (term %d)", e.Group, e.Term)
	}
	return fmt.Sprintf("group %q is led by node %s (term %d)", e.Group, e.Leader, e.Term)
}

func (e *NotLeaderError) Is(target error) bool { return target == ErrNotLeader }

type readRound struct {
	id      uint64
	index   uint64
	allowed bool
	waiters []func(ReadGrant, error)
}

// storagePatience is how long a member's log may be unreadable before the member
// is stopped: reading is tried again every tick, and corruption does not pass.
const storagePatience = 10 * time.Second

// noteStorage stops a member whose log cannot be read.
func (m *member) noteStorage(err error) {
	now := m.host.exec.Monotonic()
	switch {
	case err == nil:
		m.unreadable = 0
	case errors.Is(err, wal.ErrCorrupt):
		m.fail(err)
	case m.unreadable == 0:
		m.unreadable = now
		m.host.log.Warn("a member's log cannot be read; trying again", "group", m.spec.Name, "error", err)
	case now-m.unreadable > int64(storagePatience):
		m.fail(err)
	}
}

// commandLimit is the largest command that the group takes.
func (m *member) commandLimit() int { return int(m.maxCommand.Load()) }

// live tells whether the member takes part: it was put on its lane, which reads
// nothing of it before, and was neither stopped nor failed.
func (m *member) live() bool { return m.begun && !m.stopped && m.failed == nil }

func (m *member) stoppedError() error {
	if m.failed != nil {
		return m.failed
	}
	return fmt.Errorf("group %q: %w", m.spec.Name, ErrStopped)
}

func (m *member) key() store.Key {
	return store.Key{Group: m.spec.Group, Member: m.spec.Member}
}

func (m *member) walKey() wal.Member {
	return wal.Member{Group: uint64(m.spec.Group), ID: uint64(m.spec.Member)}
}

// Entries lets the core read what it no longer keeps in memory.
func (m *member) Entries(lo, hi, maxBytes uint64) ([]consensus.Entry, error) {
	es, err := m.host.wal.Entries(m.walKey(), lo, hi, maxBytes)
	if err != nil {
		return nil, err
	}
	out := make([]consensus.Entry, len(es))
	for i, e := range es {
		out[i] = consensus.Entry{Index: e.Index, Term: e.Term, Kind: consensus.EntryKind(e.Kind), Data: e.Data}
	}
	return out, nil
}

// nodeOf finds where a member lives; 0 when nobody told.
func (m *member) nodeOf(id consensus.MemberID) ident.NodeID {
	if p, ok := m.core.Configuration().Member(id); ok {
		return ident.NodeID(p.Node)
	}
	for _, s := range m.strangers {
		if s.ID == id {
			return ident.NodeID(s.Node)
		}
	}
	return 0
}

// noteSender remembers where a member outside our configuration writes from: a
// member that is new here, or one that we have not heard of yet.
func (m *member) noteSender(id consensus.MemberID, node ident.NodeID) {
	if m.core.Configuration().Contains(id) {
		return
	}
	for i := range m.strangers {
		if m.strangers[i].ID == id {
			m.strangers[i].Node = uint64(node)
			return
		}
	}
	const most = 8
	if len(m.strangers) == most {
		m.strangers = append(m.strangers[:0], m.strangers[1:]...)
	}
	m.strangers = append(m.strangers, consensus.Member{ID: id, Node: uint64(node)})
}

// batchBytes is how large one entry's batch may grow. Larger batches would make
// a follower's first acknowledgement wait for more bytes on the wire.
const batchBytes = 512 << 10

// proposeWaiting turns what waited for this group into entries.
func (m *member) proposeWaiting() {
	if len(m.waiting) == 0 {
		return
	}
	rest := m.waiting
	now := m.host.exec.Now().UnixNano()
	for len(rest) > 0 {
		size, n := 16, 0
		for n < len(rest) && (n == 0 || size+len(rest[n].item.body)+itemOverhead <= batchBytes) {
			size += len(rest[n].item.body) + itemOverhead
			n++
		}
		b := appendBatchHeader(make([]byte, 0, size), now)
		for i := range rest[:n] {
			b = appendBatchItem(b, &rest[i].item)
		}
		index, term, err := m.core.Propose(b)
		if err != nil {
			err = m.refusal(err)
			for i := range rest[:n] {
				rest[i].done(nil, err)
			}
		} else {
			waiters := make([]func([]byte, error), n)
			for i := range waiters {
				waiters[i] = rest[i].done
			}
			m.inflight.push(proposed{index, term, waiters})
		}
		rest = rest[n:]
	}
	clear(m.waiting)
	m.waiting = m.waiting[:0]
}

// refusal translates why the core took nothing.
func (m *member) refusal(err error) error {
	switch {
	case errors.Is(err, consensus.ErrNotLeader):
		return m.notLeader()
	case errors.Is(err, consensus.ErrTransferring):
		return fmt.Errorf("group %q: %w", m.spec.Name, ErrTransferring)
	case errors.Is(err, consensus.ErrOverloaded):
		return fmt.Errorf("group %q: %w", m.spec.Name, ErrOverloaded)
	}
	return fmt.Errorf("group %q: %w", m.spec.Name, err)
}

func (m *member) notLeader() error {
	e := &NotLeaderError{Group: m.spec.Name, Term: m.core.Term()}
	if id := m.core.Leader(); id != 0 && id != m.core.ID() {
		e.Leader = m.nodeOf(id)
	}
	return e
}

// startReads asks for one read index for all queries of this turn.
func (m *member) startReads() {
	if len(m.newReads) == 0 {
		return
	}
	waiters := m.newReads
	m.newReads = nil
	if until := m.core.LeaseUntil(); until > m.host.exec.Monotonic() {
		if index := m.core.LeaseIndex(); index > 0 && index <= m.appliedAt {
			for _, done := range waiters {
				done(ReadGrant{LeaseUntil: until, member: m}, nil)
			}
			return
		}
	}
	m.lastRead++
	if err := m.core.Read(m.lastRead); err != nil {
		err = m.refusal(err)
		for _, done := range waiters {
			done(ReadGrant{}, err)
		}
		return
	}
	m.reads = append(m.reads, readRound{id: m.lastRead, waiters: waiters})
}

func (m *member) readReady(r consensus.ReadReady) {
	for i := range m.reads {
		if b := &m.reads[i]; b.id == r.ID {
			b.index, b.allowed = r.Index, true
			m.answerReads()
			return
		}
	}
}

// answerReads wakes the queries whose index has been applied.
func (m *member) answerReads() {
	kept := m.reads[:0]
	for _, b := range m.reads {
		if !b.allowed || b.index > m.appliedAt {
			kept = append(kept, b)
			continue
		}
		for _, done := range b.waiters {
			done(ReadGrant{member: m}, nil)
		}
	}
	clear(m.reads[len(kept):])
	m.reads = kept
}

func (m *member) appliedTo(index uint64) {
	if index <= m.appliedAt {
		return
	}
	m.appliedAt = index
	m.core.Applied(index)
	if len(m.reads) > 0 {
		m.answerReads()
	}
	m.compactWhenFollowed()
	if m.role == consensus.Leader && m.leadership.term != m.term {
		m.leadingChanged()
	}
}

// changed reacts to a new role, term, leader, configuration or sleep.
func (m *member) changed() {
	role, term := m.core.Role(), m.core.Term()
	if m.role == consensus.Leader && (role != consensus.Leader || term != m.term) {
		// Whether the next leader keeps these entries is not known here: the outcome
		// is unknown, and the session makes a retry safe.
		m.inflight.failAll(fmt.Errorf("group %q: %w", m.spec.Name, ErrLeadershipLost))
		m.failReads(m.notLeader())
	}
	m.role, m.term = role, term
	m.countPeers()
	m.publish()
	m.checkTransfer()
	m.leadingChanged()
}

func (m *member) publish() {
	info := &Info{
		Group: m.spec.Group, Name: m.spec.Name, Member: m.spec.Member,
		Role: m.core.Role(), Term: m.core.Term(), ConfigIndex: m.core.ConfigIndex(),
		Asleep: m.core.Asleep(), Failed: m.failed,
	}
	if id := m.core.Leader(); id == m.core.ID() && id != 0 {
		info.Leader = m.host.node
	} else if id != 0 {
		info.Leader = m.nodeOf(id)
	}
	if m.failed != nil {
		info.Role, info.Leader = consensus.Follower, 0
	}
	m.info.Store(info)
	if m.host.onChange != nil {
		m.host.onChange(*info)
	}
}

// countPeers keeps the host's count of nodes to which heartbeats go.
func (m *member) countPeers() {
	var now []ident.NodeID
	if m.live() {
		cfg := m.core.Configuration()
		for _, list := range [][]consensus.Member{cfg.Voters, cfg.Outgoing, cfg.Learners} {
			for _, p := range list {
				if n := ident.NodeID(p.Node); n != m.host.node {
					now = append(now, n)
				}
			}
		}
	}
	if equalNodes(now, m.peers) {
		return
	}
	m.host.countPeers(now, m.peers)
	m.peers = now
}

func equalNodes(a, b []ident.NodeID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (m *member) failReads(err error) {
	for _, b := range m.reads {
		for _, done := range b.waiters {
			done(ReadGrant{}, err)
		}
	}
	m.reads = nil
	for _, done := range m.newReads {
		done(ReadGrant{}, err)
	}
	m.newReads = nil
}

// failWaiting ends every call that waits for this member.
func (m *member) failWaiting(err error) {
	for i := range m.waiting {
		m.waiting[i].done(nil, err)
	}
	m.waiting = nil
	m.inflight.failAll(fmt.Errorf("group %q: %w: %w", m.spec.Name, ErrLeadershipLost, err))
	m.failReads(err)
	if m.transfer != nil {
		m.transfer.done(err)
		m.transfer = nil
	}
}

// fail stops this member for good and leaves the process and all others alone.
// It runs on the lane.
func (m *member) fail(reason error) {
	if !m.live() {
		return
	}
	m.failed = fmt.Errorf("group %q: %w: %w", m.spec.Name, ErrMemberFailed, reason)
	m.host.log.Error("a member failed and was stopped", "group", m.spec.Name, "group_id", m.spec.Group, "member", m.spec.Member, "reason", reason)
	m.failWaiting(m.failed)
	m.countPeers()
	m.lane.keepAwakeList(m)
	m.publish()
	m.leadingChanged()
	m.enqueueTask(applyTask{do: func() { m.drop(nil) }})
}

// rest gives back what a sleeping member does not need.
func (m *member) rest() {
	m.waiting, m.newReads, m.strangers = nil, nil, nil
	if len(m.reads) == 0 {
		m.reads = nil
	}
	m.inflight.shrink()
	m.applyState.rest()
}

// proposed is a batch that this leader appended to its log.
type proposed struct {
	index, term uint64
	waiters     []func([]byte, error)
}

// proposalQueue holds them in the order of their index.
type proposalQueue struct {
	items []proposed
	head  int
}

func (q *proposalQueue) push(p proposed) {
	if q.head > 0 && q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	q.items = append(q.items, p)
}

// take returns the waiters of the committed entry at (index, term). A batch that
// should have stood at or before index and was replaced is refused: it was
// never applied and never will be.
func (q *proposalQueue) take(index, term uint64, replaced error) []func([]byte, error) {
	for q.head < len(q.items) {
		p := &q.items[q.head]
		if p.index > index {
			return nil
		}
		waiters, match := p.waiters, p.index == index && p.term == term
		*p = proposed{}
		q.head++
		if match {
			if q.head > 64 && q.head*2 > len(q.items) {
				n := copy(q.items, q.items[q.head:])
				clear(q.items[n:])
				q.items, q.head = q.items[:n], 0
			}
			return waiters
		}
		for _, done := range waiters {
			done(nil, replaced)
		}
	}
	return nil
}

func (q *proposalQueue) failAll(err error) {
	for _, p := range q.items[q.head:] {
		for _, done := range p.waiters {
			done(nil, err)
		}
	}
	q.items, q.head = nil, 0
}

func (q *proposalQueue) shrink() {
	if q.head == len(q.items) {
		q.items, q.head = nil, 0
	}
}
