// Package consensus is one member's part in the Raft protocol, as a pure state
// machine: values go in, values come out. It knows no files, sockets, clocks,
// goroutines, logs nor other groups, and two members fed alike behave alike.
//
// It does elections with pre-vote and quorum checks, pipelined replication,
// membership changes by joint consensus with learners, transfer of leadership,
// linearizable reads with and without a lease, snapshots, and sleep for groups
// that have nothing to do. Section numbers in the code are those of Ongaro's
// thesis, or of the paper where it says so.
//
// # Duties of the caller
//
//  1. One goroutine at a time uses a Core. After any number of calls, as long
//     as HasOutput, it takes an Output and does what it says.
//  2. Messages leave at once, before or while the Write is made durable. They
//     may be lost, doubled, delayed and reordered, but not changed.
//  3. Writes reach the disk in the order of their tickets, each whole or not at
//     all, and Persisted reports them in that order; one report may stand for
//     several. A Write without a ticket may be left out, but never overtakes one.
//  4. Entries of a Write replace everything in the durable log from the first
//     one on. State, where it changed, goes with them.
//  5. A Write with Install: first the snapshot is made durable, then in one step
//     the State and an empty log behind the snapshot, then the state machine is
//     restored, then Persisted. Committed entries handed out earlier are done
//     or dropped before the machine is restored.
//  6. Committed entries are applied in order, each once, and reported by
//     Applied. A leader's caller knows its proposal by index and term.
//  7. When Changed shows that a leader's term or role has ended, what it had
//     proposed may or may not be committed, and its reads are not answered.
//  8. Tick is called at an even pace unless Asleep. A member whose disk hangs
//     should not be ticked or heard, so that others elect a leader.
//  9. A snapshot is described by ConfigurationAt its index and made durable
//     before Compact; only then is the durable log behind it given up.
//  10. Each member of NeedSnapshot is sent the newest snapshot's body, and with
//     it SnapshotMessage; the receiver steps that when the body is safe. However
//     it ends, SnapshotSent is called. A received snapshot that no Write.Install
//     refers to in the next Output was not needed.
//  11. When the node of a sleeping group's leader dies, restarts, or is lost from
//     sight, the members it leads are woken by Wake.
//  12. Before the first Output of a member for which LogDiscarded, its durable
//     log is reset behind the snapshot.
//  13. A MemberID whose disk was lost or set back is never used again.
//  14. Where LeaseNanos is set: ticks are no faster than promised, the clock
//     given to Tick is monotonic, and a read under the lease looks at the clock
//     after the answer was computed.
package consensus
