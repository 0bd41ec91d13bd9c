package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is returned when bytes that were durable cannot be read back.
	// errors.As finds a *CorruptError with the place.
	ErrCorrupt = errors.New("wal: corrupt")
	// ErrFormat is returned when the log was written in a format that this program does not know.
	ErrFormat = errors.New("wal: unknown format")
	// ErrFailed is returned after a write or a sync failed, for ever.
	ErrFailed = errors.New("wal: log has failed")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("wal: log is closed")
	// ErrOverloaded is returned when more than Options.MaxQueuedBytes wait to be
	// written. Nothing of the batch was taken: it may be submitted again.
	ErrOverloaded = errors.New("wal: too many bytes wait to be written")
	// ErrFull is returned when the disk is full and the reserve is used up.
	// Nothing of the batch was taken: it may be submitted again when there is space.
	ErrFull = errors.New("wal: disk is full and the reserve is used up")
	// ErrTooLarge is returned for a batch beyond MaxBatchBytes.
	ErrTooLarge = errors.New("wal: batch is too large")
	// ErrInvalid is returned for a batch that does not continue the log of one of
	// its members: a gap, an entry behind the base, an unknown member. Nothing of
	// the batch was written.
	ErrInvalid = errors.New("wal: batch does not continue the log")
	// ErrCompacted is returned when entries at or before the base are asked for.
	ErrCompacted = errors.New("wal: entries are compacted")
	// ErrUnavailable is returned when entries behind the last durable one are
	// asked for, or those of an unknown member.
	ErrUnavailable = errors.New("wal: entries are not available")
)

// CorruptError says what is damaged and where. errors.Is matches ErrCorrupt.
type CorruptError struct {
	Dir     string // folder of the log
	Segment uint64 // number of the segment, 0 when it is not about one
	Offset  int64  // byte offset in the segment's file, -1 when it is about the whole file
	Reason  string
	Remedy  string
}

const remedyMember = "restore the folder from this node's own intact disk, or remove the whole data folder and let the node join again as a new one; do not delete single segments"

func (e *CorruptError) Error() string {
	where := e.Dir
	if e.Segment != 0 {
		where += "/" + segmentName(e.Segment)
	}
	if e.Offset >= 0 {
		where += fmt.Sprintf(" at offset %d", e.Offset)
	}
	return fmt.Sprintf("wal: corrupt: %s: %s; remedy: %s", where, e.Reason, e.Remedy)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func corrupt(dir string, segment uint64, offset int64, format string, args ...any) error {
	return &CorruptError{Dir: dir, Segment: segment, Offset: offset, Reason: fmt.Sprintf(format, args...), Remedy: remedyMember}
}
