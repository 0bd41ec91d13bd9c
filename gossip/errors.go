package gossip

import "errors"

var (
	// ErrInvalidConfig is returned by Start for a Config that cannot work.
	ErrInvalidConfig = errors.New("gossip: invalid configuration")

	// ErrMeta is returned for a Meta that cannot be sent, with the field that is
	// to blame, and for bytes that are no Meta.
	ErrMeta = errors.New("gossip: invalid metadata")

	// ErrForeignFleet is returned by Join when the node at the address belongs to
	// another fleet. Remedy: join addresses of one fleet only; a node changes
	// fleets only with an empty data folder.
	ErrForeignFleet = errors.New("gossip: node of another fleet")

	// ErrJoin is returned by Join when no address could be joined.
	ErrJoin = errors.New("gossip: no address could be joined")

	// ErrKey is returned for a key of the wrong length, a key that is not
	// installed, and for removing the primary key.
	ErrKey = errors.New("gossip: invalid key")

	// ErrNotEncrypted is returned by key operations when gossip runs without
	// keys. Remedy: restart every node with Config.Keys.
	ErrNotEncrypted = errors.New("gossip: encryption is off")

	// ErrClosed is returned by everything that is called after Close, and by
	// UpdateMeta and Join after Leave.
	ErrClosed = errors.New("gossip: closed")
)
