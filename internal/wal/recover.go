package wal

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// recover finds where the log begins and ends, fills the index and opens the
// active segment. It runs before there are other goroutines.
func (l *Log) recover() error {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return fmt.Errorf("wal: make folder %s: %w", l.dir, err)
	}
	numbers, temps, err := listSegments(l.fs, l.dir)
	if err != nil {
		return err
	}
	for _, name := range temps {
		if err := l.fs.Remove(l.path(name)); err != nil {
			return fmt.Errorf("wal: remove unfinished file %s: %w", l.path(name), err)
		}
	}
	saved, err := l.options.Checkpoints.LoadCheckpoint()
	if err != nil {
		return fmt.Errorf("wal: load checkpoint of %s: %w", l.dir, err)
	}
	if saved == nil {
		return l.begin(numbers)
	}
	cp, err := decodeCheckpoint(l.dir, saved)
	if err != nil {
		return err
	}
	// A process that was killed between a renaming and the sync of the folder left
	// names that the disk may not hold, and from here on they are relied on.
	if err := l.fs.SyncDir(l.dir); err != nil {
		return fmt.Errorf("wal: sync folder %s: %w", l.dir, err)
	}
	l.id = cp.id
	first, _ := slices.BinarySearch(numbers, cp.first)
	r := recovery{dir: l.dir, fs: l.fs, members: &l.members}
	err = r.run(cp, numbers[first:])
	l.segments, l.spares = r.segments, r.spares
	if err != nil {
		return err
	}
	l.active = l.segments[len(l.segments)-1]
	l.round = r.round + 1
	l.nextNumber = numbers[len(numbers)-1] + 1
	if err := l.rewriteLast(r.last, r.lastRound); err != nil {
		return err
	}
	if r.torn {
		l.logger.Info("cut a torn write at the end of the log; it was never reported durable", "segment", l.path(segmentName(l.active.number)), "offset", l.active.end)
	}
	for _, ml := range l.members.all() {
		if !ml.exists {
			s := l.members.shard(ml.member)
			delete(s.members, ml.member)
			continue
		}
		ml.nextExists, ml.nextBase, ml.nextLast = true, ml.base, ml.last
		ml.nextCuts, ml.nextMetas = ml.cuts, ml.metas
	}
	return l.adoptFree(numbers[:first])
}

// begin makes the first segment of a new log.
func (l *Log) begin(numbers []uint64) error {
	if len(numbers) > 0 {
		// A crash while the log was made leaves its first segment, empty.
		if empty, err := l.isEmpty(numbers); err != nil {
			return err
		} else if !empty {
			return corrupt(l.dir, 0, -1, "there are %d segments but no checkpoint that says where the log begins", len(numbers))
		}
	}
	l.id = l.random()
	// A short first segment lets a new node start without waiting for zeros; the
	// spare that follows it is prepared meanwhile.
	size := min(l.options.SegmentBytes, max(l.options.SegmentBytes/16, 1<<20))
	s, err := l.createSegment(1, size)
	if err != nil {
		return err
	}
	l.segments, l.active = []*segment{s}, s
	l.round, l.nextNumber = 1, 2
	if err := l.options.Checkpoints.SaveCheckpoint(checkpoint{id: l.id, first: 1}.append(nil)); err != nil {
		return fmt.Errorf("wal: save checkpoint of %s: %w", l.dir, err)
	}
	return nil
}

func (l *Log) isEmpty(numbers []uint64) (bool, error) {
	if len(numbers) != 1 || numbers[0] != 1 {
		return false, nil
	}
	file, err := l.fs.Open(l.path(segmentName(1)))
	if err != nil {
		return false, fmt.Errorf("wal: open segment: %w", err)
	}
	defer file.Close()
	s, err := scanSegment(l.dir, file, 1, 0, nil)
	if err != nil {
		return false, err
	}
	_, _, ok, err := s.next()
	if ok || err != nil {
		return false, err
	}
	highest, _, err := s.remains(s.size)
	return highest == 0 && !s.sealed, err
}

// rewriteLast writes the last round once more and syncs. After a failed sync, or
// the end of the process before one, the cache of the operating system may show
// bytes that the disk does not hold; from here on they are relied upon.
func (l *Log) rewriteLast(s *segment, from int64) error {
	if s == nil {
		return nil // nothing was ever written
	}
	buf := make([]byte, min(windowBytes, s.end-from))
	for off := from; off < s.end; off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), s.end-off)]
		if _, err := s.file.ReadAt(buf, off); err != nil {
			return fmt.Errorf("wal: read the end of %s: %w", l.path(segmentName(s.number)), err)
		}
		if _, err := s.file.WriteAt(buf, off); err != nil {
			return fmt.Errorf("wal: write the end of %s: %w", l.path(segmentName(s.number)), err)
		}
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("wal: sync %s: %w", l.path(segmentName(s.number)), err)
	}
	return nil
}

// adoptFree takes over what is left of segments below the checkpoint.
func (l *Log) adoptFree(numbers []uint64) error {
	for _, number := range numbers {
		name := l.path(segmentName(number))
		file, err := l.fs.Open(name)
		if err != nil {
			return fmt.Errorf("wal: open segment %s: %w", name, err)
		}
		size, err := file.Size()
		if err != nil {
			file.Close()
			return fmt.Errorf("wal: size of segment %s: %w", name, err)
		}
		l.free = append(l.free, &segment{header: header{number: number}, file: file, size: size})
	}
	return nil
}

// listSegments returns the numbers of all segments in order, and the names of unfinished files.
func listSegments(fs FS, dir string) (numbers []uint64, temps []string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("wal: list folder %s: %w", dir, err)
	}
	for _, name := range names {
		if number, ok := parseSegmentName(name); ok {
			numbers = append(numbers, number)
		} else if strings.HasSuffix(name, tempSuffix) {
			temps = append(temps, name)
		}
	}
	slices.Sort(numbers)
	return numbers, temps, nil
}

// frameID says which write and which batch a record came with.
type frameID struct{ round, batch uint64 }

// recovery reads a log. It changes no file.
type recovery struct {
	dir     string
	fs      FS
	members *table
	// visit, when set, sees every record, before it is applied.
	visit func(segment uint64, offset int64, f frameID, r *record) error

	segments  []*segment // the last one is where the log ends
	spares    []*segment
	round     uint64   // highest round seen, also of torn writes
	last      *segment // the last one with a sound frame
	lastRound int64    // offset of the last sound round in it
	torn      bool     // a write was cut off
	batches   uint64
	records   uint64
	bytes     int64
	window    []byte
	record    record // the one at hand, kept here so that none is allocated
	queued    queued
	recent    [1024]*memberLog
}

func (r *recovery) run(cp checkpoint, numbers []uint64) error {
	if len(numbers) == 0 || numbers[0] != cp.first {
		return corrupt(r.dir, cp.first, -1, "segment is missing: the log begins there")
	}
	ended := false
	lastSound := uint64(0)
	for i, number := range numbers {
		if number != cp.first+uint64(i) {
			return corrupt(r.dir, cp.first+uint64(i), -1, "segment is missing, newer ones are there")
		}
		name := segmentName(number)
		file, err := r.fs.Open(filepath.Join(r.dir, name))
		if err != nil {
			return fmt.Errorf("wal: open segment %s: %w", name, err)
		}
		seg := &segment{header: header{logID: cp.id, number: number}, file: file, end: dataStart}
		seg.refs.Store(1)
		s, err := scanSegment(r.dir, file, number, cp.id, r.window)
		if err != nil {
			file.Close()
			return err
		}
		seg.generation, seg.size = s.generation, s.size
		if ended {
			r.spares = append(r.spares, seg)
		} else {
			r.segments = append(r.segments, seg)
			s.round = lastSound
		}
		if ended {
			err = r.unused(s, number)
		} else {
			err = r.segment(s, seg)
			lastSound = s.round
			ended = !s.sealed
		}
		if err != nil {
			return err
		}
		r.window = s.buf
	}
	if !ended {
		return corrupt(r.dir, cp.first+uint64(len(numbers)), -1, "segment is missing: the one before it ends with a seal")
	}
	var broken *memberLog
	for _, ml := range r.members.all() {
		if ml.exists && ml.gap() != 0 && (broken == nil || ml.member.compare(broken.member) < 0) {
			broken = ml
		}
	}
	if ml := broken; ml != nil {
		return corrupt(r.dir, 0, -1, "group %016x member %d: entry %d is missing (base %d, last %d)", ml.member.Group, ml.member.ID, ml.gap(), ml.base, ml.last)
	}
	return nil
}

// find returns the index of a member. Records of the same few members come by
// again and again, so they are looked for in one place each first.
func (r *recovery) find(m Member) *memberLog {
	slot := &r.recent[(m.Group*31+m.ID)%uint64(len(r.recent))]
	if *slot == nil || (*slot).member != m {
		*slot = r.members.use(m)
		(*slot).uses.Store(0)
	}
	return *slot
}

// segment applies the records of one segment.
func (r *recovery) segment(s *scanner, seg *segment) error {
	for {
		off := s.off
		f, records, ok, err := s.next()
		if err != nil {
			return fmt.Errorf("wal: read segment %s at %d: %w", segmentName(seg.number), off, err)
		}
		if !ok {
			break
		}
		r.batches++
		at := off + frameBytes
		for len(records) > 0 {
			body, size, _ := item(records)
			rec := &r.record
			if *rec, ok = decodeRecord(body); !ok {
				return corrupt(r.dir, seg.number, at, "record of unknown kind or shape, with a right checksum")
			}
			if r.visit != nil {
				if err := r.visit(seg.number, at, frameID{f.round, r.batches}, rec); err != nil {
					return err
				}
			}
			if rec.kind != kindVoid {
				ml := r.find(rec.member)
				r.queued = queued{kind: rec.kind, hasState: rec.hasState, count: rec.count, first: rec.first, base: rec.base, baseTerm: rec.baseTerm, state: rec.state}
				ml.apply(&r.queued, place{segment: seg, off: uint32(at), size: uint32(size)})
			}
			r.records++
			at += int64(size)
			records = records[size:]
		}
	}
	r.round = max(r.round, s.round)
	r.bytes += s.off - dataStart
	seg.end = s.off
	if s.start != 0 {
		r.last, r.lastRound = seg, int64(s.start)
	}
	if s.sealed {
		return nil
	}
	if s.cut {
		return corrupt(r.dir, seg.number, s.off, "%s", s.bad)
	}
	highest, later, err := s.remains(s.size)
	if err != nil {
		return fmt.Errorf("wal: read segment %s: %w", segmentName(seg.number), err)
	}
	if later != 0 {
		return corrupt(r.dir, seg.number, s.off, "%s, but there are sound newer records at offset %d", s.bad, later)
	}
	r.torn = highest != 0 && highest >= s.round
	r.round = max(r.round, highest)
	return nil
}

// unused makes sure that a segment behind the end of the log holds nothing.
func (r *recovery) unused(s *scanner, number uint64) error {
	highest, _, err := s.remains(min(s.size, dataStart+windowBytes))
	if err != nil {
		return fmt.Errorf("wal: read segment %s: %w", segmentName(number), err)
	}
	if highest != 0 {
		last := r.segments[len(r.segments)-1]
		return corrupt(r.dir, last.number, last.end, "no sound record here, but segment %s after it holds newer ones", segmentName(number))
	}
	return nil
}
