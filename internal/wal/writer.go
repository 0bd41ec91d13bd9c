package wal

import (
	"errors"
	"fmt"
)

const (
	// maxRoundBytes bounds one write, so that the first batch of many does not
	// wait for the disk to take all of them.
	maxRoundBytes = 4 << 20
	// gatherBytes: smaller pieces are copied together.
	gatherBytes = 4 << 10
)

// errParked: the writer cannot go on before there is space.
var errParked = errors.New("wal: writer waits for space")

var errClosedFull = fmt.Errorf("%w: the disk was full to the end: %w", ErrClosed, ErrFull)

// write is the writer's goroutine.
func (l *Log) write() {
	defer close(l.writerDone)
	for l.awaitWork() {
		l.writeStep()
	}
}

// awaitWork waits until the writer has something to do; false: never again.
func (l *Log) awaitWork() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.hasWork() {
		if l.closed && len(l.work)+len(l.queue) == 0 {
			return false
		}
		l.wake.Wait()
	}
	return true
}

// hasWork reports whether writeStep has something to do. l.mu is held.
func (l *Log) hasWork() bool {
	switch {
	case len(l.work) > 0:
		return l.failed != nil || !l.parked || l.retries != l.tried || l.closed && l.full != nil
	case len(l.queue) > 0:
		return l.urgent || l.flush || l.lazyBytes >= maxLazyBytes || l.closed
	}
	return false
}

// finish writes all that waits, for Close of a log that is driven by hand.
func (l *Log) finish() {
	for {
		l.mu.Lock()
		ready, left := l.hasWork(), len(l.work)+len(l.queue) > 0
		l.mu.Unlock()
		switch {
		case ready:
			l.writeStep()
		case left:
			l.keepStep() // makes the spare that the writer needs, or finds the disk full
		default:
			return
		}
	}
}

// writeStep takes all that waits, if nothing that was taken is left, and writes,
// syncs and completes one round of it. It never waits: where there is no space,
// what was taken stays until there is. It reports whether anything was done.
func (l *Log) writeStep() bool {
	if len(l.work) == 0 {
		l.take()
	}
	n, err := l.writeRound(l.work)
	switch {
	case errors.Is(err, errParked):
		return false
	case err != nil:
		l.abandon(l.work, err)
		n = len(l.work)
	}
	l.work = l.work[n:]
	return n > 0
}

// take makes all that waits the work.
func (l *Log) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work = l.queue
	clear(l.taken)
	l.queue, l.taken = l.taken[:0], l.work
	if l.lazyBytes > 0 && l.lazyTimer != nil {
		l.lazyTimer.Stop()
	}
	l.urgent, l.flush, l.lazyBytes = false, false, 0
}

// delay gives the first of the lazy batches its time. l.mu is held.
func (l *Log) delay() {
	if l.lazyTimer != nil {
		l.lazyTimer.Reset(lazyDelay)
		return
	}
	l.lazyDue = l.now() + lazyDelay
	l.options.Manual.wake()
}

// wakeWriter lets the writer look whether it has something to do.
func (l *Log) wakeWriter() {
	l.wake.Broadcast()
	l.options.Manual.wake()
}

// writeRound writes and syncs the first batches of work and runs their
// completions. A round never spans two segments: a frame in a segment says that
// all of the segment before it was synced.
func (l *Log) writeRound(work []*Batch) (n int, err error) {
	if err := l.failure(); err != nil {
		return 0, err
	}
	if l.gaveUp {
		return 0, errClosedFull
	}
	if err := l.makeRoom(int64(work[0].size())); err != nil {
		return 0, err
	}
	seg := l.active
	start, pos := seg.end, seg.end
	roll := false
	for _, b := range work {
		size := int64(b.size())
		if n > 0 && pos-start+size > maxRoundBytes {
			break
		}
		if size > seg.size-pos-frameBytes {
			roll = true
			break
		}
		n++
		if b.outcome = l.admit(b); b.outcome != nil || size == 0 {
			b.at = 0
			continue
		}
		f := frame{payload: uint32(size - frameBytes), generation: seg.generation, round: l.round, start: uint32(start), sum: b.sum}
		f.put(b.frame())
		b.at = pos
		pos += size
	}
	round := work[:n]
	roll = roll && l.hasSpare()
	if pos > start || roll {
		if pos, err = l.put(seg, round, start, pos, roll); err != nil {
			return 0, l.fail(err)
		}
	}
	l.complete(seg, round, pos)
	if roll {
		l.advance()
	}
	if l.shrunk {
		l.shrunk = false
		l.wakeKeeper()
	}
	return n, nil
}

// put writes the frames of a round, and a seal when it is the segment's last, and syncs.
func (l *Log) put(seg *segment, round []*Batch, start, pos int64, seal bool) (int64, error) {
	began := l.now()
	l.ioStart.Store(int64(max(began, 1)))
	defer l.ioStart.Store(0)

	var last *frame
	if seal {
		last = &frame{seal: true, generation: seg.generation, round: l.round, start: uint32(start)}
		pos += frameBytes
	}
	l.collect(round, last)
	err := writePieces(seg.file, l.pieces, start, seg.size)
	clear(l.pieces)
	l.pieces = l.pieces[:0]
	if err != nil {
		return 0, err
	}
	if err := seg.file.Sync(); err != nil {
		return 0, err
	}
	l.round++
	l.counters.rounds.Add(1)
	l.counters.bytes.Add(uint64(pos - start))
	l.counters.syncNanos.Add(uint64(l.now() - began))
	return pos, nil
}

// collect makes the pieces of a round: chunks as they are, and what is small
// copied together, so that there are few of them.
func (l *Log) collect(round []*Batch, seal *frame) {
	l.scratch = l.scratch[:0]
	run := 0 // where in scratch the present piece begins
	end := func() {
		if run < len(l.scratch) {
			l.pieces = append(l.pieces, l.scratch[run:])
			run = len(l.scratch)
		}
	}
	for _, b := range round {
		if b.at == 0 {
			continue
		}
		for i := range len(b.full) + 1 {
			if chunk := b.chunk(i); len(chunk) >= gatherBytes {
				end()
				l.pieces = append(l.pieces, chunk)
			} else {
				l.scratch = append(l.scratch, chunk...)
			}
		}
	}
	if seal != nil {
		var b [frameBytes]byte
		seal.put(b[:])
		l.scratch = append(l.scratch, b[:]...)
	}
	end()
	if cap(l.scratch) > maxRoundBytes/4 {
		l.scratch = nil // the pieces still hold it
	}
}

// complete brings the index up to date and tells the submitters.
func (l *Log) complete(seg *segment, round []*Batch, end int64) {
	var bytes, records int64
	for _, b := range round {
		bytes += int64(b.size())
		if b.at == 0 {
			continue
		}
		records += int64(len(b.records))
		l.options.Manual.tell(b)
		for i := range b.records {
			q := &b.records[i]
			q.ml.apply(q, place{segment: seg, off: uint32(b.at) + q.off, size: q.size})
		}
	}
	l.counters.batches.Add(uint64(len(round)))
	l.counters.records.Add(uint64(records))
	l.mu.Lock()
	seg.end = end
	l.queuedBytes -= bytes
	l.mu.Unlock()
	for _, b := range round {
		if b.done != nil {
			b.done(b.outcome)
		}
		b.Discard()
	}
}

// abandon ends batches that were not written.
func (l *Log) abandon(work []*Batch, err error) {
	var bytes int64
	for _, b := range work {
		bytes += int64(b.size())
	}
	l.mu.Lock()
	l.queuedBytes -= bytes
	l.mu.Unlock()
	for _, b := range work {
		if b.done != nil {
			b.done(err)
		}
		b.Discard()
	}
}

// fail makes the log refuse everything from now on. What the disk holds of the
// failed write is unknown, and a second sync may succeed without having written it.
func (l *Log) fail(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failLocked(cause)
}

func (l *Log) failLocked(cause error) error {
	l.failed = fmt.Errorf("%w: %s: %w; check the disk, then start anew", ErrFailed, l.path(segmentName(l.active.number)), cause)
	l.urgent = true // what waits lazily shall hear of it now
	return l.failed
}

// makeRoom sees to it that the active segment takes a frame of the given size.
func (l *Log) makeRoom(size int64) error {
	if size <= l.active.room() {
		return nil
	}
	if l.active.end > dataStart {
		if err := l.await(l.hasSpare); err != nil {
			return err
		}
		pos, err := l.put(l.active, nil, l.active.end, l.active.end, true)
		if err != nil {
			return l.fail(err)
		}
		l.complete(l.active, nil, pos)
		l.advance()
	}
	// A batch that no ordinary segment holds gets a longer one.
	if size <= l.active.room() {
		return nil
	}
	var failed error
	err := l.await(func() bool {
		want := (dataStart + size + frameBytes + dataStart - 1) / dataStart * dataStart
		failed = l.active.file.Allocate(want)
		l.mu.Lock()
		defer l.mu.Unlock()
		if failed == nil {
			l.active.size = want
			return true
		}
		if passes(failed) {
			l.setFull(failed)
		}
		return false
	})
	if failed != nil && !passes(failed) {
		return l.fail(failed)
	}
	if failed != nil && errors.Is(err, ErrClosed) {
		return fmt.Errorf("%w: %w", err, failed)
	}
	return err
}

// await asks ready whether there is space. Where there is none it returns
// errParked: the writer comes back whenever the keeper has found some or tried to.
func (l *Log) await(ready func() bool) error {
	l.mu.Lock()
	l.tried = l.retries
	l.mu.Unlock()
	ok := ready()
	l.mu.Lock()
	end := !ok && l.closed && l.full != nil // nobody will look for space again
	l.parked = !ok && !end
	l.mu.Unlock()
	switch {
	case ok:
		return nil
	case end:
		l.gaveUp = true
		return errClosedFull
	}
	l.wakeKeeper()
	return errParked
}

func (l *Log) hasSpare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spares) > 0
}

// advance goes on in the next spare segment.
func (l *Log) advance() {
	l.mu.Lock()
	l.active = l.spares[0]
	l.spares = append(l.spares[:0], l.spares[1:]...)
	l.segments = append(l.segments, l.active)
	l.mu.Unlock()
	l.wakeKeeper()
}
