package wal

import "fmt"

// Manual is what a log has in place of goroutines, timers, a clock and
// randomness of its own: what it does is a function of the calls it gets, of
// what these functions return and of its file system. A simulator runs many
// logs in one goroutine so.
//
// Such a log does nothing by itself. Turn writes, syncs and completes; Due says
// when the next Turn has something to do. All else is as it always is: Submit
// never waits, done functions run in Turn and in Close, and Close writes what
// waits. To end a log as the loss of its process or power would, let it go
// without Close.
type Manual struct {
	// Monotonic is the time in nanoseconds. It never goes back; where it begins
	// means nothing.
	Monotonic func() int64
	// Random returns 64 random bits, for the id of a log and for generations of
	// segments. The same bits twice for two generations of one file would let old
	// records rise.
	Random func() uint64
	// Wake, when not nil, is called when there is something to do that Due did not
	// say before, and sometimes when there is not. It must not call the log: only
	// take a note.
	Wake func()
	// Durable, when not nil, is told of each record when the sync that covers it has
	// returned, before the done function of its batch runs. The record is lent. What
	// the keeper only copies is not told.
	Durable func(*Record)

	told Record
}

func (m *Manual) validate() error {
	if m != nil && (m.Monotonic == nil || m.Random == nil) {
		return fmt.Errorf("wal: Options.Manual lacks Monotonic or Random: set both")
	}
	return nil
}

// tell reports the records of a batch that has become durable.
func (m *Manual) tell(b *Batch) {
	if m == nil || m.Durable == nil {
		return
	}
	for i := range b.records {
		body, _, _ := item(b.record(&b.records[i]))
		r, ok := decodeRecord(body)
		if !ok || r.kind == kindMove || r.kind == kindMeta || r.kind == kindVoid {
			continue
		}
		if m.told.show(&r) {
			m.Durable(&m.told)
		}
	}
}

func (m *Manual) wake() {
	if m != nil && m.Wake != nil {
		m.Wake()
	}
}

// Turn does what is there to do and returns: the writer takes all that waits and
// writes, syncs and completes one round of it, then the keeper does its part:
// makes spare segments, copies forward, recycles. It reports whether anything
// was done; when nothing was, nothing will be before the next Submit, the end of
// a read, or the time that Due says.
//
// Only a log with Options.Manual may be driven so, by one goroutine at a time,
// and not from a done function. The error is that of a log that has failed, as
// Submit returns it, or ErrClosed.
func (l *Log) Turn() (did bool, err error) {
	if l.options.Manual == nil {
		return false, fmt.Errorf("%w: this log drives itself; set Options.Manual", ErrInvalid)
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false, ErrClosed
	}
	if l.lazyBytes > 0 && l.now() >= l.lazyDue {
		l.flush = true
	}
	write := l.hasWork()
	l.mu.Unlock()
	if write {
		did = l.writeStep()
	}
	woken := l.keeperDue != 0 && l.now() >= l.keeperDue
	select {
	case <-l.keeperWake:
		woken = true
	default:
	}
	if woken {
		l.keepStep()
		did = true
	}
	return did, l.failure()
}

// Due returns when Turn has something to do, in the time of Manual.Monotonic, if
// nothing else happens before; now when it has already. False: not before
// something is submitted or a read ends. It is for the goroutine that calls Turn.
func (l *Log) Due() (at int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.options.Manual == nil || l.closed {
		return 0, false
	}
	if l.hasWork() || len(l.keeperWake) > 0 {
		return int64(l.now()), true
	}
	due := l.keeperDue
	if l.lazyBytes > 0 && (due == 0 || l.lazyDue < due) {
		due = l.lazyDue
	}
	return int64(due), due != 0
}
