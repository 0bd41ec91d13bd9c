// Package gossip tells who is there, who answers, and what each node says of
// itself. It only hints: what is decided about nodes is decided by the catalogue.
//
// # What it promises
//
//   - A node that can be reached from any other becomes known to all of them.
//   - A node whose process died is reported as not alive soon after, and stays
//     listed, with what it last said of itself, until Forget.
//   - A node that was restarted, at the same or at another address, replaces its
//     former process in the list of every observer at once, whether or not that
//     observer had noticed the end of the former process.
//   - A partition of any length heals by itself once packets pass again: every
//     node that is not alive and every address given in Config.Join is tried
//     again for ever, a few at a time, every RejoinInterval.
//   - Nodes of two fleets never appear in each other's lists. A fresh node, which
//     has no fleet yet, may gossip with one to find it.
//
// It promises no order and no agreement: two nodes may see different lists for a
// while, and a node may be thought dead that is only slow.
//
// # What its caller does
//
//  1. Start, with the node's Meta.
//  2. Read Members whenever Config.OnChange was called.
//  3. UpdateMeta when the node's own state, addresses or fleet change.
//  4. Forget nodes that the catalogue forgot.
//  5. Leave, if the node goes on purpose, then always Close.
//
// # Processes and nodes
//
// Underneath is github.com/hashicorp/memberlist. It knows members by name, keeps
// a version ("incarnation") for each name, and refuses a name that shows up at a
// second address while the first is thought alive. A restarted node would have to
// outwit both. So the name that memberlist sees is that of a process: the NodeID
// and the moment the process started. A restart is a new name, which nothing stale
// can contradict, and the former name dies unheeded. This package puts processes
// together into nodes: of the processes of one NodeID a living one wins over a dead
// one, and then the one that started last. Only if a machine's clock was set back
// across a restart may observers prefer the former process, until its end is noticed.
package gossip
