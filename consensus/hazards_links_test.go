package consensus

import (
	"fmt"
	"testing"
)

// Where only some links are broken the leader stays: a member that it cannot reach,
// or that cannot reach it, finds no majority that would give it up. Three and five
// members, each kind of broken link, and a star whose middle is not the leader:
// fifty election timeouts, no new term, and everything that is proposed is committed.
func TestHazard22_PartialPartitionChangesNoLeader(t *testing.T) {
	for _, members := range []int{3, 5} {
		for _, kind := range []string{"leader is not heard by one", "leader does not hear one", "leader and one apart", "followers apart"} {
			for seed := range int64(5) {
				t.Run(fmt.Sprintf("%d members/%s/%d", members, kind, seed), func(t *testing.T) { partialPartition(t, members, kind, seed) })
			}
		}
	}
}

func partialPartition(t *testing.T, members int, kind string, seed int64) {
	c := newCluster(seed)
	var ids []MemberID
	for i := range members {
		ids = append(ids, MemberID(i+1))
	}
	for _, id := range ids {
		c.add(id, Config{ElectionTicks: 10, HeartbeatTicks: 2}, firstDisk(voters(ids...)))
	}
	if !c.settle(1000, func() bool { return c.leading() != nil }) {
		t.Fatal("nobody leads")
	}
	leader := c.leading()
	c.settle(20, func() bool { return false }) // all have heard of it
	others := make([]MemberID, 0, members)
	for _, id := range ids {
		if id != leader.id {
			others = append(others, id)
		}
	}
	cut := func(from, to MemberID) { c.cut[[2]MemberID{from, to}] = true }
	switch kind {
	case "leader is not heard by one":
		cut(leader.id, others[0])
	case "leader does not hear one":
		cut(others[0], leader.id)
	case "leader and one apart":
		cut(leader.id, others[0])
		cut(others[0], leader.id)
	case "followers apart":
		for _, a := range others {
			for _, b := range others {
				if a != b {
					cut(a, b)
				}
			}
		}
	}
	term, commit := leader.core.Term(), leader.core.Status().Commit
	const timeouts = 50
	for range timeouts {
		if _, _, err := leader.core.Propose([]byte("on")); err != nil {
			t.Fatal(err)
		}
		c.handle(leader)
		c.settle(10, func() bool { return false })
	}
	s := leader.core.Status()
	if s.Role != Leader || s.Term != term || s.Commit != commit+timeouts {
		t.Fatalf("it led in term %d with %d committed, and now: %v in term %d with %d", term, commit, s.Role, s.Term, s.Commit)
	}
	if c.failure != nil {
		t.Fatal(c.failure)
	}
}
