package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A node whose copy of the catalogue is of the past, as after a restart, may come to
// lead a group that has got members since. It must not take them away.
func TestALeaderWithAnOldCopyTakesNoMemberAway(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type nothing struct{}
	typ := group.Define("nothing", func() *nothing { return new(nothing) })
	nodes := activateSome(t, 3, typ)
	first, second, lags := nodes[0], nodes[1], nodes[2]
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(first.Pause(ctx, "the test", "the test sets the targets"))
	must(first.AddConsensusGroup(ctx, "g", 2, typ))
	target := func(on ...*Node) {
		t.Helper()
		g, err := first.groupNow(ctx, "g")
		must(err)
		set := catalogue.Target{Group: g.ID, IfEpoch: g.Epoch}
		for _, n := range on {
			set.Members = append(set.Members, n.id)
		}
		_, err = first.propose(ctx, &catalogue.SetTargets{Targets: []catalogue.Target{set}})
		must(err)
	}
	voters := func(of *Node, id ident.GroupID) *consensus.Configuration {
		t.Helper()
		s, err := of.host.Status(ctx, id)
		must(err)
		return &s.Core.Config
	}
	await := func(what string, is func() bool) {
		t.Helper()
		for !is() {
			if !first.sleep(ctx, 10*time.Millisecond) || ctx.Err() != nil {
				t.Fatalf("waited for %s", what)
			}
		}
	}
	target(second, lags)
	g, err := first.groupNow(ctx, "g")
	must(err)
	settled := func(count int) func() bool {
		return func() bool {
			g, err := first.groupNow(ctx, "g")
			return err == nil && g.Settled == g.Epoch && len(g.Configured) == count
		}
	}
	await("a group on two nodes", settled(2))
	must(first.TransferLeader(ctx, "g", second.cfg.Name))
	must(lags.catchUp(ctx))
	// Whoever holds this lock stops the copy at the next entry that it applies.
	lag := &lags.catalogueChanged.mu
	lag.Lock()
	locked := true
	defer func() {
		if locked {
			lag.Unlock()
		}
	}()
	target(first, second, lags)
	await("a group on three nodes", settled(3))
	must(second.outcome(ctx, func(done func(error)) { second.host.Transfer(g.ID, lags.id, done) }))
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for soon.Err() == nil {
		lags.moveOne(soon, g.ID)
		if c := voters(lags, g.ID); len(c.Voters) != 3 || c.Joint() {
			t.Fatalf("a leader whose copy of the catalogue lags has made the group's members %+v of three", *c)
		}
		lags.sleep(soon, 5*time.Millisecond)
	}
	lag.Unlock()
	locked = false
	must(lags.catchUp(ctx))
	lags.moveOne(ctx, g.ID)
	if c := voters(lags, g.ID); len(c.Voters) != 3 || c.Joint() {
		t.Errorf("with a copy of now: %+v", *c)
	}
}
