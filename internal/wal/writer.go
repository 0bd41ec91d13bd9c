package wal

import (
	"errors"
	"fmt"
	"time"
)

const (
	// maxRoundBytes bounds one write, so that the first batch of many does not
	// wait for the disk to take all of them.
	maxRoundBytes = 4 << 20
	// gatherBytes: smaller batches are copied together to save calls.
	gatherBytes = 128 << 10
)

var errClosedFull = fmt.Errorf("%w: the disk was full to the end: %w", ErrClosed, ErrFull)

// write is the writer's goroutine: take all that waits, write, sync, complete.
func (l *Log) write() {
	defer close(l.writerDone)
	for {
		work, ok := l.take()
		if !ok {
			return
		}
		for len(work) > 0 {
			n, err := l.writeRound(work)
			if err != nil {
				l.abandon(work, err)
				break
			}
			work = work[n:]
		}
	}
}

// take waits until something must be written and returns all that waits.
func (l *Log) take() ([]*Batch, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.urgent && !l.flush && l.lazyBytes < maxLazyBytes {
		if l.closed {
			if len(l.queue) == 0 {
				return nil, false
			}
			break
		}
		l.wake.Wait()
	}
	work := l.queue
	clear(l.taken)
	l.queue, l.taken = l.taken[:0], work
	if l.lazyBytes > 0 {
		l.lazyTimer.Stop()
	}
	l.urgent, l.flush, l.lazyBytes = false, false, 0
	return work, true
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
		f.put(b.buf)
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
	began := time.Since(l.started)
	l.ioStart.Store(int64(max(began, 1)))
	defer l.ioStart.Store(0)

	at := start // of the first byte in scratch
	l.scratch = l.scratch[:0]
	flush := func(next int64) error {
		if len(l.scratch) > 0 {
			if _, err := seg.file.WriteAt(l.scratch, at); err != nil {
				return err
			}
		}
		l.scratch, at = l.scratch[:0], next
		return nil
	}
	left := len(round)
	for _, b := range round {
		left--
		if b.at == 0 {
			continue
		}
		if l.direct || len(b.buf) >= gatherBytes || len(l.scratch) == 0 && left == 0 && !seal {
			if err := flush(b.at + int64(len(b.buf))); err != nil {
				return 0, err
			}
			if _, err := seg.file.WriteAt(b.buf, b.at); err != nil {
				return 0, err
			}
			continue
		}
		if len(l.scratch)+len(b.buf) > gatherBytes {
			if err := flush(b.at); err != nil {
				return 0, err
			}
		}
		l.scratch = append(l.scratch, b.buf...)
	}
	if seal {
		var b [frameBytes]byte
		f := frame{seal: true, generation: seg.generation, round: l.round, start: uint32(start)}
		f.put(b[:])
		l.scratch = append(l.scratch, b[:]...)
		pos += frameBytes
	}
	if err := flush(pos); err != nil {
		return 0, err
	}
	if err := seg.file.Sync(); err != nil {
		return 0, err
	}
	l.round++
	l.counters.rounds.Add(1)
	l.counters.bytes.Add(uint64(pos - start))
	l.counters.syncNanos.Add(uint64(time.Since(l.started) - began))
	return pos, nil
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
		l.setFull(failed)
		return false
	})
	if err != nil && failed != nil {
		return fmt.Errorf("%w: %w", err, failed)
	}
	return err
}

// await blocks the writer until there is space, as told by ready, which is asked
// again whenever the keeper has found some or tried to.
func (l *Log) await(ready func() bool) error {
	for {
		l.mu.Lock()
		retries := l.retries
		l.mu.Unlock()
		if ready() {
			return nil
		}
		l.mu.Lock()
		l.parked = true
		l.mu.Unlock()
		l.wakeKeeper()
		l.mu.Lock()
		for l.retries == retries && !l.closed {
			l.wake.Wait()
		}
		l.parked = false
		closed := l.closed
		l.mu.Unlock()
		if closed && !ready() {
			l.gaveUp = true
			return errClosedFull
		}
	}
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

// admitted is what a record changed of the writer's view, to take it back.
type admitted struct {
	ml          *memberLog
	exists      bool
	base, last  uint64
	cuts, metas uint32
}

// admit checks that a batch continues the logs of its members, and keeps the
// writer's view of them. A batch that does not is refused as a whole.
func (l *Log) admit(b *Batch) error {
	l.undo = l.undo[:0]
	for i := range b.records {
		q := &b.records[i]
		ml := q.ml
		l.undo = append(l.undo, admitted{ml, ml.nextExists, ml.nextBase, ml.nextLast, ml.nextCuts, ml.nextMetas})
		if err := l.admitRecord(b, q, ml); err != nil {
			for j := len(l.undo) - 1; j >= 0; j-- {
				u := &l.undo[j]
				u.ml.nextExists, u.ml.nextBase, u.ml.nextLast = u.exists, u.base, u.last
				u.ml.nextCuts, u.ml.nextMetas = u.cuts, u.metas
			}
			return fmt.Errorf("%w: group %016x member %d: %w", ErrInvalid, ml.member.Group, ml.member.ID, err)
		}
	}
	return nil
}

var errUnknownMember = errors.New("the log does not hold this member; Reset begins one")

func (l *Log) admitRecord(b *Batch, q *queued, ml *memberLog) error {
	switch q.kind {
	case kindAppend:
		if q.count > 0 {
			switch {
			case q.first > ml.nextLast+1:
				return fmt.Errorf("entry %d leaves a gap behind entry %d", q.first, ml.nextLast)
			case q.first <= ml.nextBase:
				return fmt.Errorf("entry %d is behind the base %d", q.first, ml.nextBase)
			case q.first <= ml.nextLast:
				ml.nextCuts++
				l.shrunk = true
			}
			ml.nextLast = q.first + uint64(q.count) - 1
		}
		if q.hasState {
			ml.nextMetas++
		}
		ml.nextExists = true
	case kindReset:
		ml.nextExists, ml.nextBase, ml.nextLast = true, q.base, q.base
		ml.nextCuts++
		ml.nextMetas++
		l.shrunk = true
	case kindCompact:
		if !ml.nextExists {
			return errUnknownMember
		}
		if q.base > ml.nextBase {
			ml.nextBase, ml.nextLast = q.base, max(ml.nextLast, q.base)
			ml.nextCuts++
			ml.nextMetas++
			l.shrunk = true
		}
	case kindDelete:
		ml.nextExists, ml.nextBase, ml.nextLast = false, 0, 0
		ml.nextCuts++
		ml.nextMetas++
		l.shrunk = true
	case kindMove:
		if q.version != ml.nextCuts || !ml.nextExists {
			b.void(q)
		}
	case kindMeta:
		if q.version != ml.nextMetas || !ml.nextExists {
			b.void(q)
		}
	}
	return nil
}
