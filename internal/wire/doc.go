// Package wire carries bytes between the nodes of a fleet. It owns the
// connections, their handshake, frames, queues and back-pressure; it does not
// know what the bytes mean.
//
// There are three classes of traffic, each on connections of its own so that
// none waits behind another:
//
//   - Consensus: one-way messages and heartbeats. They may be lost, repeated
//     over a reconnect, or arrive after newer ones of an earlier connection.
//   - Calls: a request and its answer. Every call ends exactly once, with an
//     answer, with ErrNotSent (it never left this process) or with ErrLost
//     (the other side may have received it).
//   - Snapshots: long streams with back-pressure. The reader sees io.EOF only
//     after every byte that the sender sent; anything else is an error.
//
// A connection is dialled by the side that has something to say; two nodes that
// talk to each other hold one connection in each direction for each class (a
// few for snapshots). Both sides must be of the same fleet.
//
// What the caller must do, in order:
//
//  1. New with a Config, then Start, once the Handler can take callbacks.
//  2. SetFleet as soon as the fleet is known, if it was not at New: until then
//     only CallAddr works, in both directions.
//  3. Keep the Handler's callbacks short: all but Snapshot run on the goroutine
//     that reads a connection.
//  4. Forget a node that has left, so that nothing is dialled any more.
//  5. Close, which ends every call and stream and waits for every goroutine.
//
// DESIGN.md beside this file shows the bytes and says why.
package wire
