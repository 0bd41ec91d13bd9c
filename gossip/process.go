package gossip

import (
	"fmt"
	"strconv"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// A processName is what memberlist knows a process by: sixteen hexadecimal digits
// of the NodeID, a dash, sixteen of the moment it started in Unix nanoseconds.
func processName(node ident.NodeID, started uint64) string {
	return fmt.Sprintf("%s-%016x", node, started)
}

func parseProcessName(s string) (node ident.NodeID, started uint64, err error) {
	if len(s) != 33 || s[16] != '-' {
		return 0, 0, fmt.Errorf("gossip: %q is no name of a process of a fleet", s)
	}
	if node, err = ident.ParseNodeID(s[:16]); err != nil {
		return 0, 0, err
	}
	if started, err = strconv.ParseUint(s[17:], 16, 64); err != nil {
		return 0, 0, fmt.Errorf("gossip: %q is no name of a process of a fleet", s)
	}
	return node, started, nil
}
