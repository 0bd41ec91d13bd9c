// Package differential puts the consensus core beside another implementation of
// Raft, go.etcd.io/raft/v3, under the same schedules. It is a module of its own,
// so that nobody who uses raftfleet depends on the other one. It holds tests only.
//
// # What is compared
//
// In lock step (TestLockStep) a seed writes a script of rounds: proposals,
// partitions, crashes that lose what was not synced, restarts, forced elections,
// transfers, membership changes, snapshots. Both sides play each round until
// nothing moves any more, with messages in any order and some of them twice. Then
// every member that runs must agree with its twin on
//
//   - term, leader, the last index and its term, and every entry that both still
//     have in their logs: index, term, kind, and the bytes of commands;
//   - if it follows a leader that it can hear, or leads: commit index, applied
//     index and configuration as well.
//
// Leadership is forced: time is let pass without the members' own timers, so that
// nobody protects a leader any more, and then one member campaigns.
//
// In free runs (TestSameCommands) both sides get the same schedule, but decide
// their elections by random timeouts, and messages are lost, doubled and reordered
// at random, too; so their logs differ. Clients send numbered commands, one at a
// time each, and again until acknowledged; a controller steers the membership to
// what the schedule wants. After healing, both sides must have committed the same
// commands, each once after doubles are dropped, in each client's order, and
// nothing that was acknowledged stands behind what was sent later; the membership
// is the same; and all members have applied the same log.
//
// # Which differences are intended
//
//   - A configuration is in force here when it is in the log, there when it is
//     applied. A change that needs a voter who is away can therefore be committed
//     on one side only; scripts change the membership only while all can be heard.
//   - Voters change by joint consensus here, always; there it is asked for. A
//     change of learners alone is one entry on both sides.
//   - A leader that leaves the voters names an heir here (another term), and waits
//     for an election there. Scripts let another lead first.
//   - A member that is no longer a voter and, after a restart, does not know that
//     this is committed may campaign here: it may be needed for it. Scripts force
//     no election there.
//   - Any message of the present term or of a pre-vote shows a leader that its sender
//     lives here; there only answers do. Scripts cut links in both directions.
//   - How much may be on its way, and when what was lost is sent again, is each
//     side's own affair. Windows are wide in lock step, a round lasts several
//     heartbeats, and while a disk hangs messages keep their order.
//   - A refused pre-vote tells what is committed here. A member without a leader
//     may know of more commits than its twin.
//   - Vote requests leave here when the own vote is durable, there before. Scripts
//     force no election at a member whose disk hangs.
//   - Commit indexes reach the disk late here. After a restart they are compared
//     when a leader was heard.
//   - Entries are applied here when a quorum has them, there when they are durable
//     here as well. While a disk hangs, applied is not compared.
//   - The other side's timeouts come from a source that cannot be seeded. Its
//     timers are run by the driver here, so that a seed is the whole run.
package differential
