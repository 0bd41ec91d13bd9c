package group

import (
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
)

// A lease ends before any member that keeps it may vote for another. Members count
// ticks: the first may come right after the heartbeat, and a late one or two with it.
func TestLeaseEndsBeforeMembersMayVote(t *testing.T) {
	const tick = 50 * time.Millisecond
	config := Config{LeaseDrift: time.Millisecond, SleepAfter: -1}
	var start consensus.Start
	spec := Spec{First: []Peer{{1, 1}, {2, 2}, {3, 3}}}
	start.Snapshot, start.LastIndex = spec.initialMeta(), 1
	start.State = consensus.HardState{Term: 1, Commit: 1}
	cores := map[consensus.MemberID]*consensus.Core{}
	for id := consensus.MemberID(1); id <= 3; id++ {
		m := &member{host: &Host{tick: tick}, spec: Spec{Member: spec.First[id-1].Member}}
		cc := m.coreConfig(config)
		cc.Rand = func(int) int { return 0 }
		core, err := consensus.New(cc, nil, start)
		if err != nil {
			t.Fatal(err)
		}
		cores[id] = core
	}
	// talk lets members exchange all that they have to say; the others are cut off.
	talk := func(ids ...consensus.MemberID) {
		for said := true; said; {
			said = false
			for _, id := range ids {
				for cores[id].HasOutput() {
					var out consensus.Output
					cores[id].Output(&out)
					for _, msg := range out.Messages {
						if slices.Contains(ids, msg.To) {
							cores[msg.To].Step(msg)
						}
					}
					if n := len(out.Committed); n > 0 {
						cores[id].Applied(out.Committed[n-1].Index)
					}
					cores[id].Persisted(out.Write.Ticket)
					said = true
				}
			}
		}
	}
	const leader, follower = 1, 2
	for range 20 {
		cores[leader].Tick(0)
	}
	talk(leader, follower, 3)
	if cores[leader].Role() != consensus.Leader {
		t.Fatal("nobody leads")
	}
	now := time.Hour
	for range 4 {
		cores[leader].Tick(int64(now))
	}
	talk(leader, follower)
	heard := now
	until := time.Duration(cores[leader].LeaseUntil())
	if until == 0 {
		t.Fatal("no lease")
	}
	// Two ticks that were late come at once, the third is on time.
	now -= 2 * tick
	for cores[3].Role() != consensus.Leader {
		now += tick
		cores[follower].Tick(int64(now))
		for range 40 {
			cores[3].Tick(int64(now))
		}
		talk(follower, 3)
		if now > heard+10*time.Second {
			t.Fatal("nobody was elected")
		}
	}
	if until >= now {
		t.Errorf("another is elected %v after the heartbeat, and the lease holds for %v", now-heard, until-heard)
	}
}
