package group

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

const g1 ident.GroupID = 7

func TestCommandsReachAllMembers(t *testing.T) {
	c := newCluster(t, 3, sumType)
	c.add(g1, "sum", quick, 1, 2, 3)
	for range 100 {
		c.command(g1, Proposal{Body: number(1)})
	}
	if n := c.query(g1); n != 100 {
		t.Fatalf("the sum is %d, want 100", n)
	}
	for id := range c.nodes {
		c.eventually("every member has applied everything", func() bool { return c.local(id, g1) == 100 })
	}
}

func TestOneMemberGroup(t *testing.T) {
	c := newCluster(t, 1, sumType)
	c.add(g1, "sum", quick, 1)
	c.command(g1, Proposal{Body: number(5)})
	c.stop(1)
	c.start(1)
	if n := c.query(g1); n != 5 {
		t.Fatalf("after a restart the sum is %d, want 5", n)
	}
}

func TestRetriedCommandAppliesOnce(t *testing.T) {
	c := newCluster(t, 3, sumType)
	c.add(g1, "sum", quick, 1, 2, 3)
	session := c.register(g1)
	p := Proposal{ID: CommandID{Session: session, Sequence: 1}, Body: number(3)}
	first := c.command(g1, p)
	c.stop(c.leader(g1))
	again := c.command(g1, p)
	if string(first) != string(again) || c.query(g1) != 3 {
		t.Fatalf("the retry answered %v after %v, the sum is %d", again, first, c.query(g1))
	}
}

func TestLeaderDiesAndReturns(t *testing.T) {
	c := newCluster(t, 3, sumType)
	c.add(g1, "sum", quick, 1, 2, 3)
	session := c.register(g1)
	for i := range uint64(30) {
		if i%10 == 5 {
			dead := c.leader(g1)
			c.stop(dead)
			defer func() { c.eventually("the returned member catches up", func() bool { return c.local(dead, g1) == 30 }) }()
			c.command(g1, Proposal{ID: CommandID{Session: session, Sequence: i + 1}, Body: number(1)})
			c.start(dead)
			continue
		}
		c.command(g1, Proposal{ID: CommandID{Session: session, Sequence: i + 1}, Body: number(1)})
	}
	if n := c.query(g1); n != 30 {
		t.Fatalf("the sum is %d, want 30", n)
	}
}

func TestAllRestart(t *testing.T) {
	c := newCluster(t, 3, sumType)
	c.add(g1, "sum", quick, 1, 2, 3)
	for range 50 {
		c.command(g1, Proposal{Body: number(1)})
	}
	for id := range c.nodes {
		c.stop(id)
	}
	for id := range c.nodes {
		c.start(id)
	}
	if n := c.query(g1); n != 50 {
		t.Fatalf("after all restarted the sum is %d, want 50", n)
	}
}

func TestSnapshotsCompactTheLogAndFeedTheLate(t *testing.T) {
	c := newCluster(t, 3, sumType)
	config := quick
	config.SnapshotLeast, config.SnapshotMost = 2000, 4000
	c.add(g1, "sum", config, 1, 2, 3)
	c.command(g1, Proposal{Body: number(1)})
	late := ident.NodeID(1)
	if c.leader(g1) == late {
		late = 2
	}
	c.stop(late)
	for range 499 {
		c.command(g1, Proposal{Body: number(1)})
	}
	c.eventually("the leader's log is compacted", func() bool {
		s, err := c.host(c.leader(g1)).Status(t.Context(), g1)
		return err == nil && s.Core.First > 100
	})
	c.start(late)
	c.eventually("the late member has the state", func() bool { return c.local(late, g1) == 500 })
	c.command(g1, Proposal{Body: number(1)})
	c.eventually("the late member follows", func() bool { return c.local(late, g1) == 501 })
	c.stop(late)
	c.start(late)
	c.eventually("the late member resumes from its snapshot", func() bool { return c.local(late, g1) == 501 })
}

func TestSleepingGroupWakes(t *testing.T) {
	c := newCluster(t, 3, sumType)
	config := quick
	config.SleepAfter = 100 * time.Millisecond
	c.add(g1, "sum", config, 1, 2, 3)
	c.command(g1, Proposal{Body: number(1)})
	asleep := func() bool {
		n := 0
		for id := range c.nodes {
			if h := c.host(id); h != nil {
				if info, ok := h.Info(g1); ok && info.Asleep {
					n++
				}
			}
		}
		return n == 3
	}
	c.eventually("the idle group sleeps", asleep)
	c.command(g1, Proposal{Body: number(1)})
	c.eventually("it sleeps again", asleep)
	c.stop(c.leader(g1))
	if n := c.query(g1); n != 2 {
		t.Fatalf("after the sleeping leader died the sum is %d, want 2", n)
	}
}

// The leader of a sleeping group hears nobody: it must not pass for a leader for
// ever when the nodes of a majority are gone.
func TestSleepingLeaderNoticesThatItsQuorumIsGone(t *testing.T) {
	c := newCluster(t, 3, sumType)
	config := quick
	config.SleepAfter = 100 * time.Millisecond
	c.add(g1, "sum", config, 1, 2, 3)
	c.command(g1, Proposal{Body: number(1)})
	leader := c.leader(g1)
	asleep := func() bool {
		info, ok := c.host(leader).Info(g1)
		return ok && info.Asleep && info.Role == consensus.Leader
	}
	c.eventually("the idle group sleeps", asleep)
	var others []ident.NodeID
	for id := range c.nodes {
		if id != leader {
			others = append(others, id)
		}
	}
	c.stop(others[0])
	c.eventually("one node is gone", func() bool {
		d, ok := c.host(leader).Silent(others[0])
		return ok && d > nodeTimeout+2*nodeHeartbeat
	})
	c.stop(others[1])
	c.eventually("the leader steps down", func() bool {
		info, ok := c.host(leader).Info(g1)
		return ok && !info.Asleep && info.Role != consensus.Leader
	})
	if s, err := c.host(leader).Salvage(t.Context(), g1, 1<<20, time.Minute); err != nil || s.Index == 0 {
		t.Errorf("salvaged %+v, %v", s, err)
	}
}

func TestMembersMove(t *testing.T) {
	c := newCluster(t, 4, sumType)
	c.add(g1, "sum", quick, 1, 2, 3)
	c.command(g1, Proposal{Body: number(9)})
	spec, _ := c.host(1).Spec(g1)
	spec.Member = 4
	if err := c.host(4).Start(spec); err != nil {
		t.Fatal(err)
	}
	change := func(what string, build func(s Status) (consensus.Change, bool)) {
		c.eventually(what, func() bool {
			h := c.host(c.leader(g1))
			s, err := h.Status(t.Context(), g1)
			if err != nil {
				return false
			}
			ch, done := build(s)
			if done {
				return true
			}
			result := make(chan error, 1)
			h.Change(g1, ch, s.Core.ConfigIndex, func(err error) { result <- err })
			<-result
			return false
		})
	}
	change("member 4 learns", func(s Status) (consensus.Change, bool) {
		return consensus.Change{AddLearners: []consensus.Member{{ID: 4, Node: 4}}}, s.Core.Config.Contains(4)
	})
	c.eventually("the learner has the state", func() bool { return c.local(4, g1) == 9 })
	leaver := consensus.MemberID(1)
	if c.leader(g1) == 1 {
		leaver = 2
	}
	change("member 4 votes and another left", func(s Status) (consensus.Change, bool) {
		return consensus.Change{Promote: []consensus.MemberID{4}, Remove: []consensus.MemberID{leaver}},
			s.Core.Config.IsVoter(4) && !s.Core.Config.Joint() && !s.Core.ChangePending
	})
	if err := c.host(ident.NodeID(leaver)).Destroy(g1); err != nil {
		t.Fatal(err)
	}
	moved := make(chan error, 1)
	c.host(c.leader(g1)).Transfer(g1, 4, func(err error) { moved <- err })
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	c.command(g1, Proposal{Body: number(1)})
	if n := c.query(g1); n != 10 || c.leader(g1) != 4 {
		t.Fatalf("the sum is %d, want 10; node %s leads, want 4", n, c.leader(g1))
	}
}

func TestCutOffLeaderAnswersNothing(t *testing.T) {
	c := newCluster(t, 3, sumType)
	c.add(g1, "sum", quick, 1, 2, 3)
	c.command(g1, Proposal{Body: number(1)})
	old := c.leader(g1)
	c.cutOff(old, true)
	if _, err := c.try(old, g1, Proposal{Body: number(100)}); err == nil {
		t.Fatal("a leader without a quorum acknowledged a command")
	}
	c.eventually("another leads", func() bool { return c.leader(g1) != old })
	c.command(g1, Proposal{Body: number(1)})
	c.cutOff(old, false)
	c.eventually("the old leader follows", func() bool { return c.local(old, g1) == 2 })
}

// A machine that panics ends its member, not the process or another group.
func TestPanickingMachineFailsAlone(t *testing.T) {
	c := newCluster(t, 1, sumType, RawType("bad", func() Machine { return panicking{new(sum)} }))
	c.add(g1, "bad", quick, 1)
	c.add(8, "sum", quick, 1)
	c.leader(g1)
	if _, err := c.try(1, g1, Proposal{Body: number(1)}); err == nil {
		t.Fatal("a command that panicked was acknowledged")
	}
	c.eventually("the member is shown as failed", func() bool {
		info, ok := c.host(1).Info(g1)
		return ok && info.Failed != nil
	})
	c.command(8, Proposal{Body: number(1)})
}

type panicking struct{ *sum }

func (panicking) Apply(Meta, []byte) ([]byte, error) { panic("as planned") }
