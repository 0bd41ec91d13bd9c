package group

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// applyState is the half of a member that applies committed entries. The lane
// fills the queue; one worker at a time takes it. Only that worker touches what
// stands below the queue, except that queries read the machine under machineMu.
type applyState struct {
	mu        sync.Mutex
	queue     []applyTask
	spare     []applyTask // the other half of the double buffer
	scheduled bool
	stopped   bool

	machineMu sync.RWMutex // held for writing while commands are applied, for reading by queries
	machine   Machine
	index     uint64 // guarded by machineMu
	restored  uint64 // index of the snapshot that the machine was last restored from

	sessions    *sessionTable
	config      Config // with defaults
	time        int64  // of the last batch, never goes back
	sealed      bool   // the group is being removed
	membership  consensus.Configuration
	memberIndex uint64 // position of membership in the log
	term        uint64 // of the entry at index

	logBytes     int64 // applied since the last snapshot
	snapshotSize int64
	snapshotAt   int64 // monotonic, when the last one was begun
	snapshotting bool  // guarded by mu
	awaited      []awaited
	leading      bool // set by tasks, so that hooks see it in order
}

// applyTask is one entry to apply, or something to do between entries.
type applyTask struct {
	entry   consensus.Entry
	waiters []func([]byte, error)
	restore bool
	do      func() // runs in order with the entries; entry is empty then
	dropped func() // called instead of do, or after it failed, where the member ended first
}

// applyChunk bounds how many entries of one group are applied before the other
// groups get their turn.
const applyChunk = 256

// applyPool shares a few workers among all groups of the node.
type applyPool struct {
	mu    sync.Mutex
	ready sync.Cond
	queue []*member
	head  int
	ended bool
	wg    sync.WaitGroup
}

func newApplyPool() *applyPool {
	p := &applyPool{}
	p.ready.L = &p.mu
	return p
}

func (p *applyPool) start(workers int) {
	p.wg.Add(workers)
	for range workers {
		go p.work()
	}
}

func (p *applyPool) push(m *member) {
	p.mu.Lock()
	if p.head > 0 && p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	}
	p.queue = append(p.queue, m)
	p.mu.Unlock()
	p.ready.Signal()
}

func (p *applyPool) work() {
	defer p.wg.Done()
	for {
		p.mu.Lock()
		for p.head == len(p.queue) {
			if p.ended {
				p.mu.Unlock()
				return
			}
			p.ready.Wait()
		}
		m := p.popLocked()
		p.mu.Unlock()
		if m.applySome() {
			p.push(m)
		}
	}
}

func (p *applyPool) popLocked() *member {
	m := p.queue[p.head]
	p.queue[p.head] = nil
	p.head++
	return m
}

// turn lets one member apply, and returns false when none has anything to.
func (p *applyPool) turn() bool {
	p.mu.Lock()
	if p.head == len(p.queue) {
		p.mu.Unlock()
		return false
	}
	m := p.popLocked()
	p.mu.Unlock()
	if m.applySome() {
		p.push(m)
	}
	return true
}

func (p *applyPool) close() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.ready.Broadcast()
	p.wg.Wait()
}

// enqueueCommitted gives entries to the apply workers, with the calls that wait for them.
func (m *member) enqueueCommitted(entries []consensus.Entry) {
	if len(entries) == 0 {
		return
	}
	a := &m.applyState
	a.mu.Lock()
	for i := range entries {
		t := applyTask{entry: entries[i]}
		if m.inflight.head < len(m.inflight.items) {
			t.waiters = m.inflight.take(t.entry.Index, t.entry.Term, ErrLeadershipLost)
		}
		a.queue = append(a.queue, t)
	}
	m.scheduleLocked()
}

// enqueueTask runs something in order with the entries, or drops it where the
// member applies no more.
func (m *member) enqueueTask(t applyTask) {
	a := &m.applyState
	a.mu.Lock()
	if a.stopped {
		a.mu.Unlock()
		if t.dropped != nil {
			t.dropped()
		}
		return
	}
	a.queue = append(a.queue, t)
	m.scheduleLocked()
}

func (m *member) scheduleLocked() {
	a := &m.applyState
	schedule := !a.scheduled
	a.scheduled = true
	a.mu.Unlock()
	if schedule {
		m.host.pool.push(m)
	}
}

// stopApplying drops what waits and makes the member's worker idle for ever.
func (m *member) stopApplying() {
	a := &m.applyState
	a.mu.Lock()
	a.stopped = true
	a.queue = append(a.queue, applyTask{do: func() {}}) // the worker comes once more, to drop
	m.scheduleLocked()
}

// drop answers everybody who waits for tasks that are not done, and for indexes
// that are not reached: this member will not get there. It runs on the apply worker.
func (m *member) drop(tasks []applyTask) {
	a := &m.applyState
	for _, w := range a.awaited {
		w.done <- m.endedError()
	}
	a.awaited = nil
	for i := range tasks {
		for _, done := range tasks[i].waiters {
			if done != nil {
				done(nil, m.unknownStop())
			}
		}
		if dropped := tasks[i].dropped; dropped != nil {
			dropped()
		}
	}
}

// endedError says why the member applies no more.
func (m *member) endedError() error {
	if err := m.info.Load().Failed; err != nil {
		return err
	}
	return fmt.Errorf("group %q: %w", m.spec.Name, ErrStopped)
}

// rest gives back the buffers of a member with nothing to do.
func (a *applyState) rest() {
	a.mu.Lock()
	if !a.scheduled {
		a.queue, a.spare = nil, nil
	}
	a.mu.Unlock()
}

// applySome applies up to a chunk and returns true if more waits.
func (m *member) applySome() bool {
	a := &m.applyState
	a.mu.Lock()
	tasks := a.queue
	a.queue, a.spare = a.spare[:0], nil
	stopped := a.stopped
	if len(tasks) == 0 {
		a.scheduled = false
		a.spare = tasks
		a.mu.Unlock()
		return false
	}
	a.mu.Unlock()

	if stopped {
		m.drop(tasks)
	}
	for from := 0; from < len(tasks) && !stopped; from += applyChunk {
		chunk := tasks[from:min(from+applyChunk, len(tasks))]
		if err := m.applyTasks(chunk); err != nil {
			// What was not reached will never be applied here; another member may.
			m.drop(tasks[from:])
			m.stopApplying()
			m.lane.call(func() { m.fail(err) })
			break
		}
		m.lane.applied(m, a.index)
		a.answerAwaited()
		m.snapshotWhenDue()
	}
	clear(tasks)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.spare = tasks[:0]
	if len(a.queue) == 0 {
		a.scheduled = false
		return false
	}
	return true
}

func (m *member) unknownStop() error {
	return fmt.Errorf("group %q: %w: %w", m.spec.Name, ErrLeadershipLost, ErrStopped)
}

// applyTasks applies a chunk under the machine's lock. An error, also one from a
// panic, is this member's end.
func (m *member) applyTasks(tasks []applyTask) (err error) {
	a := &m.applyState
	defer func() {
		if p := recover(); p != nil {
			m.host.log.Error("a machine panicked", "group", m.spec.Name, "index", a.index+1, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("the machine panicked at entry %d: %v", a.index+1, p)
		}
	}()
	a.machineMu.Lock()
	defer a.machineMu.Unlock()
	whole := false
	defer func() {
		if !whole {
			a.machine = nil // a command may be half applied: no query must see that
		}
	}()
	for i := range tasks {
		t := &tasks[i]
		switch {
		case t.do != nil:
			t.do()
		case t.restore:
			if err := m.restore(); err != nil {
				return err
			}
		default:
			if err := m.applyEntry(t); err != nil {
				return err
			}
		}
	}
	whole = true
	return nil
}

func (m *member) applyEntry(t *applyTask) error {
	a := &m.applyState
	e := &t.entry
	if e.Index <= a.restored {
		// The snapshot that was restored came while this waited, and stands for it.
		for _, done := range t.waiters {
			done(nil, fmt.Errorf("group %q: %w", m.spec.Name, ErrLeadershipLost))
		}
		return nil
	}
	if e.Index != a.index+1 {
		return fmt.Errorf("entry %d follows %d: the log has a gap", e.Index, a.index)
	}
	switch e.Kind {
	case consensus.EntryCommand:
		if err := m.applyBatch(t); err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
	case consensus.EntryConfig:
		c, err := consensus.DecodeConfiguration(e.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		m.tellMembership(&a.membership, &c)
		a.membership, a.memberIndex = c, e.Index
	}
	a.index, a.term = e.Index, e.Term
	a.logBytes += int64(len(e.Data)) + 64
	return nil
}

// applyBatch applies the commands of one entry. All members take the same
// decisions here: they depend on the log and the replicated state only.
func (m *member) applyBatch(t *applyTask) error {
	a := &m.applyState
	r, err := readBatch(t.entry.Data)
	if err != nil {
		return err
	}
	a.time = max(a.time, r.time)
	a.sessions.expire(a.time)
	meta := Meta{Index: t.entry.Index, Time: time.Unix(0, a.time).UTC()}
	var it batchItem
	for i := 0; ; i++ {
		more, err := r.next(&it)
		if err != nil {
			return err
		}
		if !more {
			if whole, ok := a.machine.(IndexedMachine); ok {
				whole.AppliedUpTo(meta.Index)
			}
			return nil
		}
		result, err := m.applyItem(meta, i, &it)
		if i < len(t.waiters) {
			done := t.waiters[i]
			t.waiters[i] = nil
			done(result, err)
		}
	}
}

// applyItem returns the encoded result, or the group's own refusal.
func (m *member) applyItem(meta Meta, i int, it *batchItem) ([]byte, error) {
	a := &m.applyState
	switch it.kind {
	case itemRegister:
		if a.sealed {
			return nil, ErrRemoved
		}
		// Many sessions may open in one entry: the place within it makes the id unique.
		id, err := a.sessions.register(m.sessionID(meta.Index, i), a.time)
		if err != nil {
			return nil, err
		}
		return encodeResult(nil, appendUint64(nil, id), nil), nil
	case itemConfigure:
		c, err := DecodeConfig(it.body)
		if err != nil {
			return nil, err
		}
		m.applyConfig(c)
		return encodeResult(nil, nil, nil), nil
	case itemSeal:
		a.sealed = len(it.body) > 0
		return encodeResult(nil, nil, nil), nil
	}
	if it.session != 0 {
		switch v, answer := a.sessions.lookup(it.session, it.sequence, it.acknowledgeBelow); v {
		case verdictFresh:
		case verdictDuplicate:
			return answer, nil
		default:
			return nil, v.err()
		}
	}
	if a.sealed {
		return nil, ErrRemoved // a retry of what was applied before still gets its answer
	}
	result, err := a.machine.Apply(meta, it.body)
	if h := m.hooks; h != nil && h.OnCommand != nil && a.leading {
		h.OnCommand(m.spec.Name, meta, it.body, result, err)
	}
	encoded := encodeResult(make([]byte, 0, 1+len(result)), result, err)
	if it.session != 0 {
		a.sessions.store(it.session, it.sequence, it.acknowledgeBelow, a.time, encoded)
	}
	return encoded, nil
}

// sessionID names the session that the i-th item of an entry opens. The group's id
// is mixed in, so that a group which is added again under the same name does not
// take an older one's command ids for its own.
func (m *member) sessionID(index uint64, i int) uint64 {
	x := uint64(m.spec.Group) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	id := (index<<16 | uint64(i&0xffff)) ^ x ^ x>>31
	if id == 0 {
		id = 1 // zero stands for no session
	}
	return id
}

// applyConfig puts a configuration in force at its place in the log.
func (m *member) applyConfig(c Config) {
	a := &m.applyState
	a.config = c.withDefaults()
	a.sessions.configure(a.config.SessionTTL, a.config.MaxSessions)
	m.lane.call(func() { m.reconfigure(c) })
}

func (m *member) tellMembership(old, now *consensus.Configuration) {
	h := m.hooks
	if h == nil || !m.applyState.leading {
		return
	}
	if h.OnMemberAdded != nil {
		for _, p := range now.All() {
			if !old.Contains(p.ID) {
				h.OnMemberAdded(m.spec.Name, ident.NodeID(p.Node))
			}
		}
	}
	if h.OnMemberRemoved != nil {
		for _, p := range old.All() {
			if !now.Contains(p.ID) {
				h.OnMemberRemoved(m.spec.Name, ident.NodeID(p.Node))
			}
		}
	}
}

// query answers from the local state.
func (m *member) query(q []byte) (result []byte, err error) {
	a := &m.applyState
	a.machineMu.RLock()
	defer a.machineMu.RUnlock()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("group %q: the machine panicked in a query: %v: %w", m.spec.Name, p, ErrMemberFailed)
		}
	}()
	if a.machine == nil {
		return nil, m.endedError()
	}
	if a.sealed {
		return nil, fmt.Errorf("group %q: %w", m.spec.Name, ErrRemoved)
	}
	result, err = a.machine.Query(q)
	if err != nil {
		err = machineError(err)
	}
	if h := m.hooks; h != nil && h.OnQuery != nil {
		h.OnQuery(m.spec.Name, q, result, err)
	}
	return result, err
}

// machineError gives a query's error the form that a command's has after its
// journey through the log, so that callers need not tell them apart.
func machineError(err error) error {
	_, err = decodeResult(encodeResult(nil, nil, err))
	return err
}

// awaited is a caller that waits until an index is applied here.
type awaited struct {
	index uint64
	done  chan<- error
}

// whenApplied runs on the apply worker.
func (m *member) whenApplied(index uint64, done chan<- error) {
	a := &m.applyState
	if index <= a.index {
		done <- nil
		return
	}
	if err := m.info.Load().Failed; err != nil {
		done <- err
		return
	}
	const most = 4096
	if len(a.awaited) >= most {
		done <- ErrOverloaded
		return
	}
	a.awaited = append(a.awaited, awaited{index, done})
}

func (a *applyState) answerAwaited() {
	if len(a.awaited) == 0 {
		return
	}
	kept := a.awaited[:0]
	for _, w := range a.awaited {
		if w.index <= a.index {
			w.done <- nil
		} else {
			kept = append(kept, w)
		}
	}
	a.awaited = kept
}
