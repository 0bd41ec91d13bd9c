package group

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// blob is a machine that counts commands of any size.
type blob struct{ sum }

func (b *blob) Apply(m Meta, _ []byte) ([]byte, error) { return b.sum.Apply(m, number(1)) }

func (b *blob) Snapshot() (func(io.Writer) error, error) { return b.sum.Snapshot() }

var blobType = RawType("blob", func() Machine { return new(blob) })

// More than the log takes at once waits or is refused; it does not end the node.
func TestTooMuchForTheLogWaits(t *testing.T) {
	c := newCluster(t, 1, blobType)
	c.stop(1)
	c.maxQueued = 32 << 10
	c.start(1)
	for g := range eightGroups {
		c.add(g, "blob", quick, 1)
	}
	const each = 40
	done := make(chan error, each*len(eightGroups))
	for g := range eightGroups {
		c.leader(g)
		for range each {
			c.host(1).Propose(g, Proposal{Body: make([]byte, 16<<10)}, func(_ []byte, err error) { done <- err })
		}
	}
	acknowledged := uint64(0)
	for range each * len(eightGroups) {
		switch err := <-done; {
		case err == nil:
			acknowledged++
		case !errors.Is(err, ErrOverloaded):
			t.Errorf("refused: %v", err)
		}
	}
	var sum uint64
	for g := range eightGroups {
		sum += c.query(g)
	}
	if sum != acknowledged || acknowledged == 0 {
		t.Fatalf("%d commands were acknowledged and %d applied", acknowledged, sum)
	}
}

// A follower whose disk is full falls behind, keeps the others going, and catches
// up once there is space.
func TestFollowersFullDisk(t *testing.T) {
	c := newCluster(t, 3, blobType)
	c.add(g1, "blob", quick, 1, 2, 3)
	big := Proposal{Body: make([]byte, 64<<10)}
	c.command(g1, big)
	full := c.leader(g1)%3 + 1
	c.nodes[full].fs.SetCapacity(1)
	for range 100 {
		c.command(g1, big)
	}
	if info, ok := c.host(full).Info(g1); !ok || info.Failed != nil {
		t.Fatalf("the member on the full disk: %+v", info)
	}
	c.nodes[full].fs.SetCapacity(0)
	c.eventually("the member catches up", func() bool { return c.local(full, g1) == 101 })
}

// A leader whose disk is full refuses commands and takes them again later.
func TestLeadersFullDisk(t *testing.T) {
	c := newCluster(t, 1, blobType)
	c.add(g1, "blob", quick, 1)
	big := Proposal{Body: make([]byte, 64<<10)}
	c.command(g1, big)
	c.nodes[1].fs.SetCapacity(1)
	applied := uint64(1)
	var err error
	for range 100 {
		if _, err = c.try(1, g1, big); err != nil {
			break
		}
		applied++
	}
	unknown := uint64(0)
	switch {
	case errors.Is(err, errNoAnswer):
		unknown = 1 // it was taken just before the disk was found to be full, and waits for space
	case !errors.Is(err, ErrOverloaded) || OutcomeOf(err) != NotProposed:
		t.Fatalf("a command on a full disk: %v (%s)", err, OutcomeOf(err))
	}
	c.nodes[1].fs.SetCapacity(0)
	result := c.command(g1, big)
	if n := binary.LittleEndian.Uint64(result); n < applied+1 || n > applied+1+unknown {
		t.Fatalf("%d commands were applied, %d acknowledged and %d unknown", n, applied+1, unknown)
	}
}

var eightGroups = map[ident.GroupID]bool{10: true, 11: true, 12: true, 13: true, 14: true, 15: true, 16: true, 17: true}
