// Package sim runs the code that ships in a world that is made up: nodes with
// disks, clocks and a network that fail in all the ways that they fail in, and
// clients that remember what they were told.
//
// A run is a function of its seed. One goroutine does everything: it takes the next
// event off a queue, lets it happen, and checks what it did. Each node has a real
// group.Host, driven by hand, over a real wal.Log on a file system in memory; the
// store is the one in memory, which survives the process. Time, chance, network and
// faults come from here.
//
// # What is checked
//
// After every event, and only where it changed something:
//
//   - what becomes durable: every record of every log, as its sync returned. From
//     these the run keeps its own account of each member's disk (memberlog.go), and
//     each restart must find on the disk what the account says;
//   - what is claimed: each message that leaves a node is held against that account,
//     so nothing is acknowledged, voted or called committed that is not on the disks
//     that it takes (network.go, replicated.go);
//   - what is applied: the machines hash their commands in order, so that all members
//     agree, and each snapshot is the state at its index (value.go);
//   - what clients are told: an acknowledged command stays, a refused one is never
//     applied, none is applied twice, and a read sees what was known before it began
//     (client.go).
//
// Then all faults end, and everything must become well (heal.go).
//
// A step is one event: a message or a sign of life that arrives, a tick, a turn of a
// lane, of the apply worker or of the snapshot jobs, a turn of the log's writer, a
// client's timer or attempt, an act of the operator or of a fault.
package sim
