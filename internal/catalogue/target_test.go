package catalogue

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

func TestSetTargetsAndReport(t *testing.T) {
	f := newFixture(t, 5)
	a, b := f.add("a", 1, 2, 3), f.add("b", 1, 2, 3)
	set := &SetTargets{Targets: []Target{
		{Group: a.ID, IfEpoch: 1, Members: []ident.NodeID{5, 2, 1}, Preferred: 5},
		{Group: b.ID, IfEpoch: 9, Members: []ident.NodeID{1}},
		{Group: 99, IfEpoch: 1, Members: []ident.NodeID{1}},
		{Group: b.ID, IfEpoch: 1, Members: []ident.NodeID{9}},
		{Group: b.ID, IfEpoch: 1, Members: []ident.NodeID{3, 2, 1}, Preferred: 1},
	}}
	outcomes, err := set.Result(f.must(set))
	want := []TargetOutcome{{a.ID, 2, nil}, {b.ID, 1, ErrEpochMoved}, {99, 0, ErrNoGroup}, {b.ID, 1, ErrNoNode}, {b.ID, 1, nil}}
	if err != nil || !slices.Equal(outcomes, want) {
		t.Fatalf("%+v, %v, want %+v", outcomes, err, want)
	}
	g, _ := f.m.Group("a")
	if !slices.Equal(g.Target, []Member{{1, 1}, {2, 2}, {4, 5}}) || g.Preferred != 5 || g.NextMember != 5 {
		t.Fatalf("%+v", g)
	}
	if !hosts(f.m, 3, a.ID) || !hosts(f.m, 5, a.ID) {
		t.Error("node 3 is configured and node 5 targeted, both host the group")
	}
	// Node 3 returns before it was removed: the same member.
	f.must(&SetTargets{Targets: []Target{{Group: a.ID, IfEpoch: 2, Members: []ident.NodeID{1, 2, 3}}}})
	if g, _ := f.m.Group("a"); !slices.Equal(g.Target, a.First) || g.Epoch != 3 {
		t.Fatalf("%+v", g)
	}
	// Now it is removed, and then returns: another member.
	f.must(&SetTargets{Targets: []Target{{Group: a.ID, IfEpoch: 3, Members: []ident.NodeID{1, 2}}}})
	f.must(&Report{Group: a.ID, Index: 50, Members: []Member{{2, 2}, {1, 1}}, Epoch: 4})
	if hosts(f.m, 3, a.ID) || hosts(f.m, 5, a.ID) {
		t.Error("nodes 3 and 5 host the group no more")
	}
	f.must(&SetTargets{Targets: []Target{{Group: a.ID, IfEpoch: 4, Members: []ident.NodeID{1, 2, 3}}}})
	g, _ = f.m.Group("a")
	if m, ok := g.MemberOn(3); !ok || m.ID != 5 || g.NextMember != 6 {
		t.Errorf("%+v", g)
	}
	if g.Settled != 4 || g.Epoch != 5 {
		t.Errorf("settled %d of epoch %d", g.Settled, g.Epoch)
	}
	// The same configuration may settle a newer target, not one to come.
	f.must(&Report{Group: a.ID, Index: 50, Members: []Member{{1, 1}, {2, 2}}, Epoch: 6})
	f.must(&Report{Group: a.ID, Index: 50, Members: []Member{{1, 1}, {2, 2}}, Epoch: 5})
	if g, _ = f.m.Group("a"); g.Settled != 5 {
		t.Errorf("settled %d, want 5", g.Settled)
	}
	// An older report changes nothing; a member from elsewhere is never given again.
	f.must(&Report{Group: a.ID, Index: 50, Members: []Member{{3, 3}}})
	f.must(&Report{Group: a.ID, Index: 49, Members: []Member{{3, 3}}})
	if again, _ := f.m.Group("a"); again != g {
		t.Error("an older report changed the group")
	}
	f.must(&Report{Group: a.ID, Index: 51, Members: []Member{{77, 4}}})
	if g, _ := f.m.Group("a"); g.NextMember != 78 || !hosts(f.m, 4, a.ID) {
		t.Errorf("%+v", g)
	}
	f.refused(&Report{Group: 99, Index: 1, Members: []Member{{1, 1}}}, ErrNoGroup)
}

// A group goes to another node, is told to come back, and then to go after all. The
// member that it was told to come back to may have become a voter again meanwhile:
// whether the first move is reported before the last target is set or after it, the
// member is accounted for only when the last one is reached.
func TestAMemberThatWasListedAgainIsNotLetGo(t *testing.T) {
	for _, late := range []bool{false, true} {
		f := newFixture(t, 2)
		g := f.add("g", 1)
		first := g.First[0]
		target := func(epoch uint64, node ident.NodeID) {
			t.Helper()
			f.must(&SetTargets{Targets: []Target{{Group: g.ID, IfEpoch: epoch, Members: []ident.NodeID{node}}}})
			g, _ = f.m.Group("g")
		}
		report := func(index, epoch uint64, m Member) {
			t.Helper()
			f.must(&Report{Group: g.ID, Index: index, Epoch: epoch, Members: []Member{m}})
			g, _ = f.m.Group("g")
		}
		target(1, 2)
		second := g.Target[0]
		target(2, 1)
		if late {
			target(3, 2)
			report(26, 2, second)
		} else {
			report(26, 2, second)
			target(3, 2)
		}
		if uint64(first.ID) < g.SettledNext {
			t.Errorf("report late %t: member %s counts as accounted for, and the target of epoch 3 had it: %+v", late, first.ID, *g)
		}
		if m, ok := g.MemberOn(1); !ok || m != first {
			t.Errorf("report late %t: node 1 would host member %+v, it may host %+v still", late, m, first)
		}
		report(32, 4, second)
		if uint64(first.ID) >= g.SettledNext || len(g.Named) > 0 {
			t.Errorf("report late %t: the last target is reached, member %s is out: %+v", late, first.ID, *g)
		}
	}
}

// The record says why a target was set, since when, until when the group rests, and
// how often moves failed one after another.
func TestTargetsAreRemembered(t *testing.T) {
	f := newFixture(t, 4)
	a := f.add("a", 1, 2, 3)
	set := func(epoch uint64, change Target) *Group {
		t.Helper()
		change.Group, change.IfEpoch = a.ID, epoch
		f.must(&SetTargets{Targets: []Target{change}})
		g, _ := f.m.Group("a")
		return g
	}
	settle := func(epoch uint64, members ...Member) *Group {
		t.Helper()
		f.must(&Report{Group: a.ID, Index: 10 + epoch, Epoch: epoch, Members: members})
		g, _ := f.m.Group("a")
		return g
	}
	why := Cause{Kind: placement.Balance, Text: "node 1 has too much"}
	g := set(1, Target{Members: []ident.NodeID{2, 3, 4}, Cause: why, Rest: 1000})
	if g.Cause != why || g.Since == 0 || g.RestUntil != g.Since+1000 || g.Failures != 0 {
		t.Errorf("a balancing move: %+v", g)
	}
	for tries := 1; tries <= 2; tries++ {
		g = set(g.Epoch, Target{Members: []ident.NodeID{1, 2, 3}, Back: true, Rest: math.MaxInt64})
		if g.Failures != tries || g.RestUntil != math.MaxInt64 {
			t.Errorf("given up %d times: %+v", tries, g)
		}
		if g = settle(g.Epoch, a.First...); g.Failures != tries {
			t.Errorf("back where it was, after %d tries: %+v", tries, g)
		}
		g = set(g.Epoch, Target{Members: []ident.NodeID{2, 3, 4}})
	}
	if g.RestUntil != 0 {
		t.Errorf("a move without a rest: %+v", g)
	}
	member, _ := g.MemberOn(4)
	if g = settle(g.Epoch, a.First[1], a.First[2], member); g.Failures != 0 || g.Settled != g.Epoch {
		t.Errorf("moved at last: %+v", g)
	}
	_, err := Encode(&SetTargets{Targets: []Target{{Group: a.ID, Members: []ident.NodeID{1}, Rest: -1}}})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("a rest below zero: %v", err)
	}
}
