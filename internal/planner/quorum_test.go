package planner

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// put has groups of three members on nodes of the caller's choice.
func (f *fleet) put(name string, groups int, members ...ident.NodeID) {
	f.t.Helper()
	for i := range groups {
		f.apply(&catalogue.AddGroup{Name: fmt.Sprintf("%s%02d", name, i), Type: "t", Replicas: 3, Members: members, Preferred: members[0]})
	}
	f.settle()
}

// A group most of whose voters are not heard gets no target, not even one that an
// operator asked for, and says why. It does not stand in the way of others.
func TestAGroupWhoseVotersAreNotHeardIsLeftAlone(t *testing.T) {
	f := newFleet(t, 12, 1, 0)
	f.set("brake_percent", "100")
	f.put("lost", 10, 1, 2, 3)
	f.put("well", 3, 3, 4, 5)
	f.after(time.Hour)
	for id := range ident.NodeID(2) {
		f.silence(1 + id)
		f.apply(&catalogue.SetNodeState{ID: 1 + id, To: placement.Suspect})
	}
	f.apply(&catalogue.SetNodeState{ID: 3, To: placement.Draining, Reason: "drained"})
	f.after(time.Second)
	d := f.do()
	for _, target := range d.Targets {
		if g, _ := f.c.GroupByID(target.Group); slices.Contains(g.ConfiguredNodes(), 1) {
			t.Errorf("group %s, which has no quorum, gets %v", g.Name, target.Members)
		}
	}
	if len(d.Targets) != 3 || d.Report.Held[HeldNoQuorum] != 10 {
		t.Errorf("%d groups begin to move, of 3 that can; held are %v", len(d.Targets), d.Report.Held)
	}
	f.settle()
	f.hear(1)
	f.after(time.Second)
	if d = f.do(); len(d.Targets) != d.Report.MoveLimit || d.Report.Held[HeldNoQuorum] != 0 {
		t.Errorf("when a majority is heard %d groups begin to move, %d may; held are %v", len(d.Targets), d.Report.MoveLimit, d.Report.Held)
	}
}

// Groups that lose their quorum on the move give their places to others. They are not
// given up for what they could not do, and count again when their voters are back.
func TestGroupsThatLoseTheirQuorumOnTheMoveTakeNoPlace(t *testing.T) {
	f := newFleet(t, 12, 1, 0)
	f.set("brake_percent", "100")
	f.set("moves", "4")
	f.put("lost", 4, 1, 2, 3)
	f.put("well", 6, 3, 4, 5)
	f.after(time.Hour)
	for i := range 4 {
		g := f.group(fmt.Sprintf("lost%02d", i))
		f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: []ident.NodeID{1, 2, 6}, Preferred: 1,
			Cause: catalogue.Cause{Kind: placement.Drain, Text: "node 3 is drained"}}}, Now: f.now.UnixNano()})
	}
	f.apply(&catalogue.SetNodeState{ID: 3, To: placement.Draining, Reason: "drained"})
	if d := f.do(); d.Report.Moving != 4 || len(d.Targets) != 0 {
		t.Fatalf("%d groups move and %d more begin, 4 may", d.Report.Moving, len(d.Targets))
	}
	f.silence(1)
	f.silence(2)
	f.after(time.Second)
	d := f.do()
	if d.Report.Moving != 0 || len(d.Targets) != 4 || d.Report.Held[HeldNoQuorum] != 4 {
		t.Fatalf("%d groups move and %d begin while 4 cannot: %+v", d.Report.Moving, len(d.Targets), d.Report)
	}
	if left := f.decide().Report.Left(); left != 10 {
		t.Errorf("%d groups are left to move, of 10", left)
	}
	f.set("purge_after", "8760h")
	for range 90 {
		f.after(time.Minute)
		for i := range 6 {
			f.settle(fmt.Sprintf("well%02d", i))
		}
		f.do()
	}
	f.hear(1)
	for range 5 {
		f.after(time.Minute)
		f.do()
	}
	for i := range 4 {
		if g := f.group(fmt.Sprintf("lost%02d", i)); g.Failures != 0 || g.Settled == g.Epoch {
			t.Errorf("the move was given up while it was not possible: %+v", g)
		}
	}
	if d = f.do(); d.Report.Moving != 4 || d.Report.Stalled != 0 {
		t.Errorf("with a quorum again %d groups move, %d are stalled", d.Report.Moving, d.Report.Stalled)
	}
}
