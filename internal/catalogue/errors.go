package catalogue

import "errors"

var (
	// ErrBadCommand is returned when bytes are not a command that this program knows.
	ErrBadCommand = errors.New("catalogue: not a command")
	// ErrInvalid is returned when a field of a command is out of its limits.
	ErrInvalid = errors.New("catalogue: invalid")
	// ErrLimit is returned when the catalogue is full.
	ErrLimit = errors.New("catalogue: limit reached")
	// ErrNoNode is returned when a node is not registered.
	ErrNoNode = errors.New("catalogue: no such node")
	// ErrNodeInUse is returned when a node that is to be forgotten may still serve.
	ErrNodeInUse = errors.New("catalogue: node in use")
	// ErrStateMoved is returned when a node is not in the state that a command expects.
	ErrStateMoved = errors.New("catalogue: node state moved")
	// ErrGroupExists is returned when a group is added under a name that is taken.
	ErrGroupExists = errors.New("catalogue: group exists")
	// ErrNoGroup is returned when no group has the name or identifier, or when
	// the name belongs to another incarnation than the one expected.
	ErrNoGroup = errors.New("catalogue: no such group")
	// ErrNoArchive is returned when no archive has the name.
	ErrNoArchive = errors.New("catalogue: no such archive")
	// ErrEpochMoved is returned when a target changed since it was planned.
	ErrEpochMoved = errors.New("catalogue: target moved")
	// ErrCorrupt is returned when bytes are not a snapshot or answer.
	ErrCorrupt = errors.New("catalogue: corrupt")
	// ErrVersion is returned when a snapshot or answer has a format that this
	// program does not know.
	ErrVersion = errors.New("catalogue: unknown format version")
)

// codes give every replicated sentinel its number in answers. Numbers are never
// changed or used again: members and callers may run different programs.
var codes = map[uint64]error{
	1: ErrBadCommand, 2: ErrInvalid, 3: ErrLimit, 4: ErrNoNode, 5: ErrNodeInUse, 6: ErrStateMoved,
	7: ErrGroupExists, 8: ErrNoGroup, 9: ErrNoArchive, 10: ErrEpochMoved,
}

// Refusal is why a command was not carried out: one of the sentinels above with
// the thing concerned and the remedy. It is the same on every member and
// survives [EncodeAnswer] and [DecodeAnswer].
type Refusal struct {
	Sentinel error
	Detail   string
}

func (r *Refusal) Error() string { return r.Sentinel.Error() + ": " + r.Detail }
func (r *Refusal) Unwrap() error { return r.Sentinel }

// codeOf is the number of the sentinel in err, 0 if there is none.
func codeOf(err error) uint64 {
	var r *Refusal
	if !errors.As(err, &r) {
		return 0
	}
	for code, sentinel := range codes {
		if sentinel == r.Sentinel {
			return code
		}
	}
	return 0
}
