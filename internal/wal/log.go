package wal

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a log is kept. The zero value of each field is its default.
type Options struct {
	// FS is where the files live; default OSFS{}.
	FS FS
	// SegmentBytes is the size of a segment; default 16 MiB, from 64 KiB to 1 GiB.
	// Larger segments are rolled less often; the log on the disk is larger by some
	// of them, and it is longer before the first is recycled instead of made. A log
	// in memory does well with 1 MiB.
	SegmentBytes int64
	// MaxQueuedBytes bounds what waits to be written; default 64 MiB. Beyond it
	// Submit returns ErrOverloaded.
	MaxQueuedBytes int64
	// SpareSegments is how many segments are prepared ahead; default 2. They are
	// also the reserve with which the log goes on when the disk is full.
	SpareSegments int
	// Checkpoints keeps the few bytes that say where the log begins; default a
	// small file in the folder of the log.
	Checkpoints Checkpoints
	// Logger hears what an operator should know; default silence.
	Logger *slog.Logger
	// Manual, when set, leaves all work to calls of Turn; default goroutines.
	Manual *Manual
}

func (o *Options) complete(dir string) error {
	if o.FS == nil {
		o.FS = OSFS{}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.SegmentBytes < 64<<10 || o.SegmentBytes > 1<<30 {
		return fmt.Errorf("wal: Options.SegmentBytes is %d: want 64 KiB to 1 GiB", o.SegmentBytes)
	}
	o.SegmentBytes = (o.SegmentBytes + dataStart - 1) / dataStart * dataStart
	if o.MaxQueuedBytes == 0 {
		o.MaxQueuedBytes = 64 << 20
	}
	if o.MaxQueuedBytes < 0 {
		return fmt.Errorf("wal: Options.MaxQueuedBytes is %d: want 0 or more", o.MaxQueuedBytes)
	}
	if o.SpareSegments == 0 {
		o.SpareSegments = 2
	}
	if o.SpareSegments < 0 || o.SpareSegments > 64 {
		return fmt.Errorf("wal: Options.SpareSegments is %d: want 1 to 64", o.SpareSegments)
	}
	if o.Checkpoints == nil {
		o.Checkpoints = checkpointFile{fs: o.FS, dir: dir}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o.Manual.validate()
}

// Log is an open log. All methods may be called from several goroutines; see the
// package comment for the order that batches of one member need.
type Log struct {
	dir          string
	fs           FS
	options      Options
	logger       *slog.Logger
	id           uint64
	members      table
	now          func() time.Duration // since some beginning, never back
	random       func() uint64
	spareBatches chan *Batch
	chunks       chunkList

	mu          sync.Mutex
	wake        *sync.Cond // of the writer
	queue       []*Batch
	queuedBytes int64
	lazyBytes   int64         // queued without sync
	urgent      bool          // the queue holds a batch that wants a sync
	flush       bool          // the lazy ones have waited long enough
	lazyDue     time.Duration // when they have; without timers, as is
	waitsSince  time.Duration // when the queue became urgent
	closed      bool
	failed      error
	full        error      // why no spare segment could be made, nil when one could
	parked      bool       // the writer waits for space
	retries     uint64     // counts attempts to find space, so that a parked writer looks again
	segments    []*segment // oldest first, the active one last
	spares      []*segment // prepared, in order of number
	free        []*segment // below the checkpoint and unread, to be recycled or removed

	active  *segment // the writer's alone, as are the fields down to gaveUp
	round   uint64   // number of the next round
	work    []*Batch // taken off the queue and not yet written
	taken   []*Batch // work's array, to be the queue's next time
	tried   uint64   // what retries was when the writer looked for space last
	undo    []admitted
	pieces  [][]byte // of the round being written
	scratch []byte   // small ones of them, copied together
	shrunk  bool     // something became free since the keeper was told
	gaveUp  bool     // closed without space for a batch: a later, shorter one must not overtake it

	nextNumber uint64        // the keeper's, as are the fields down to keeperDue: of the next segment to make
	stuck      uint64        // number of the segment that it said it cannot free
	retiring   *retirement   // the oldest segment while it is copied forward
	retryAt    time.Duration // when it looks for space again, 0 never
	keeperDue  time.Duration // when it must come back by itself, 0 never

	lazyTimer  *time.Timer
	keeperWake chan struct{}
	stop       chan struct{}
	writerDone chan struct{}
	keeperDone chan struct{}

	ioStart  atomic.Int64 // when the write now running began, by now; 0 none
	counters counters
}

type counters struct {
	rounds, batches, records, bytes, copied, recycled, created, syncNanos atomic.Uint64
}

const (
	// lazyDelay is how long a batch without sync waits for company.
	lazyDelay = time.Second
	// maxLazyBytes is how much waits without sync before it is written anyway.
	maxLazyBytes = 1 << 20
)

// Recovered is what the log holds of a member.
type Recovered struct {
	State          State
	Base, BaseTerm uint64 // the log starts behind Base
	Last           uint64 // index of the last entry, Base when there is none
}

// Members returns the members that the log holds, ordered by group and number.
func (l *Log) Members() []Member {
	var members []Member
	for _, ml := range l.members.all() {
		ml.mu.Lock()
		if ml.exists {
			members = append(members, ml.member)
		}
		ml.mu.Unlock()
	}
	slices.SortFunc(members, Member.compare)
	return members
}

// Load returns what is durable of a member; false when the log does not know it.
func (l *Log) Load(m Member) (Recovered, bool) {
	ml := l.members.get(m)
	if ml == nil {
		return Recovered{}, false
	}
	ml.mu.Lock()
	defer ml.mu.Unlock()
	return Recovered{State: ml.state, Base: ml.base, BaseTerm: ml.baseTerm, Last: ml.last}, ml.exists
}

// Submit hands a batch to the writer and returns at once. done, when not nil,
// runs on the writer's goroutine (in Turn when Options.Manual is set), in the
// order of submission, and must not block:
// with nil when the batch and all before it are durable, else with the reason why
// this batch is not. With sync false the batch goes with the next one that wants
// a sync, after a second at the latest.
//
// ErrOverloaded, ErrFull, ErrFailed, ErrClosed, ErrInvalid and ErrTooLarge are
// returned when the batch was not taken: done does not run, and the batch is
// still the caller's.
func (l *Log) Submit(b *Batch, sync bool, done func(error)) error {
	return l.submit(b, sync, done, true)
}

func (l *Log) submit(b *Batch, sync bool, done func(error), bounded bool) error {
	if b.err != nil {
		return b.err
	}
	size := int64(b.size())
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failed != nil:
		return l.failed
	case l.closed:
		return ErrClosed
	case bounded && l.queuedBytes > 0 && l.queuedBytes+size > l.options.MaxQueuedBytes:
		return ErrOverloaded
	case bounded && l.full != nil && !l.roomFor(b):
		return fmt.Errorf("%w: free some space on the disk of %s: %w", ErrFull, l.dir, l.full)
	}
	b.done = done
	l.queue = append(l.queue, b)
	l.queuedBytes += size
	if sync {
		if !l.urgent && l.options.Manual != nil {
			l.waitsSince = l.now()
		}
		l.urgent = true
	} else {
		if l.lazyBytes == 0 {
			l.delay()
		}
		l.lazyBytes += max(size, 1)
	}
	if l.urgent || l.lazyBytes >= maxLazyBytes {
		l.wakeWriter()
	}
	return nil
}

// roomFor reports whether what is left of the reserve takes the batch. The last
// quarter of a segment is for batches without entries: votes and what shrinks
// the log.
func (l *Log) roomFor(b *Batch) bool {
	room := l.segments[len(l.segments)-1].room() - l.queuedBytes
	for _, s := range l.spares {
		room += s.room()
	}
	if b.entries {
		room -= l.options.SegmentBytes / 4
	}
	return room >= int64(b.size())
}

// Full reports whether no spare segment could be made. The log goes on in its
// reserve: the caller should refuse what makes the log grow, and go on with
// votes and compaction. A log that has failed is not full: it does not come back when
// there is space, and the caller hears of that when it submits.
func (l *Log) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full != nil && l.failed == nil
}

// SyncAge is how long the write and sync now running have lasted, 0 when none is;
// where Turn writes, also how long something that wants a sync has waited for it.
func (l *Log) SyncAge() time.Duration {
	start := time.Duration(l.ioStart.Load())
	if start == 0 && l.options.Manual != nil {
		l.mu.Lock()
		if l.urgent && len(l.queue) > 0 {
			start = l.waitsSince
		}
		l.mu.Unlock()
	}
	if start == 0 {
		return 0
	}
	return max(l.now()-start, 1)
}

// Stats are counts since Open and the present sizes.
type Stats struct {
	Members     int
	Segments    int   // in use
	Spares      int   // prepared
	Free        int   // waiting to be recycled
	DiskBytes   int64 // of all segments
	LiveBytes   int64 // of entries that are still needed, at most
	QueuedBytes int64 // waiting to be written

	Rounds   uint64 // writes, each followed by one sync
	Batches  uint64
	Records  uint64
	Bytes    uint64 // written
	Copied   uint64 // of them copied forward
	Recycled uint64 // segments used anew
	Created  uint64 // segments made of zeros
	SyncTime time.Duration

	Full   error // why no spare segment could be made
	Failed error // why the log refuses everything
}

// Stats returns the present numbers.
func (l *Log) Stats() Stats {
	c := &l.counters
	s := Stats{
		Members:  l.members.len(),
		Rounds:   c.rounds.Load(),
		Batches:  c.batches.Load(),
		Records:  c.records.Load(),
		Bytes:    c.bytes.Load(),
		Copied:   c.copied.Load(),
		Recycled: c.recycled.Load(),
		Created:  c.created.Load(),
		SyncTime: time.Duration(c.syncNanos.Load()),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Segments, s.Spares, s.Free = len(l.segments), len(l.spares), len(l.free)
	for _, list := range [][]*segment{l.segments, l.spares, l.free} {
		for _, seg := range list {
			s.DiskBytes += seg.size
			s.LiveBytes += seg.live.Load()
		}
	}
	s.QueuedBytes = l.queuedBytes
	s.Full, s.Failed = l.full, l.failed
	return s
}

// Open opens the log in dir, or makes it, and recovers what it holds. A torn
// tail is cut. The folder must not be open elsewhere: the owner of the data
// folder holds a lock for that.
func Open(dir string, o Options) (*Log, error) {
	dir = filepath.Clean(dir)
	if err := o.complete(dir); err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, fs: o.FS, options: o, logger: o.Logger,
		spareBatches: make(chan *Batch, keptBatches),
		keeperWake:   make(chan struct{}, 1),
		stop:         make(chan struct{}),
		writerDone:   make(chan struct{}),
		keeperDone:   make(chan struct{}),
	}
	l.wake = sync.NewCond(&l.mu)
	l.members.init()
	if m := o.Manual; m != nil {
		l.now = func() time.Duration { return time.Duration(m.Monotonic()) }
		l.random = m.Random
	} else {
		started := time.Now()
		l.now = func() time.Duration { return time.Since(started) }
		l.random = random64
	}
	if err := l.recover(); err != nil {
		l.closed = true
		l.closeFiles()
		return nil, err
	}
	if o.Manual == nil {
		l.lazyTimer = time.AfterFunc(lazyDelay, func() {
			l.mu.Lock()
			l.flush = true
			l.mu.Unlock()
			l.wake.Signal()
		})
		l.lazyTimer.Stop()
		go l.write()
		go l.keep()
	}
	l.wakeKeeper()
	return l, nil
}

// Close writes what waits, runs its completions and closes the files. Batches
// that wait for space on a full disk end with ErrClosed. A log that is driven by
// Turn does so on the caller's goroutine.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		if l.options.Manual == nil {
			<-l.keeperDone
		}
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	if l.options.Manual != nil {
		l.finish()
	} else {
		l.wake.Broadcast()
		<-l.writerDone
		l.lazyTimer.Stop()
		close(l.stop)
		<-l.keeperDone
	}
	l.closeFiles()
	return l.failure()
}

// closeFiles lets go of all segments; readers that still run close theirs.
func (l *Log) closeFiles() {
	l.mu.Lock()
	held := append(append([]*segment(nil), l.segments...), l.spares...)
	free := l.free
	l.free = nil
	l.mu.Unlock()
	for _, s := range held {
		l.release(s)
	}
	for _, s := range free {
		s.file.Close()
	}
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}
