// Package builtin has group types that are useful without a line of code: a counter and a key-value store. The
// daemon registers them, and tests and benchmarks use them.
package builtin

import "github.com/raftfleet/raftfleet/group"

// Types returns all types of this package, to be registered with a node.
func Types() []group.Type { return []group.Type{Counters, Stores} }
