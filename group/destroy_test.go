package group

import (
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/internal/store"
)

// grudging is a store that fails to delete a member now and then.
type grudging struct {
	store.Store
	fail bool
}

func (s *grudging) DeleteMember(k store.Key) error {
	if s.fail {
		s.fail = false
		return store.ErrFull
	}
	return s.Store.DeleteMember(k)
}

// A member whose record could not be deleted is not gone: to destroy it again
// deletes it, so that it does not stand in the way of its successor after a restart.
func TestDestroyIsTriedAgain(t *testing.T) {
	c := newCluster(t, 1, sumType)
	s := &grudging{Store: c.nodes[1].store}
	c.stop(1)
	c.nodes[1].store = s
	c.start(1)
	c.add(g1, "sum", quick, 1)
	c.command(g1, Proposal{Body: number(1)})
	s.fail = true
	if err := c.host(1).Destroy(g1); !errors.Is(err, store.ErrFull) {
		t.Fatalf("destroy on a full disk: %v", err)
	}
	if err := c.host(1).Destroy(g1); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Members(); err != nil || len(left) != 0 {
		t.Fatalf("after it was destroyed, the store knows %v (%v)", left, err)
	}
	if err := c.host(1).Destroy(g1); err != nil {
		t.Fatalf("once more: %v", err)
	}
}
