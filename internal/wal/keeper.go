package wal

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// The keeper is the goroutine behind the writer: it prepares spare segments,
// copies forward what keeps an old segment from being freed, and recycles.

// retryFull is how often space is looked for while the disk is full.
const retryFull = 500 * time.Millisecond

func (l *Log) wakeKeeper() {
	select {
	case l.keeperWake <- struct{}{}:
		l.options.Manual.wake()
	default:
	}
}

// keep is the keeper's goroutine.
func (l *Log) keep() {
	defer close(l.keeperDone)
	timer := time.NewTimer(retryFull)
	defer timer.Stop()
	for {
		if l.keeperDue != 0 {
			timer.Reset(l.keeperDue - l.now())
		} else {
			timer.Stop()
		}
		select {
		case <-l.stop:
			return
		case <-l.keeperWake:
		case <-timer.C:
		}
		l.keepStep()
	}
}

// keepStep does what there is to do for the keeper. It does not wait, but for
// files that are made, and says in keeperDue when it must come back.
func (l *Log) keepStep() {
	l.tidy()
	now := l.now()
	tick := l.retryAt != 0 && now >= l.retryAt
	if !l.settle(tick) {
		l.retryAt = 0
	} else if tick || l.retryAt == 0 {
		l.retryAt = now + retryFull
	}
	l.keeperDue = l.retryAt
	if pause := l.retirementDue(); pause != 0 && (l.keeperDue == 0 || pause < l.keeperDue) {
		l.keeperDue = pause
	}
}

// tidy brings spares and old segments to where they should be.
func (l *Log) tidy() {
	// A dead segment is the cheapest spare there is.
	if l.retiring == nil && l.wantsSpare() && !l.isParked() {
		if s := l.oldestDead(); s != nil {
			l.beginRetiring(s, true)
		}
	}
	if l.retiring != nil {
		l.retireStep()
	}
	// A writer that waits for a spare may be what the retirement waits for.
	for l.wantsSpare() && (!l.retiring.toSpare() || l.isParked()) {
		if err := l.prepare(); err != nil {
			l.noSpare(err)
			l.wakeWriter() // Close does not wait for space
			break
		}
	}
	for l.retiring == nil {
		s := l.oldestHeavy()
		if s == nil {
			break
		}
		l.beginRetiring(s, false)
		if !l.retireStep() {
			break
		}
		if l.wantsSpare() {
			l.wakeKeeper()
			break
		}
	}
	l.dropSurplus()
}

// settle ends what a full disk began once there are spares again, and lets a
// writer that waits for space look again now and then. It reports whether the
// keeper must come back by itself.
func (l *Log) settle(tick bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full != nil && len(l.spares) >= l.options.SpareSegments && !l.parked {
		l.full = nil
		l.logger.Info("disk has space again", "dir", l.dir)
	}
	if tick && l.parked {
		l.retries++
		l.wakeWriter()
	}
	return l.full != nil || l.parked
}

// noSpare decides what it means that no spare segment could be made: where space is
// missing, or what else comes back by itself, the log waits for it; from a disk that
// does not work nothing more is expected.
func (l *Log) noSpare(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if passes(err) {
		l.setFull(err)
	} else if l.failed == nil { // also while it closes: a writer may wait for this spare
		l.failLocked(fmt.Errorf("make a spare segment: %w", err))
	}
}

// passes tells whether an error is about something that is used up for now.
func passes(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// setFull remembers why there is no spare segment, and says so once. l.mu is held.
func (l *Log) setFull(err error) {
	if l.full == nil && !l.closed {
		l.logger.Warn("no spare segment: refusing to grow until there is space", "dir", l.dir, "err", err)
	}
	l.full = err
}

func (l *Log) isParked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked
}

func (l *Log) wantsSpare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spares) < l.options.SpareSegments && (!l.closed || l.parked) && l.failed == nil
}

// prepare adds one spare, from a free segment if there is one.
func (l *Log) prepare() error {
	s, err := l.recycle()
	if s == nil && err == nil {
		s, err = l.createSegment(l.nextNumber, l.options.SegmentBytes)
		if err == nil {
			l.counters.created.Add(1)
		}
	}
	if err != nil {
		return err
	}
	l.nextNumber++
	l.mu.Lock()
	l.spares = append(l.spares, s)
	l.retries++
	l.parked = false // it says so again if this is not what it waits for
	l.mu.Unlock()
	l.wakeWriter()
	return nil
}

func (l *Log) recycle() (*segment, error) {
	for {
		l.mu.Lock()
		n := len(l.free)
		if n == 0 {
			l.mu.Unlock()
			return nil, nil
		}
		old := l.free[n-1]
		l.free = l.free[:n-1]
		l.mu.Unlock()
		if old.size != l.options.SegmentBytes {
			l.discard(old)
			continue
		}
		s, err := l.recycleSegment(old, l.nextNumber)
		if err != nil {
			l.discard(old)
			return nil, err
		}
		l.counters.recycled.Add(1)
		return s, nil
	}
}

// discard removes a segment that nobody needs. When that fails the file is below
// the checkpoint, where the next Open finds it.
func (l *Log) discard(s *segment) {
	s.file.Close()
	if err := l.fs.Remove(l.path(segmentName(s.number))); err != nil {
		l.logger.Warn("cannot remove a segment that is no longer needed", "segment", l.path(segmentName(s.number)), "err", err)
	}
}

// dropSurplus keeps one free segment for the next spare and removes the others.
func (l *Log) dropSurplus() {
	for {
		l.mu.Lock()
		var victim *segment
		for i, s := range l.free {
			if s.size != l.options.SegmentBytes || len(l.free) > 1 {
				victim = s
				l.free = append(l.free[:i], l.free[i+1:]...)
				break
			}
		}
		l.mu.Unlock()
		if victim == nil {
			return
		}
		l.discard(victim)
	}
}

// reclaim takes a segment that the log let go and that nobody reads any more.
func (l *Log) reclaim(s *segment) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.free = append(l.free, s)
	}
	l.mu.Unlock()
	if closed {
		s.file.Close()
		return
	}
	l.wakeKeeper()
}

// metaBytes is what a member's copied state takes, about.
const metaBytes = 48

// oldestDead is the oldest segment if no entry in it is needed.
func (l *Log) oldestDead() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) < 2 || l.failed != nil || l.closed || len(l.free) > 0 {
		return nil
	}
	if s := l.segments[0]; s.live.Load() <= 0 {
		return s
	}
	return nil
}

// oldestHeavy is the oldest segment if the log is larger than what it holds of
// use justifies: then, on the average, less than half of a segment is copied to
// free a whole one.
func (l *Log) oldestHeavy() *segment {
	members := int64(l.members.len())
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) < 2 || l.failed != nil || l.closed || l.parked {
		return nil
	}
	var total int64
	live := members * metaBytes
	for _, s := range l.segments {
		total += s.size
		live += s.live.Load()
	}
	oldest := l.segments[0]
	if l.full != nil {
		// Copying spends the reserve: only where it wins much more than it costs.
		if room := l.segments[len(l.segments)-1].room(); oldest.live.Load()+members*metaBytes > room/2 {
			return nil
		}
		if oldest.live.Load() <= oldest.size/4 {
			return oldest
		}
	}
	if total > 2*live+3*l.options.SegmentBytes {
		return oldest
	}
	return nil
}
