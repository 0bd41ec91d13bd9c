// Package group runs the members of replicated groups on one node, and is how a program says what a group replicates.
//
// # What a group replicates
//
// A group's value is a state with operations on it. Define names the state, Command and Query name the operations; all of
// them are package variables of the program, alike on every node:
//
//	type Counter struct{ Value int64 }
//
//	var Counters = group.Define("counter", func() *Counter { return new(Counter) })
//
//	var Add = group.Command(Counters, "add", func(c *Counter, n int64) (int64, error) {
//		c.Value += n
//		return c.Value, nil
//	})
//
//	var Get = group.Query(Counters, "get", func(c *Counter, _ group.None) (int64, error) {
//		return c.Value, nil
//	})
//
// and are called through any node: total, err := Add.Call(ctx, node, "orders", 1).
//
// A command must be deterministic: what it does and answers depends on the state, its argument and its Meta only. It
// must not look at the clock, at randomness, or at the order in which a Go map is iterated. A query must not change
// the state. What the state, arguments and results may be made of is said at Define.
//
// An operation must exist on every node before anybody calls it: add it with one release, call it from the next. A member
// whose program does not know an operation answers ErrUnknownOperation and leaves its state alone, while others change
// theirs.
//
// A machine that wants to read and write bytes itself implements Machine and is registered with RawType.
//
// # Exactly once
//
// A command travels with a CommandID, and the group remembers its answer until the caller has it. So a command that is
// sent again, because an answer was lost or a leader died, is applied once and answered alike. When the group no longer
// remembers, it applies nothing and says ErrSessionExpired. Sessions end by idleness, measured in the log's own time,
// and never to make room for others.
//
// # Errors
//
// OutcomeOf says of every error of a command whether it was not proposed, is unknown, or final. What a machine answers
// as an error is replicated too and reaches the caller as a MachineError; Definition.Errors keeps errors.Is working.
package group
