// Package store owns a node's data folder: who may use it, the small
// transactional database in it, and the snapshots of the members.
//
//	data/
//	  LOCK         held with flock by the process that uses the folder; its pid is inside
//	  node.db      bbolt: identity, member records, small snapshots, log checkpoint, node-wide values
//	  wal/         the shared log; not opened here
//	  snapshots/   bodies above 64 KiB: GROUP-MEMBER-INDEX-NONCE.snap
//
// What the package promises:
//
//  1. What a method wrote is durable when it returns nil. Calls that wait at the
//     same time share one transaction and so one sync.
//  2. A snapshot and what is said of it (index, term, configuration) become
//     visible in one transaction. A snapshot file is complete, synced, renamed and
//     its folder synced before that transaction; the older file is removed after
//     it. A crash at any point leaves the old snapshot or the new one, whole.
//  3. A member's snapshot never goes back to a lower index or term, and a member
//     without a record has no snapshot.
//  4. Everything that is read is checked (CRC-32C): damage is ErrCorrupt for the
//     record or snapshot that it struck, never other data and never a panic.
//  5. A folder without node.db is used only when nothing else is in it. What looks
//     like a node that lost its database, or like somebody else's folder, is
//     refused untouched: starting there as a new node could vote twice.
//  6. A sync that failed is not tried again: every later write is ErrFailed.
//
// What a caller does, in order: Open; Members, and start each; PutMember before a
// new member's first snapshot; DeleteMember when it is gone; Close. A caller lets
// go of log entries only after the Commit of the snapshot that covers them.
package store
