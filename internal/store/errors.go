package store

import "errors"

var (
	// ErrLocked is returned by Open when another process uses the folder. The
	// text names its pid.
	ErrLocked = errors.New("the data folder is in use")

	// ErrForeign is returned by Open when the folder holds files of something
	// else. Nothing in it was touched.
	ErrForeign = errors.New("the folder is not a raftfleet data folder")

	// ErrIncomplete is returned by Open when a part of a node's data is missing
	// and another is there. Going on as a new node could break votes and promises
	// that the old one gave, so nothing was touched.
	ErrIncomplete = errors.New("the data folder has lost a part of its data")

	// ErrUnwritable is returned by Open when the folder cannot be made or written.
	ErrUnwritable = errors.New("the data folder cannot be written")

	// ErrFormat is returned when data was written in a format of another version.
	ErrFormat = errors.New("unknown format version")

	// ErrCorrupt is returned when stored data fails its checks.
	ErrCorrupt = errors.New("stored data is damaged")

	// ErrNotFound is returned when the member, its snapshot or the value does not
	// exist.
	ErrNotFound = errors.New("not found")

	// ErrStale is returned by Commit when the member has a newer snapshot already.
	ErrStale = errors.New("a newer snapshot exists")

	// ErrIdentity is returned by SetIdentity when the change would make the folder
	// another node's or another fleet's.
	ErrIdentity = errors.New("the identity of a data folder does not change")

	// ErrInvalid is returned when an argument breaks a stated limit.
	ErrInvalid = errors.New("invalid argument")

	// ErrFull is returned when the disk has no room. Nothing changed; the call may
	// be repeated when there is room again.
	ErrFull = errors.New("the disk is full")

	// ErrFailed is returned by every write after one whose outcome on the disk is
	// not known, because its sync or its write failed. The store must be closed; a
	// new Open finds out what is there.
	ErrFailed = errors.New("the store has failed")

	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the store is closed")
)
