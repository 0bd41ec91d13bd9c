package gossip

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// A processName is what memberlist knows a process by: sixteen hexadecimal digits
// of the NodeID, a dash, sixteen of the moment it started in Unix nanoseconds.
func processName(node ident.NodeID, started uint64) string {
	return fmt.Sprintf("%s-%016x", node, started)
}

func parseProcessName(s string) (node ident.NodeID, started uint64, err error) {
	before, after, _ := strings.Cut(s, "-")
	if node, err = ident.ParseNodeID(before); err == nil {
		started, err = strconv.ParseUint(after, 16, 64)
	}
	if err != nil || processName(node, started) != s {
		return 0, 0, fmt.Errorf("%w: %q is no name of a process of a fleet", ErrMeta, s)
	}
	return node, started, nil
}
