// Package harness runs fleets of real processes on one machine: for tests that
// kill, stop, freeze and wipe nodes, and for the demonstration of fleetd.
//
// A Fleet is a number of nodes, each a process of the fleetd binary with its own
// data folder and its own ports of the loopback interface, which it keeps when it
// is started again. A Load adds to counters through random nodes and keeps
// account of every call; its Account says whether each acknowledged addition was
// applied exactly once. A Pace is a Load that writes to every group at a rate, and
// measures how long each could not be written to. Churn has nodes come, leave, die and
// return under it.
//
// Processes die with the one that started them, where the system can see to that
// (Linux), and else by Close. They are ended by their pid alone. Every wait ends
// with a context and then says what it waited for and what was seen last.
//
// In a test:
//
//	f := harness.New(t, harness.Config{Nodes: 3})
//	f.AddGroups(ctx, "counter", 10, 3)
//	load := f.StartLoad(harness.LoadConfig{Groups: f.Groups()})
//	f.Nodes()[0].Kill()
//	…
//	account, err := load.Finish(ctx)
//
// All types are safe for concurrent use.
package harness
