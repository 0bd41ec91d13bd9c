package group

import (
	"errors"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/wal"
)

// A leader whose disk hangs gives way, and answers those who wait: also when its
// log has more waiting than it takes.
func TestHazard23_HungDiskGivesWayAndAnswersCallers(t *testing.T) {
	c := newCluster(t, 3, blobType)
	c.maxQueued = 64 << 10
	for id := range c.nodes {
		c.stop(id)
		c.start(id)
	}
	c.add(g1, "blob", quick, 1, 2, 3)
	big := Proposal{Body: make([]byte, 32<<10)}
	c.command(g1, big)
	hung := c.leader(g1)
	open := make(chan struct{})
	defer close(open)
	c.nodes[hung].fs.SetFault(func(op wal.Op) error {
		if op.Kind == "sync" {
			<-open
		}
		return nil
	})
	// The others commit what they are sent; nobody hears of it after the hang is noticed.
	c.cutOff(hung, true)
	const calls = 100
	done := make(chan error, calls)
	lane := c.host(hung).member(g1).lane
	for range calls {
		c.host(hung).Propose(g1, big, func(_ []byte, err error) { done <- err })
		lane.callWait(func() {}) // each in a turn of its own
	}
	timeout := time.After(5 * time.Second)
	for i := range calls {
		select {
		case err := <-done:
			if err == nil || !errors.Is(err, ErrLeadershipLost) && !errors.Is(err, ErrOverloaded) && !errors.Is(err, ErrNotLeader) {
				t.Fatalf("a call on the hung leader: %v", err)
			}
		case <-timeout:
			t.Fatalf("%d of %d calls were never answered", calls-i, calls)
		}
	}
	if info, _ := c.host(hung).Info(g1); info.Leader == hung {
		t.Fatalf("the hung node still claims to lead: %+v", info)
	}
}
