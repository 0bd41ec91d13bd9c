package group

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/wal"
)

// Hazard 23: a leader whose disk hangs, and whose network does not, says nothing
// any more that keeps its leadership alive: another takes over.
func TestHazard23_HungLeaderIsReplaced(t *testing.T) {
	c := newCluster(t, 3, blobType)
	c.add(g1, "blob", quick, 1, 2, 3)
	c.command(g1, Proposal{Body: []byte("x")})
	hung := c.leader(g1)
	open := make(chan struct{})
	defer close(open)
	c.nodes[hung].fs.SetFault(func(op wal.Op) error {
		if op.Kind == "sync" {
			<-open
		}
		return nil
	})
	c.host(hung).Propose(g1, Proposal{Body: []byte("y")}, func([]byte, error) {})
	deadline := time.After(20 * time.Second)
	for {
		for id := range c.nodes {
			if id == hung {
				continue
			}
			if info, ok := c.host(id).Info(g1); ok && info.Leader != hung && info.Leader != 0 {
				return
			}
		}
		select {
		case <-deadline:
			t.Fatal("a leader whose disk hangs keeps its leadership")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
