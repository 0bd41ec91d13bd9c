package wal

import (
	"errors"
	"slices"
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

// retirement frees the oldest segment: what is needed of it is copied to the end
// of the log, the copies are made durable, the checkpoint moves past it, and only
// then may its file be used anew. Whatever happens in between, a copy is as good
// as its original. It belongs to the keeper, which goes on with it whenever the
// writer has taken a portion.
type retirement struct {
	segment *segment
	spare   bool // it is done to win the next spare
	pass    int
	found   int          // members that had something in the segment when the pass began
	members []*memberLog // of them, those that were not yet looked at
	owner   *memberLog   // of extents and rest
	version uint32       // of owner's log when extents were read from it
	extents []extent     // to be copied when rest is
	rest    []Entry      // read and not yet copied
	batch   *Batch
	paused  time.Duration // when the next portion may go, 0 at once

	inFlight bool // the writer has a portion; under Log.mu, as is outcome
	outcome  error
}

// toSpare reports whether there is a retirement that will make a spare.
func (r *retirement) toSpare() bool { return r != nil && r.spare }

// retirementDue is when the retirement goes on by itself, 0 when there is none or
// when it waits for the writer, who wakes the keeper.
func (l *Log) retirementDue() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retiring == nil || l.retiring.inFlight {
		return 0
	}
	return l.retiring.paused
}

func (l *Log) beginRetiring(s *segment, spare bool) {
	l.retiring = &retirement{segment: s, spare: spare, batch: l.NewBatch()}
	l.retiring.collect(l)
}

// retireStep goes on with the retirement until it must wait, is over or fails,
// and reports whether the segment is free.
func (l *Log) retireStep() (freed bool) {
	r := l.retiring
	for {
		l.mu.Lock()
		inFlight, err := r.inFlight, r.outcome
		l.mu.Unlock()
		if inFlight {
			return false
		}
		if r.paused != 0 && l.now() < r.paused {
			return false
		}
		r.paused = 0
		if err == nil {
			err = r.fill(l)
		}
		if err == nil && r.batch.size() > 0 {
			if err = r.send(l); err == nil {
				continue
			}
		}
		switch {
		case err != nil:
			if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFailed) && l.stuck != r.segment.number {
				l.stuck = r.segment.number // said once
				l.logger.Error("cannot copy the needed records out of an old segment; it stays", "segment", l.path(segmentName(r.segment.number)), "err", err)
			}
		case r.found == 0:
			freed = l.passOver(r.segment)
		case r.pass < copyPasses:
			r.pass++
			r.collect(l)
			continue
		}
		r.batch.Discard()
		l.retiring = nil
		return freed
	}
}

// passOver moves the checkpoint past the oldest segment and lets the segment go.
func (l *Log) passOver(s *segment) bool {
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

// collect begins a pass: it finds the members that need something of the segment.
func (r *retirement) collect(l *Log) {
	r.members = r.members[:0]
	for _, ml := range l.members.all() {
		ml.mu.Lock()
		if meta, entries := ml.needs(r.segment); meta || entries {
			r.members = append(r.members, ml)
		}
		ml.mu.Unlock()
	}
	r.found = len(r.members)
	slices.SortFunc(r.members, func(a, b *memberLog) int { return a.member.compare(b.member) })
}

// needs reports whether the newest state or base, or entries, lie in the oldest
// segment. ml.mu is held.
func (ml *memberLog) needs(s *segment) (meta, entries bool) {
	if !ml.exists {
		return false, false
	}
	at := uint32(s.number)
	meta = ml.stateSegment != 0 && ml.stateSegment <= at || ml.baseSegment != 0 && ml.baseSegment <= at
	return meta, slices.ContainsFunc(ml.extents, func(e extent) bool { return e.segment == s })
}

// fill adds copies to the batch until it is a portion or the pass has no more.
func (r *retirement) fill(l *Log) error {
	for r.batch.size() < copyBytes {
		switch {
		case len(r.rest) > 0:
			n, bytes := 0, 0
			for n < len(r.rest) && (n == 0 || bytes < copyBytes) {
				bytes += len(r.rest[n].Data)
				n++
			}
			r.batch.move(r.owner, r.rest[:n], r.version)
			r.rest = r.rest[n:]
		case len(r.extents) > 0:
			e := &r.extents[0]
			rest, err := l.readExtent(nil, r.owner.member, e, e.first, e.end(), &budget{unlimited: true})
			if err != nil {
				return err
			}
			r.rest, r.extents = rest, r.extents[1:]
		case len(r.members) > 0:
			r.look(r.members[0])
			r.members = r.members[1:]
		default:
			return nil
		}
	}
	return nil
}

// look adds a member's state and notes which of its entries are to be copied.
func (r *retirement) look(ml *memberLog) {
	ml.mu.Lock()
	meta, _ := ml.needs(r.segment)
	state, base, baseTerm, metas := ml.state, ml.base, ml.baseTerm, ml.metas
	r.owner, r.version, r.extents = ml, ml.cuts, nil
	for _, e := range ml.extents {
		if e.segment == r.segment {
			r.extents = append(r.extents, e)
		}
	}
	ml.mu.Unlock()
	if meta {
		r.batch.meta(ml, state, base, baseTerm, metas)
	}
}

// send hands the batch to the writer, and the keeper is woken when it is durable.
func (r *retirement) send(l *Log) error {
	b, size := r.batch, r.batch.size()
	l.mu.Lock()
	r.inFlight = true
	l.mu.Unlock()
	err := l.submit(b, true, func(err error) {
		if err == nil {
			l.counters.copied.Add(uint64(size))
		}
		l.mu.Lock()
		r.inFlight, r.outcome = false, err
		l.mu.Unlock()
		l.wakeKeeper()
	}, false)
	if err != nil {
		l.mu.Lock()
		r.inFlight = false
		l.mu.Unlock()
		return err
	}
	r.batch = l.NewBatch()
	if size >= copyBytes {
		r.paused = l.now() + copyPause
	}
	return nil
}
