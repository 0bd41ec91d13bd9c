package group

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// Transport carries what members say to members on other nodes. wire's is one.
type Transport interface {
	// Send appends a consensus message to what waits for the node; it never blocks.
	Send(to ident.NodeID, encode func(dst []byte) []byte) error
	// SendHeartbeat sends the node's sign of life ahead of all that waits.
	SendHeartbeat(to ident.NodeID, payload []byte)
	// SendSnapshot streams a snapshot and returns after the receiver took it.
	SendSnapshot(ctx context.Context, to ident.NodeID, header []byte, body io.Reader) error
}

// HostConfig says what a host works with.
type HostConfig struct {
	Node      ident.NodeID
	Log       *wal.Log
	Store     store.Store
	Transport Transport
	Types     []Type       // by TypeName, unique
	Logger    *slog.Logger // nil: nothing is logged
	// OnChange is told of every change of a member's role, term, leader,
	// configuration or sleep. It runs on a lane and must not block.
	OnChange func(Info)
	// OnBroken is told when the node's log failed. The host has stopped answering;
	// the process should end. It is called once.
	OnBroken func(error)
	// Tick is the unit of the groups' timeouts. Default 50 ms.
	Tick time.Duration
	// Lanes and ApplyWorkers default to GOMAXPROCS.
	Lanes, ApplyWorkers int
	// Exec is what the host runs on. Default exec.System.
	Exec exec.Exec
	// Rand returns a number in [0,n); elections wait by it. Default math/rand/v2's.
	Rand func(n int) int
	// Manual leaves it to the owner what runs when: see manual.go.
	Manual bool
	// Tune, where set, changes what each core is set up with. It is for simulators, in
	// which small windows and queues fill up in no time.
	Tune func(*consensus.Config)
}

// Host runs the members of one node. Its methods are safe for concurrent use.
type Host struct {
	node      ident.NodeID
	wal       *wal.Log
	store     store.Store
	transport Transport
	types     map[string]Type
	hooks     map[string]*Hooks
	log       *slog.Logger
	exec      exec.Exec
	rand      func(int) int
	manual    bool
	tune      func(*consensus.Config)
	tick      time.Duration
	onChange  func(Info)
	onBroken  func(error)

	lanes     []*lane
	pool      *applyPool
	snapshots *jobs
	sending   *permits // snapshots on their way out
	receiving *permits // and in

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.RWMutex
	members map[ident.GroupID]*member
	closed  bool

	liveness liveness
	broken   atomic.Pointer[error]
	salvages atomic.Uint64 // counted, to tell them apart
}

// NewHost starts the lanes and workers of a host with no members yet; Resume
// starts those that the store knows.
func NewHost(c HostConfig) (*Host, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Tick == 0 {
		c.Tick = 50 * time.Millisecond
	}
	if c.Lanes <= 0 {
		c.Lanes = runtime.GOMAXPROCS(0)
	}
	if c.ApplyWorkers <= 0 {
		c.ApplyWorkers = runtime.GOMAXPROCS(0)
	}
	if c.Exec == nil {
		c.Exec = exec.System
	}
	if c.Rand == nil {
		c.Rand = rand.IntN
	}
	h := &Host{
		node: c.Node, wal: c.Log, store: c.Store, transport: c.Transport, log: c.Logger,
		exec: c.Exec, rand: c.Rand, manual: c.Manual, tune: c.Tune, tick: c.Tick, onChange: c.OnChange, onBroken: c.OnBroken,
		types: make(map[string]Type), hooks: make(map[string]*Hooks), members: make(map[ident.GroupID]*member),
		sending: newPermits(2), receiving: newPermits(2),
	}
	for _, t := range c.Types {
		if h.types[t.TypeName()] != nil {
			return nil, fmt.Errorf("group: two types are named %q: a name stands for one type", t.TypeName())
		}
		h.types[t.TypeName()] = t
		if with, ok := t.(hooked); ok {
			if hooks := with.GroupHooks(); hooks != nil {
				h.hooks[t.TypeName()] = hooks.contained()
			}
		}
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.liveness.init()
	h.pool, h.snapshots = newApplyPool(), newJobs()
	for i := range c.Lanes {
		l := newLane(h)
		l.index = i
		h.lanes = append(h.lanes, l)
	}
	if c.Manual {
		return h, nil
	}
	h.pool.start(c.ApplyWorkers)
	h.snapshots.start(2)
	for _, l := range h.lanes {
		go l.run()
	}
	h.background(h.runTicks)
	h.background(h.runLiveness)
	return h, nil
}

// background runs f beside the caller; Close waits for it.
func (h *Host) background(f func(ctx context.Context)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.wg.Add(1)
	h.exec.Go(func() {
		defer h.wg.Done()
		f(h.ctx)
	})
}

func (h *Host) runTicks(ctx context.Context) {
	t := time.NewTicker(h.tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			h.Tick()
		}
	}
}

// Close stops all members. What was acknowledged is durable; calls that wait get
// an error that says stopped. The log, the store and the transport stay open.
func (h *Host) Close() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	members := make([]*member, 0, len(h.members))
	for _, m := range h.members {
		members = append(members, m)
	}
	h.mu.Unlock()
	h.cancel()
	for _, l := range h.lanes {
		l.close()
	}
	for _, m := range members {
		m.stopApplying()
		m.stopLeading()
	}
	if h.manual {
		h.drain()
		return // what waits in the background sees that the host's context has ended
	}
	h.pool.close()
	h.snapshots.close()
	h.wg.Wait()
}

func (h *Host) laneOf(g ident.GroupID) *lane {
	x := uint64(g) * 0x9e3779b97f4a7c15
	return h.lanes[(x>>32)%uint64(len(h.lanes))]
}

func (h *Host) member(g ident.GroupID) *member {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.members[g]
}

func (h *Host) need(g ident.GroupID) (*member, error) {
	if m := h.member(g); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("group %s on this node: %w", g, ErrNoMember)
}

// Resume starts every member that the store knows, and removes from the log what
// the store no longer knows. A member that cannot start is shown as failed; the
// others run.
func (h *Host) Resume() error {
	records, err := h.store.Members()
	if err != nil {
		return err
	}
	known := make(map[wal.Member]bool, len(records))
	for _, r := range records {
		if r.Err != nil {
			h.log.Error("a member's record is damaged; the member is not started", "group_id", r.Key.Group, "member", r.Key.Member, "error", r.Err)
			known[wal.Member{Group: uint64(r.Key.Group), ID: uint64(r.Key.Member)}] = true
			continue
		}
		var spec Spec
		if err := msgpack.Unmarshal(r.Record, &spec); err != nil {
			return fmt.Errorf("group: the record of member %s of group %s cannot be read: %w", r.Key.Member, r.Key.Group, err)
		}
		if spec.Group != r.Key.Group || spec.Member != r.Key.Member {
			return fmt.Errorf("group: the record of member %s of group %s tells of another: the data folder is damaged", r.Key.Member, r.Key.Group)
		}
		known[wal.Member{Group: uint64(spec.Group), ID: uint64(spec.Member)}] = true
		if err := h.start(spec); err != nil {
			return err
		}
	}
	b, n := h.wal.NewBatch(), 0
	for _, k := range h.wal.Members() {
		if !known[k] {
			b.Delete(k)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return h.wal.Submit(b, false, func(error) {})
}

// Start hosts a member: it is recorded durably, then it runs. Starting one that
// runs already does nothing; another member of the same group is ErrGroupExists.
func (h *Host) Start(spec Spec) error {
	if m := h.member(spec.Group); m != nil {
		if m.spec.Member == spec.Member {
			return nil
		}
		return fmt.Errorf("group %q: member %s is hosted, not %s: %w", spec.Name, m.spec.Member, spec.Member, ErrGroupExists)
	}
	if h.types[spec.Type] == nil {
		return fmt.Errorf("group %q: type %q: %w", spec.Name, spec.Type, ErrUnknownType)
	}
	record, err := msgpack.Marshal(&spec)
	if err != nil {
		return fmt.Errorf("group %q: encode the member's record: %w", spec.Name, err)
	}
	if err := h.store.PutMember(store.Key{Group: spec.Group, Member: spec.Member}, record); err != nil {
		return fmt.Errorf("group %q: record the member: %w", spec.Name, err)
	}
	return h.start(spec)
}

// start runs a member that the store knows. What is wrong with the member itself
// makes it a failed member, not an error.
func (h *Host) start(spec Spec) error {
	l := h.laneOf(spec.Group)
	m := &member{host: h, lane: l, spec: spec, awakeAt: -1}
	m.info.Store(&Info{Group: spec.Group, Name: spec.Name, Member: spec.Member})
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return ErrStopped
	}
	if old := h.members[spec.Group]; old != nil {
		h.mu.Unlock()
		if old.spec.Member == spec.Member {
			return nil
		}
		return fmt.Errorf("group %q: %w", spec.Name, ErrGroupExists)
	}
	h.members[spec.Group] = m
	h.mu.Unlock()

	reset, err := m.load()
	if !l.call(func() { m.begin(reset, err) }) {
		return ErrStopped
	}
	return nil
}

// initialMeta is where every member of a group begins.
func (s *Spec) initialMeta() consensus.SnapshotMeta {
	meta := consensus.SnapshotMeta{Index: 1, Term: 1, ConfigIndex: 1}
	for _, p := range s.First {
		meta.Config.Voters = append(meta.Config.Voters, consensus.Member{ID: consensus.MemberID(p.Member), Node: uint64(p.Node)})
	}
	sort.Slice(meta.Config.Voters, func(i, j int) bool { return meta.Config.Voters[i].ID < meta.Config.Voters[j].ID })
	return meta
}

// load builds the core and the empty machine from what is on disk. reset is true
// when the log must begin anew behind the snapshot.
func (m *member) load() (reset bool, err error) {
	h, spec := m.host, &m.spec
	config, err := DecodeConfig(spec.Config)
	if err != nil {
		return false, err
	}
	m.typ = h.types[spec.Type]
	if m.typ == nil {
		return false, fmt.Errorf("type %q: %w", spec.Type, ErrUnknownType)
	}
	m.hooks = h.hooks[spec.Type]
	start := consensus.Start{Snapshot: spec.initialMeta(), State: consensus.HardState{Term: 1, Commit: 1}, LastIndex: 1}
	s, found, err := h.store.SnapshotInfo(m.key())
	if err != nil {
		return false, err
	}
	if found {
		c, err := consensus.DecodeConfiguration(s.Config)
		if err != nil {
			return false, fmt.Errorf("snapshot at %d: %w", s.Index, err)
		}
		start.Snapshot = consensus.SnapshotMeta{Index: s.Index, Term: s.Term, Config: c, ConfigIndex: s.ConfigIndex}
		start.LastIndex = s.Index
	}
	logged, ok := h.wal.Load(m.walKey())
	switch {
	case ok:
		start.State = consensus.HardState{Term: logged.State.Term, Vote: consensus.MemberID(logged.State.Vote), Commit: logged.State.Commit}
		start.LastIndex = logged.Last
		if logged.Base > start.Snapshot.Index {
			return false, fmt.Errorf("the log begins behind %d and the newest snapshot is of %d: what lies between is lost: %w", logged.Base, start.Snapshot.Index, store.ErrCorrupt)
		}
	case found:
		return false, fmt.Errorf("there is a snapshot and no log, the log's files are gone: %w", store.ErrCorrupt)
	default:
		reset = true
	}
	m.core, err = consensus.New(m.coreConfig(config), m, start)
	if err != nil {
		return false, err
	}
	// Given up: a crash came between an installed snapshot and the log's new beginning.
	reset = reset || m.core.LogDiscarded()
	a := &m.applyState
	a.config = config.withDefaults()
	m.maxCommand.Store(int64(a.config.MaxCommandBytes))
	a.sessions = newSessionTable(a.config.SessionTTL, a.config.MaxSessions)
	a.index, a.term = start.Snapshot.Index, start.Snapshot.Term
	a.membership, a.memberIndex = start.Snapshot.Config.Clone(), start.Snapshot.ConfigIndex
	m.appliedAt = a.index
	return reset, nil
}

func (m *member) coreConfig(c Config) consensus.Config {
	c = c.withDefaults()
	ticks := func(d time.Duration) int { return max(1, int((d+m.host.tick-1)/m.host.tick)) }
	cc := consensus.Config{
		ID:             consensus.MemberID(m.spec.Member),
		ElectionTicks:  ticks(c.ElectionTimeout),
		HeartbeatTicks: ticks(c.HeartbeatInterval),
		CacheBytes:     uint64(min(256<<10, c.SnapshotLeast)),
		Rand:           m.host.rand,
	}
	if c.SleepAfter > 0 {
		cc.SleepTicks = ticks(c.SleepAfter)
	}
	if c.LeaseDrift > 0 {
		// The members' promise is counted in ticks: the first may come right after the
		// heartbeat, and two that were late with it.
		cc.LeaseNanos = max(1, int64(c.ElectionTimeout-c.LeaseDrift-3*m.host.tick))
	}
	if m.host.tune != nil {
		m.host.tune(&cc)
	}
	return cc
}

// begin puts a loaded member on its lane.
func (m *member) begin(reset bool, err error) {
	l := m.lane
	l.members[m.spec.Group] = m
	m.begun = true
	if err != nil {
		m.failed = fmt.Errorf("group %q: %w: %w", m.spec.Name, ErrMemberFailed, err)
		m.host.log.Error("a member could not start", "group", m.spec.Name, "group_id", m.spec.Group, "member", m.spec.Member, "reason", err)
		m.info.Store(&Info{Group: m.spec.Group, Name: m.spec.Name, Member: m.spec.Member, Failed: m.failed})
		return
	}
	if reset {
		index, term := m.core.SnapshotIndex()
		l.open()
		l.batch.Reset(m.walKey(), index, term, walState(m.core.HardState()))
		// Nobody waits for this: whatever is promised later is behind it in the same log.
	}
	restored, _, _ := m.host.store.SnapshotInfo(m.key())
	m.enqueueTask(applyTask{restore: restored.Index > 0, do: m.newMachine(restored.Index > 0)})
	if !reset {
		m.tellRestored()
	}
	if v := m.core.Configuration().Voters; len(v) == 1 && v[0].ID == m.core.ID() {
		m.core.Campaign() // there is nobody to wait for
	}
	m.changed()
	l.touch(m)
}

// newMachine returns the task that makes the machine of a member without a
// snapshot; nil where the snapshot has it.
func (m *member) newMachine(restored bool) func() {
	if restored {
		return nil
	}
	return func() {
		a := &m.applyState
		a.machine = m.typ.NewMachine()
		if m.spec.Initial != nil {
			if err := a.machine.Restore(newBytesReader(m.spec.Initial)); err != nil {
				panic(fmt.Sprintf("the machine cannot begin with the state that the group was added with: %v", err))
			}
		}
	}
}

// reconfigure adopts timing that came through the log or a snapshot.
func (m *member) reconfigure(c Config) {
	m.maxCommand.Store(int64(c.withDefaults().MaxCommandBytes))
	if m.live() {
		if err := m.core.Retime(m.coreConfig(c)); err != nil {
			m.host.log.Error("a configuration cannot work and was not adopted", "group", m.spec.Name, "error", err)
		}
	}
}

// Destroy stops a member and deletes its data. It is idempotent, and to be tried
// again where it fails: until its record is gone the member is shown, stopped.
func (h *Host) Destroy(g ident.GroupID) error {
	m, err := h.detach(g)
	if m == nil || err != nil {
		return err
	}
	m.snapshotMu.Lock()
	m.destroyed = true
	m.snapshotMu.Unlock()
	// The record goes first: a crash leaves log records that nobody owns, which the
	// next start deletes. The other way round it would start anew, having forgotten
	// what it promised.
	if err := h.store.DeleteMember(m.key()); err != nil {
		return fmt.Errorf("group %q: delete the member: %w", m.spec.Name, err)
	}
	h.mu.Lock()
	if h.members[g] == m {
		delete(h.members, g)
	}
	h.mu.Unlock()
	m.lane.call(func() {
		m.lane.open()
		m.lane.batch.Delete(m.walKey())
	})
	return nil
}

// detach stops a member for good; its data stays.
func (h *Host) detach(g ident.GroupID) (*member, error) {
	m := h.member(g)
	if m == nil {
		return nil, nil
	}
	if !m.lane.callWait(func() {
		m.failWaiting(m.stoppedOr(ErrStopped))
		m.stopped = true
		m.countPeers()
		m.lane.keepAwakeList(m)
		if m.lane.members[g] == m {
			delete(m.lane.members, g)
		}
		info := *m.info.Load()
		info.Role, info.Leader = consensus.Follower, 0
		m.info.Store(&info)
	}) {
		return nil, ErrStopped
	}
	m.stopApplying()
	m.stopLeading()
	return m, nil
}

func (m *member) stoppedOr(err error) error {
	if m.failed != nil {
		return m.failed
	}
	return fmt.Errorf("group %q: %w", m.spec.Name, err)
}

// walFailed ends the node: a log that failed a write must not be written again.
func (h *Host) walFailed(w *laneWrites, err error) {
	if errors.Is(err, wal.ErrClosed) {
		return
	}
	if errors.Is(err, wal.ErrInvalid) {
		// The log refused one batch and is as good as before: only the members of that
		// batch cannot go on.
		w.lane.call(func() {
			for _, m := range w.members {
				m.fail(err)
			}
		})
		return
	}
	if !h.broken.CompareAndSwap(nil, &err) {
		return
	}
	h.log.Error("the log failed: this node stops answering", "error", err)
	h.background(func(context.Context) {
		for _, l := range h.lanes {
			l.call(func() {
				for _, m := range l.inOrder() {
					m.fail(err)
				}
			})
		}
		if h.onBroken != nil {
			h.onBroken(err)
		}
	})
}

// LimitSnapshots changes how many snapshots are sent, and how many received, at once: 2
// each at first, at most 1000. Those under way go on. It may be called at any time.
func (h *Host) LimitSnapshots(out, in int) {
	h.sending.set(out)
	h.receiving.set(in)
}
