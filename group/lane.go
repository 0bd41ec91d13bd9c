package group

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// A lane is an event loop that owns many members: only its goroutine touches
// their cores, so they need no locks. Producers put events into the inbox, a
// double buffer; a turn takes everything that waits, steps every member that is
// concerned, and gathers their output once: messages to the wire, all writes of
// all members to the log as one batch, committed entries to the apply workers.
// A lane never waits for a disk, a peer or a state machine.
type lane struct {
	host  *Host
	index int
	wake  chan struct{}
	done  chan struct{}

	mu     sync.Mutex
	inbox  inbox
	closed bool

	// queued counts the bytes of proposals and messages that wait in the inbox.
	queued atomic.Int64

	// Owned by the lane's goroutine.
	taken      inbox // the other half of the double buffer
	members    map[ident.GroupID]*member
	awake      []*member // the members that need ticks
	touched    []*member // the members that did something this turn
	out        consensus.Output
	batch      *wal.Batch
	writes     *laneWrites
	freeWrites sync.Pool // of *laneWrites
	entries    []wal.Entry
	sender     messageSender
	stalled    bool // the disk hangs: say nothing that keeps a leadership alive
	// blocked: the log takes no more for now. The batch waits and is offered again in
	// every turn. Meanwhile nothing is taken in that would make it grow much, but
	// members go on: who waits hears of it when the leadership is lost.
	blocked    bool
	quietUntil int64 // monotonic; until then the log being full is not logged again
}

// blockedQuiet is how often a lane logs that the log takes no more.
const blockedQuiet = 10 * time.Second

// maxQueuedBytes bounds what waits in the inbox of one lane. Beyond it proposals
// are refused and messages are dropped, which Raft repairs.
const maxQueuedBytes = 64 << 20

// submitBytes is how large a batch of the log grows before it is handed over within
// a turn.
const submitBytes = 256 << 10

type inbox struct {
	calls     []func()
	proposals []proposal
	reads     []readRequest
	messages  []inMessage
	persisted []*laneWrites
	applied   []appliedEvent
	ticks     int
}

type proposal struct {
	member *member
	item   batchItem
	done   func(result []byte, err error)
}

type readRequest struct {
	member *member
	done   func(ReadGrant, error)
}

// ReadGrant allows one query to be answered from the local state, if Host.Expired
// denies that it has expired once the answer is computed.
type ReadGrant struct {
	// LeaseUntil is not zero where no quorum was asked: until when, in monotonic
	// time, none needs to be.
	LeaseUntil int64
	member     *member
}

type inMessage struct {
	member *member
	from   ident.NodeID
	body   []byte
}

type appliedEvent struct {
	member *member
	index  uint64
}

func newLane(h *Host) *lane {
	l := &lane{
		host:    h,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		members: make(map[ident.GroupID]*member),
	}
	l.sender.encode = l.sender.append
	return l
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// call runs f on the lane, in order with other calls. It returns false when the
// lane has ended and f will not run.
func (l *lane) call(f func()) bool {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	l.inbox.calls = append(l.inbox.calls, f)
	l.mu.Unlock()
	l.signal()
	return true
}

// callWait is call that returns after f ran.
func (l *lane) callWait(f func()) bool {
	ran := make(chan struct{})
	if !l.call(func() { f(); close(ran) }) {
		return false
	}
	if l.host.manual {
		l.takeTurn()
	}
	select {
	case <-ran:
		return true
	case <-l.done:
		select {
		case <-ran:
			return true
		default:
			return false
		}
	}
}

func (l *lane) propose(p proposal) error {
	size := int64(len(p.item.body) + itemOverhead)
	if l.queued.Add(size) > maxQueuedBytes {
		l.queued.Add(-size)
		return ErrOverloaded
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.queued.Add(-size)
		return ErrStopped
	}
	l.inbox.proposals = append(l.inbox.proposals, p)
	l.mu.Unlock()
	l.signal()
	return nil
}

func (l *lane) read(r readRequest) error {
	if l.queued.Add(itemOverhead) > maxQueuedBytes {
		l.queued.Add(-itemOverhead)
		return ErrOverloaded
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.queued.Add(-itemOverhead)
		return ErrStopped
	}
	l.inbox.reads = append(l.inbox.reads, r)
	l.mu.Unlock()
	l.signal()
	return nil
}

// deliver hands over messages; those beyond the bound are dropped.
func (l *lane) deliver(ms []inMessage) {
	var size int64
	for i := range ms {
		size += int64(len(ms[i].body))
	}
	if l.queued.Add(size) > maxQueuedBytes {
		l.queued.Add(-size)
		return
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.queued.Add(-size)
		return
	}
	l.inbox.messages = append(l.inbox.messages, ms...)
	l.mu.Unlock()
	l.signal()
}

func (l *lane) applied(m *member, index uint64) {
	l.mu.Lock()
	if !l.closed {
		l.inbox.applied = append(l.inbox.applied, appliedEvent{m, index})
	}
	l.mu.Unlock()
	l.signal()
}

func (l *lane) tick() {
	l.mu.Lock()
	// Ticks that a late lane missed are lost on purpose: an election timeout must
	// never run faster than time.
	l.inbox.ticks = 1
	l.mu.Unlock()
	l.signal()
}

// run is the goroutine of the lane; it ends after close, with everything that
// waited then refused.
func (l *lane) run() {
	defer close(l.done)
	for range l.wake {
		if l.takeTurn() {
			return
		}
	}
}

// takeTurn does everything that waits, and tells whether it was the last turn.
func (l *lane) takeTurn() (last bool) {
	l.mu.Lock()
	l.taken, l.inbox = l.inbox, l.taken
	last = l.closed
	l.mu.Unlock()
	l.turn(&l.taken)
	l.taken.reset()
	return last
}

func (l *lane) close() {
	l.mu.Lock()
	l.inbox.calls = append(l.inbox.calls, l.shutdown)
	l.closed = true
	l.mu.Unlock()
	if l.host.manual {
		l.takeTurn()
		close(l.done)
		return
	}
	l.signal()
	<-l.done
}

// inOrder lists the lane's members by GroupID: where many are concerned, the order
// of a map would make every run another one.
func (l *lane) inOrder() []*member {
	all := slices.Collect(maps.Values(l.members))
	slices.SortFunc(all, func(a, b *member) int { return cmp.Compare(a.spec.Group, b.spec.Group) })
	return all
}

// shutdown fails what waits and writes the commit indices that were left for later.
func (l *lane) shutdown() {
	for _, m := range l.inOrder() {
		m.failWaiting(ErrStopped)
		l.writeLazyState(m)
		m.stopped = true
	}
}

func (in *inbox) reset() {
	const keep = 4096 // entries that an inbox keeps room for between turns
	clear(in.calls)
	clear(in.proposals)
	clear(in.reads)
	clear(in.messages)
	clear(in.persisted)
	clear(in.applied)
	if cap(in.messages) > keep || cap(in.proposals) > keep {
		*in = inbox{}
		return
	}
	in.calls, in.proposals, in.reads = in.calls[:0], in.proposals[:0], in.reads[:0]
	in.messages, in.persisted, in.applied = in.messages[:0], in.persisted[:0], in.applied[:0]
	in.ticks = 0
}

// turn is one step of the loop: everything in, then everything out, once.
func (l *lane) turn(in *inbox) {
	for _, f := range in.calls {
		f()
	}
	for _, w := range in.persisted {
		for i, t := range w.tickets {
			if m := w.members[i]; m.live() {
				m.persisted(t)
			}
		}
		w.release()
	}
	var queued int64
	for i := range in.messages {
		queued += int64(len(in.messages[i].body))
		l.step(&in.messages[i])
	}
	for _, a := range in.applied {
		if a.member.live() {
			a.member.appliedTo(a.index)
			l.touch(a.member)
		}
	}
	for i := range in.proposals {
		p := &in.proposals[i]
		queued += int64(len(p.item.body) + itemOverhead)
		if !p.member.live() {
			p.done(nil, p.member.stoppedError())
			continue
		}
		if l.blocked {
			p.done(nil, fmt.Errorf("group %q: the log of node %s is behind: %w", p.member.spec.Name, l.host.node, ErrOverloaded))
			continue
		}
		p.member.waiting = append(p.member.waiting, *p)
		l.touch(p.member)
	}
	for i := range in.reads {
		r := &in.reads[i]
		queued += itemOverhead
		if !r.member.live() {
			r.done(ReadGrant{}, r.member.stoppedError())
			continue
		}
		r.member.newReads = append(r.member.newReads, r.done)
		l.touch(r.member)
	}
	l.queued.Add(-queued)
	if in.ticks > 0 {
		l.tickAwake()
	}
	l.flush()
}

func (l *lane) tickAwake() {
	now := l.host.exec.Monotonic()
	l.stalled = l.host.diskStalled()
	for _, m := range l.awake {
		if m.apart != 0 {
			continue
		}
		m.core.Tick(now)
		m.checkTransfer()
		l.touch(m)
	}
}

func (l *lane) touch(m *member) {
	if !m.touched {
		m.touched = true
		l.touched = append(l.touched, m)
	}
}

// step hands one message to its member.
func (l *lane) step(in *inMessage) {
	m := in.member
	if !m.live() || m.apart != 0 {
		return
	}
	msg, err := consensus.DecodeMessage(in.body)
	if err != nil {
		l.host.log.Warn("a consensus message cannot be read and was dropped", "group", m.spec.Name, "peer", in.from, "error", err)
		return
	}
	if msg.To != consensus.MemberID(m.spec.Member) || msg.Snapshot != nil {
		return // meant for another incarnation of this name or place; or a snapshot without its body
	}
	m.noteSender(msg.From, in.from)
	if len(msg.Entries) > 0 && (l.blocked || l.host.wal.Full()) {
		// What is left of a full disk is for votes and for shrinking the log. Without its
		// entries the message still says that the leader lives, and they come again.
		msg.Entries = nil
	}
	if err := m.core.Step(msg); errors.Is(err, consensus.ErrDiverged) {
		m.fail(err)
		return
	} else if err != nil {
		l.host.log.Debug("a consensus message was refused", "group", m.spec.Name, "peer", in.from, "kind", msg.Kind, "error", err)
	}
	l.touch(m)
}

// flush gathers the output of every member that did something, until none has
// any left: completing a proposal may wake another.
func (l *lane) flush() {
	for i := 0; i < len(l.touched); i++ {
		m := l.touched[i]
		m.touched = false
		if !m.live() || m.apart != 0 {
			continue
		}
		m.proposeWaiting()
		m.startReads()
		for m.live() && m.core.HasOutput() {
			m.core.Output(&l.out)
			l.handle(m)
		}
		l.keepAwakeList(m)
		if l.batch != nil && !l.blocked && l.batch.Size() >= submitBytes {
			l.submit() // the disk need not wait for the rest of the turn, and buffers stay small
		}
	}
	clear(l.touched)
	l.touched = l.touched[:0]
	if l.batch != nil {
		l.submit()
	}
}

// handle passes the output of one member on.
func (l *lane) handle(m *member) {
	out := &l.out
	if len(out.Messages) > 0 {
		l.send(m, out.Messages)
	}
	switch w := &out.Write; {
	case w.Install != nil || m.installing != nil:
		m.hold(l, out)
	case w.Ticket != 0:
		l.write(m, w)
		m.enqueueCommitted(out.Committed)
	default:
		if w.StateChanged {
			m.lazyState, m.lazy = walState(w.State), true
		}
		m.enqueueCommitted(out.Committed)
	}
	for _, r := range out.Reads {
		m.readReady(r)
	}
	for _, to := range out.NeedSnapshot {
		l.host.sendSnapshot(m, to)
	}
	if out.Changed {
		m.changed()
	}
	m.noteStorage(out.StorageErr)
}

func walState(s consensus.HardState) wal.State {
	return wal.State{Term: s.Term, Vote: uint64(s.Vote), Commit: s.Commit}
}

// write adds one write of a member to the turn's batch.
func (l *lane) write(m *member, w *consensus.Write) {
	l.open()
	l.entries = l.entries[:0]
	for i := range w.Entries {
		e := &w.Entries[i]
		l.entries = append(l.entries, wal.Entry{Index: e.Index, Term: e.Term, Kind: uint8(e.Kind), Data: e.Data})
	}
	st := walState(w.State)
	m.lazy = false
	l.batch.Append(m.walKey(), &st, l.entries)
	clear(l.entries)
	l.writes.add(m, w.Ticket)
}

func (l *lane) open() {
	if l.batch == nil {
		l.batch = l.host.wal.NewBatch()
		l.writes = l.takeWrites()
	}
}

// writeLazyState writes a commit index for which no write was due; nobody waits for it.
func (l *lane) writeLazyState(m *member) {
	if !m.lazy || m.installing != nil {
		return
	}
	m.lazy = false
	l.open()
	l.batch.Append(m.walKey(), &m.lazyState, nil)
}

// submit hands the turn's batch to the log. When the log has too much waiting, or
// no space, the batch stays and is offered again in the next turn, which comes with
// a tick or when something was written.
func (l *lane) submit() {
	batch, writes := l.batch, l.writes
	sync := len(writes.tickets) > 0
	err := l.host.wal.Submit(batch, sync, writes.done)
	if errors.Is(err, wal.ErrOverloaded) || errors.Is(err, wal.ErrFull) {
		if now := l.host.exec.Monotonic(); !l.blocked && now >= l.quietUntil {
			l.quietUntil = now + int64(blockedQuiet)
			l.host.log.Warn("the log takes no more for now", "error", err)
		}
		l.blocked = true
		return
	}
	l.batch, l.writes, l.blocked = nil, nil, false
	if err != nil {
		l.host.walFailed(writes, err)
	}
}

// laneWrites remembers which tickets one batch of the log makes durable.
type laneWrites struct {
	lane    *lane
	members []*member
	tickets []uint64
	done    func(error)
}

func (l *lane) takeWrites() *laneWrites {
	if w, ok := l.freeWrites.Get().(*laneWrites); ok {
		return w
	}
	w := &laneWrites{lane: l}
	w.done = w.complete // bound once, so that submitting does not allocate
	return w
}

func (w *laneWrites) add(m *member, ticket uint64) {
	w.members = append(w.members, m)
	w.tickets = append(w.tickets, ticket)
}

func (w *laneWrites) release() {
	clear(w.members)
	w.members, w.tickets = w.members[:0], w.tickets[:0]
	w.lane.freeWrites.Put(w)
}

// complete runs on the log's writer.
func (w *laneWrites) complete(err error) {
	l := w.lane
	if err != nil {
		l.host.walFailed(w, err)
		return
	}
	if len(w.tickets) == 0 {
		w.release()
		return
	}
	l.mu.Lock()
	l.inbox.persisted = append(l.inbox.persisted, w)
	l.mu.Unlock()
	l.signal()
}

// keepAwakeList puts a member where its core's sleep says it belongs.
func (l *lane) keepAwakeList(m *member) {
	asleep := !m.live() || m.core.Asleep()
	switch {
	case !asleep && m.awakeAt < 0:
		m.awakeAt = len(l.awake)
		l.awake = append(l.awake, m)
	case asleep && m.awakeAt >= 0:
		last := len(l.awake) - 1
		l.awake[m.awakeAt] = l.awake[last]
		l.awake[m.awakeAt].awakeAt = m.awakeAt
		l.awake[last] = nil
		l.awake = l.awake[:last]
		m.awakeAt = -1
		l.writeLazyState(m)
		m.rest()
	}
}
