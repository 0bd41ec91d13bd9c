package store

import (
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Limits of what is stored. What exceeds them is ErrInvalid.
const (
	MaxRecordBytes     = 8 << 20  // a member's record
	MaxConfigBytes     = 4000     // a snapshot's configuration
	MaxValueBytes      = 1 << 20  // a node-wide value
	MaxKeyBytes        = 256      // its key
	MaxNameBytes       = 200      // the node's name
	MaxCheckpointBytes = 64 << 20 // the log's checkpoint
)

// inlineLimit is the largest snapshot body, in bytes, that lives in node.db.
const inlineLimit = 64 << 10

// Identity says whose folder this is. Node is made on the first start and never
// changes: a node whose folder was lost is another node. Fleet is zero until the
// node belongs to one, and does not change after. Name is for people.
type Identity struct {
	Node  ident.NodeID
	Fleet ident.FleetID
	Name  string
}

// Key names one member of one group.
type Key struct {
	Group  ident.GroupID
	Member ident.MemberID
}

func (k Key) String() string { return fmt.Sprintf("member %s of group %s", k.Member, k.Group) }

// MemberRecord is a hosted member and what its owner wrote down about it. A
// record that fails its checks comes with Err (ErrCorrupt) and no Record: such a
// member exists and must be shown as failed, not started and not made anew.
type MemberRecord struct {
	Key    Key
	Record []byte
	Err    error
}

// Snapshot tells what a snapshot's body is. Config is opaque. Size is the body's
// length in bytes and CRC its CRC-32C (Castagnoli).
type Snapshot struct {
	Index, Term uint64
	Config      []byte
	ConfigIndex uint64
	Size        int64
	CRC         uint32
}

// SnapshotWriter receives the body of a snapshot. It is used by one goroutine at
// a time and ends with Commit or Abort; Abort after Commit does nothing. At most
// 64 KiB of the body are held in memory.
type SnapshotWriter interface {
	io.Writer

	// Commit makes what was written the member's snapshot: durable when it returns
	// nil, and until then the one before is. Size and CRC are computed; where the
	// argument has them (not zero) they must agree, else ErrCorrupt. A member
	// without a record is ErrNotFound; a lower index or term than the present
	// snapshot's is ErrStale. The same index and term replaces. Whatever the
	// outcome, the writer is done.
	Commit(Snapshot) error

	// Abort drops what was written.
	Abort()
}

// Store is a node's durable memory. All methods may be called concurrently.
// Byte slices that are passed in are not kept; those returned belong to the
// caller. Writes fail with ErrFull, ErrFailed or ErrClosed beside what is said.
type Store interface {
	// Identity is answered from memory.
	Identity() Identity

	// SetIdentity changes Name, or Fleet from zero. Anything else is ErrIdentity.
	SetIdentity(Identity) error

	// Members returns all records, ordered by group and member.
	Members() ([]MemberRecord, error)

	// PutMember writes a member's record, new or again.
	PutMember(k Key, record []byte) error

	// DeleteMember removes a member's record and snapshot. It is no error when
	// there is none. Snapshots of it that are still being written cannot be
	// committed afterwards; those being read can be read to their end.
	DeleteMember(Key) error

	// CreateSnapshot begins a snapshot of a member.
	CreateSnapshot(Key) (SnapshotWriter, error)

	// OpenSnapshot returns the member's newest snapshot and its body; ErrNotFound
	// when it has none. A newer Commit or a DeleteMember does not disturb the
	// reader. The last bytes are given out only when the whole body agrees with its
	// CRC, else Read ends with ErrCorrupt: whoever has got Size bytes has got them
	// right. The caller closes the body.
	OpenSnapshot(Key) (Snapshot, io.ReadCloser, error)

	// SnapshotInfo is OpenSnapshot without the body; false when there is none.
	SnapshotInfo(Key) (Snapshot, bool, error)

	// Get returns a node-wide value; ErrNotFound when there is none.
	Get(key string) ([]byte, error)

	// Put writes a node-wide value; nil removes it.
	Put(key string, value []byte) error

	// LoadCheckpoint returns what SaveCheckpoint wrote last, nil when it never did.
	LoadCheckpoint() ([]byte, error)

	// SaveCheckpoint keeps the log's checkpoint.
	SaveCheckpoint([]byte) error

	// Close waits for the writes under way and gives the folder free. Open
	// snapshot bodies can be read on; unfinished writers fail. Closing again does
	// nothing.
	Close() error
}

func checkKey(k Key) error {
	if k.Group == 0 || k.Member == 0 {
		return fmt.Errorf("%s: neither may be zero: %w", k, ErrInvalid)
	}
	return nil
}

func checkRecord(k Key, record []byte) error {
	if err := checkKey(k); err != nil {
		return err
	}
	return checkSize("record", len(record), MaxRecordBytes)
}

func checkValue(key string, value []byte) error {
	if key == "" {
		return fmt.Errorf("an empty key: %w", ErrInvalid)
	}
	if err := checkSize("key", len(key), MaxKeyBytes); err != nil {
		return err
	}
	return checkSize("value", len(value), MaxValueBytes)
}

func checkSnapshot(s *Snapshot) error {
	if s.Index == 0 {
		return fmt.Errorf("a snapshot at index 0: %w", ErrInvalid)
	}
	return checkSize("configuration", len(s.Config), MaxConfigBytes)
}

func checkName(name string) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("name %q is not UTF-8: %w", name, ErrInvalid)
	}
	return checkSize("name", len(name), MaxNameBytes)
}

func checkSize(what string, n, limit int) error {
	if n > limit {
		return fmt.Errorf("%s of %d bytes, at most %d are allowed: %w", what, n, limit, ErrInvalid)
	}
	return nil
}

// checkIdentity says whether a folder may go from one identity to another.
func checkIdentity(have, want Identity) error {
	if want.Node != have.Node {
		return fmt.Errorf("the folder is node %s's, not %s's: give the other node an empty folder: %w", have.Node, want.Node, ErrIdentity)
	}
	if have.Fleet != 0 && want.Fleet != have.Fleet {
		return fmt.Errorf("the folder belongs to fleet %s, not %s: join another fleet with an empty folder: %w", have.Fleet, want.Fleet, ErrIdentity)
	}
	return checkName(want.Name)
}

// checkBody compares what the caller of Commit expects with what was written.
func checkBody(want *Snapshot, size int64, crc uint32) error {
	if want.Size != 0 && want.Size != size {
		return fmt.Errorf("the body has %d bytes, not the %d announced: send it again: %w", size, want.Size, ErrCorrupt)
	}
	if want.CRC != 0 && want.CRC != crc {
		return fmt.Errorf("the body's checksum is %08x, not the %08x announced: send it again: %w", crc, want.CRC, ErrCorrupt)
	}
	return nil
}

// checkProgress refuses a snapshot that would take a member back (both index and
// term only grow along a log).
func checkProgress(haveIndex, haveTerm uint64, s *Snapshot) error {
	if s.Index < haveIndex || s.Term < haveTerm {
		return fmt.Errorf("index %d term %d, present is index %d term %d: %w", s.Index, s.Term, haveIndex, haveTerm, ErrStale)
	}
	return nil
}
