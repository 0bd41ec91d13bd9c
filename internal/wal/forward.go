package wal

import (
	"errors"
	"time"
)

const (
	// copyBytes bounds what one round carries of copies.
	copyBytes = 64 << 10
	// copyPause between two portions leaves the disk to the callers: 32 MiB/s at most.
	copyPause = 2 * time.Millisecond
	// copyPasses bounds how often copies that came too late are made again before
	// the segment is left for the next time.
	copyPasses = 4
)

var errParked = errors.New("wal: writer waits for space")

// retire frees the oldest segment: what is needed of it is copied to the end of
// the log, the copies are made durable, the checkpoint moves past it, and only
// then may its file be used anew. Whatever happens in between, a copy is as good
// as its original. It reports whether the segment is free.
func (l *Log) retire(s *segment) bool {
	for pass := 0; ; pass++ {
		n, err := l.copyForward(s)
		if err != nil {
			if !errors.Is(err, errParked) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFailed) && l.stuck != s.number {
				l.stuck = s.number // said once
				l.logger.Error("cannot copy the needed records out of an old segment; it stays", "segment", l.path(segmentName(s.number)), "err", err)
			}
			return false
		}
		if n == 0 {
			break
		}
		if pass == copyPasses {
			return false
		}
	}
	if err := l.options.Checkpoints.SaveCheckpoint(checkpoint{id: l.id, first: s.number + 1}.append(nil)); err != nil {
		l.logger.Warn("cannot save the checkpoint of the log; an old segment stays", "segment", l.path(segmentName(s.number)), "err", err)
		return false
	}
	l.mu.Lock()
	l.segments = append(l.segments[:0], l.segments[1:]...)
	l.mu.Unlock()
	l.release(s)
	return true
}

// copyForward copies all that is needed of the oldest segment, and returns how
// many members had something there.
func (l *Log) copyForward(s *segment) (members int, err error) {
	c := copier{log: l, batch: l.NewBatch()}
	defer func() { c.batch.Discard() }()
	var needed []extent
	for _, ml := range l.members.all() {
		ml.mu.Lock()
		if !ml.exists {
			ml.mu.Unlock()
			continue
		}
		at := uint32(s.number)
		meta := ml.stateSegment != 0 && ml.stateSegment <= at || ml.baseSegment != 0 && ml.baseSegment <= at
		state, base, baseTerm := ml.state, ml.base, ml.baseTerm
		cuts, metas := ml.cuts, ml.metas
		needed = needed[:0]
		for _, e := range ml.extents {
			if e.segment == s {
				needed = append(needed, e)
			}
		}
		ml.mu.Unlock()
		if !meta && len(needed) == 0 {
			continue
		}
		members++
		if meta {
			c.batch.meta(ml, state, base, baseTerm, metas)
			if err := c.flush(copyBytes); err != nil {
				return members, err
			}
		}
		for i := range needed {
			if err := c.entries(ml, &needed[i], cuts); err != nil {
				return members, err
			}
		}
	}
	return members, c.flush(1)
}

type copier struct {
	log   *Log
	batch *Batch
}

// entries copies one extent, in portions.
func (c *copier) entries(ml *memberLog, e *extent, version uint32) error {
	all, err := c.log.readExtent(nil, ml.member, e, e.first, e.end(), &budget{unlimited: true})
	if err != nil {
		return err
	}
	for len(all) > 0 {
		n, bytes := 0, 0
		for n < len(all) && (n == 0 || bytes < copyBytes) {
			bytes += len(all[n].Data)
			n++
		}
		c.batch.move(ml, all[:n], version)
		all = all[n:]
		if err := c.flush(copyBytes); err != nil {
			return err
		}
	}
	return nil
}

// flush writes the batch when it has at least the given size and waits for it.
func (c *copier) flush(least int) error {
	if c.batch.size() < least {
		return nil
	}
	l := c.log
	size := c.batch.size()
	done := make(chan error, 1)
	if err := l.submit(c.batch, true, func(err error) { done <- err }, false); err != nil {
		return err
	}
	c.batch = l.NewBatch()
	poll := time.NewTicker(copyPause)
	defer poll.Stop()
	for waiting := true; waiting; {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
			waiting = false
		case <-poll.C:
			// The writer may wait for the very segment that this goroutine would
			// make. What was submitted stays right whenever it is written.
			if l.isParked() {
				return errParked
			}
		}
	}
	l.counters.copied.Add(uint64(size))
	if least == copyBytes {
		<-poll.C
	}
	return nil
}
