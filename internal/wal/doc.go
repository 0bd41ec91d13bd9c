// Package wal is the one append-only log that all members of a node share.
//
// It owns the files of its folder. It knows members (a group and a number),
// entries, states and where a member's log begins, and nothing of the rules of
// Raft.
//
// What it promises:
//
//  1. When the done function of a batch runs with nil, the batch and all
//     batches submitted before it are on the disk and survive the loss of power.
//  2. A batch is atomic: after a crash all of its records are found or none.
//     Batches survive as a prefix of the order of submission.
//  3. Completions run in the order of submission, on one goroutine.
//  4. What was durable and can no longer be read is reported as ErrCorrupt, with
//     the segment, the offset and the remedy. It is never skipped or cut away.
//     Only the bytes of a write that was never reported durable are cut.
//  5. A failed write or sync is never tried again: the log refuses everything
//     from then on (ErrFailed). Open it anew to learn what is on the disk.
//  6. A full disk loses nothing. Full tells it early, while a reserve is left.
//
// What callers must do, in order:
//
//  1. Open the log, ask Members and Load what was recovered, read with Entries.
//  2. Fill a batch from one goroutine and hand it to Submit, which owns it from
//     then on; a batch that Submit refused stays with the caller, who may submit
//     it again or Discard it.
//  3. Let only one goroutine at a time write to a given member, and submit its
//     batches in the order in which they were filled.
//  4. Compact a member only when a snapshot of what goes away is durable.
//  5. Close the log when nobody submits any more.
//
// A log drives itself: one goroutine writes, one keeps house. With Options.Manual
// it has neither, nor timers, clock or randomness, and whoever opened it drives it
// from one goroutine:
//
//  1. Call Turn until it reports that nothing was done; done functions run in it.
//  2. Call it again when something was submitted (Manual.Wake tells), and at the
//     time that Due says.
//  3. A disk that hangs is a Turn that is not called; faults, crashes and a view of
//     what is durable are MemFS's. A log that dies is let go without Close.
//
// What it does then is a function of the calls, of what Manual and FS return and of
// the checkpoints alone.
//
// DESIGN.md beside this file gives the format and what each crash leaves.
package wal
