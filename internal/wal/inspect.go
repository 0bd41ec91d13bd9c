package wal

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
)

// Record is one record of a log, as Inspect shows it.
type Record struct {
	Segment uint64 // number of the segment
	Offset  int64  // in the segment's file
	Round   uint64 // number of the write that carried it
	Batch   uint64 // records with the same number are atomic; counted from 1 in each reading
	Kind    string // append, reset, compact, delete, meta, move, void
	Member  Member

	HasState       bool
	State          State
	Base, BaseTerm uint64  // of reset, compact and meta
	Entries        []Entry // of append and move; valid until the next record
}

var kindNames = map[byte]string{
	kindAppend: "append", kindReset: "reset", kindCompact: "compact", kindDelete: "delete",
	kindMeta: "meta", kindMove: "move", kindVoid: "void",
}

// Report says what Verify found.
type Report struct {
	First, Last uint64 // numbers of the segments that hold the log
	End         int64  // offset in the last one where the log ends
	Torn        bool   // a write that was never reported durable was cut off there
	Spares      int    // prepared segments behind the last
	Records     uint64
	Bytes       int64 // of records and frames
	Members     int
}

var errStopped = errors.New("wal: reader stopped")

// Inspect reads all records of a log that is not open, oldest first. Only FS and
// Checkpoints of the options are used; nothing is changed. The last pair holds
// the error, if any, that Open would return as well: ErrCorrupt, ErrFormat.
func Inspect(dir string, o Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var out Record
		visit := func(segment uint64, offset int64, f frameID, r *record) error {
			out.Segment, out.Offset, out.Round, out.Batch = segment, offset, f.round, f.batch
			if !out.show(r) {
				return corrupt(dir, segment, offset, "record ends within its entries, with a right checksum")
			}
			if !yield(out, nil) {
				return errStopped
			}
			return nil
		}
		if _, err := readLog(dir, o, visit); err != nil && !errors.Is(err, errStopped) {
			yield(Record{}, err)
		}
	}
}

// show takes over what a record says; false when it ends within its entries.
func (r *Record) show(from *record) bool {
	r.Kind, r.Member = kindNames[from.kind], from.member
	r.HasState, r.State = from.hasState, from.state
	r.Base, r.BaseTerm = from.base, from.baseTerm
	r.Entries = r.Entries[:0]
	rest := from.entries
	for i := range from.count {
		e, next, ok := nextEntry(rest)
		if !ok {
			return false
		}
		e.Index = from.first + uint64(i)
		r.Entries, rest = append(r.Entries, e), next
	}
	return true
}

// Verify reads all of a log that is not open, down to every entry, and reports
// what it found, up to the damage when there is any.
func Verify(dir string, o Options) (Report, error) {
	return readLog(dir, o, func(segment uint64, offset int64, _ frameID, r *record) error {
		rest, ok := r.entries, true
		for range r.count {
			if _, rest, ok = nextEntry(rest); !ok {
				return corrupt(dir, segment, offset, "record ends within its entries, with a right checksum")
			}
		}
		return nil
	})
}

func readLog(dir string, o Options, visit func(uint64, int64, frameID, *record) error) (Report, error) {
	dir = filepath.Clean(dir)
	if o.FS == nil {
		o.FS = readOnlyFS{}
	}
	if o.Checkpoints == nil {
		o.Checkpoints = checkpointFile{fs: o.FS, dir: dir}
	}
	numbers, _, err := listSegments(o.FS, dir)
	if err != nil {
		return Report{}, err
	}
	saved, err := o.Checkpoints.LoadCheckpoint()
	if err != nil {
		return Report{}, fmt.Errorf("wal: load checkpoint of %s: %w", dir, err)
	}
	if saved == nil {
		return Report{}, fmt.Errorf("wal: %s holds no log: there is no checkpoint", dir)
	}
	cp, err := decodeCheckpoint(dir, saved)
	if err != nil {
		return Report{}, err
	}
	for len(numbers) > 0 && numbers[0] < cp.first {
		numbers = numbers[1:]
	}
	var members table
	members.init()
	r := recovery{dir: dir, fs: o.FS, members: &members, visit: visit}
	err = r.run(cp, numbers)
	report := Report{First: cp.first, Torn: r.torn, Spares: len(r.spares), Records: r.records, Bytes: r.bytes}
	for _, ml := range members.all() {
		if ml.exists {
			report.Members++
		}
	}
	if n := len(r.segments); n > 0 {
		report.Last, report.End = r.segments[n-1].number, r.segments[n-1].end
	}
	for _, s := range append(r.segments, r.spares...) {
		err = errors.Join(err, s.file.Close())
	}
	return report, err
}
