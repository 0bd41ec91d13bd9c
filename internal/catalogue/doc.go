// Package catalogue is the fleet's own state as a deterministic state machine:
// nodes, groups with their targets, archives of removed groups, settings.
//
// It owns what is decided and nothing else. It plans nothing (package placement
// does, and its result arrives here as a command), looks at no clock (the log's
// time comes with each command) and does no I/O.
//
// # Duties of the caller
//
//  1. Encode commands with [Encode], which refuses what could not be applied.
//  2. Apply them in the order of the log, each once, with [Machine.Apply]. Its
//     error is an answer like any other and the same on every member; carry it
//     with the result by [EncodeAnswer] and [DecodeAnswer], so that errors.Is
//     finds the same sentinel on the caller's side.
//  3. Say with [Machine.AppliedUpTo] when the last command of an entry was applied.
//  4. Do not propose a command before every member runs a program that knows
//     it: a member that does not know it refuses it and would differ.
//
// # Promises
//
//   - Equal commands in equal order give equal state, and equal states give
//     equal bytes from [Machine.Snapshot], whatever was restored in between.
//   - Records that reads return are immutable: they may be kept and shared, and
//     must not be changed. A change publishes a new record.
//   - Reads are safe together with everything, and see whole commands only.
//   - No bytes given to Apply or Restore make it panic; what they can make it
//     allocate is bounded by their length and the limits in limits.go.
package catalogue
