package planner

import (
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// lead has so many groups get another preferred leader, and nothing else.
func (f *fleet) lead(groups int) {
	f.t.Helper()
	var targets []catalogue.Target
	for _, g := range f.c.Groups("", 0)[:groups] {
		next := g.TargetNodes()[0]
		if next == g.Preferred {
			next = g.TargetNodes()[1]
		}
		targets = append(targets, catalogue.Target{Group: g.ID, IfEpoch: g.Epoch, Members: g.TargetNodes(), Preferred: next, Cause: catalogue.Cause{Kind: placement.Lead}})
	}
	f.apply(&catalogue.SetTargets{Targets: targets})
}

func TestWhatIsLeftCountsEachGroupOnce(t *testing.T) {
	f := newFleet(t, 6, 3, 30)
	f.lead(10)
	if r := f.decide().Report; r.Leading != 10 || r.Moving != 0 || r.Left() != 0 {
		t.Fatalf("10 groups get another leader: leading %d, moving %d, left %d", r.Leading, r.Moving, r.Left())
	}
	to := f.loads()[1]
	f.apply(&catalogue.SetNodeState{ID: 1, To: placement.Draining})
	f.set("moves", "2")
	if r := f.decide().Report; r.Left() != to {
		t.Errorf("%d groups have a member on a node that is drained, some of them are to have another leader too: left is %d (queue %v, held %v)", to, r.Left(), r.Queue, r.Held)
	}
	f.settle()
	f.after(time.Hour)
	f.do() // two of them begin
	for _, of := range []string{"right after", "a while after"} {
		if r := f.decide().Report; r.Moving != 2 || r.Left() != to {
			t.Errorf("%s two of %d began: moving %d, left %d (queue %v)", of, to, r.Moving, r.Left(), r.Queue)
		}
		f.after(time.Second)
	}
	key, text := Pause{}.Setting()
	f.apply(&catalogue.SetSettings{Settings: map[string]string{key: text}})
	f.after(time.Second)
	if r := f.decide().Report; r.Left() != to {
		t.Errorf("while moves are paused %d are left, they were %d", r.Left(), to)
	}
}

func TestWhatIsLeftIsNeverNegative(t *testing.T) {
	r := &Report{Queue: map[placement.Kind]int{placement.Lead: 3}, Held: map[Hold]int{HeldMoving: 3}}
	if r.Left() != 0 {
		t.Errorf("three groups on the move for a leader are to have another: left is %d", r.Left())
	}
}

// Who only looks is told what the planner would find: the brake holds nothing that an
// operator asked for, and a rest nothing that is urgent, unless a move of it failed.
func TestAHolderSaysWhatKeepsAGroup(t *testing.T) {
	f := newFleet(t, 6, 3, 30)
	groups := f.c.Groups("", 0)
	moved, failed, other := groups[0], groups[1], groups[2]
	back := catalogue.Target{Group: failed.ID, IfEpoch: failed.Epoch, Members: failed.TargetNodes(), Preferred: failed.TargetNodes()[0], Back: true, Rest: int64(2 * time.Hour)}
	if back.Preferred == failed.Preferred {
		back.Preferred = failed.TargetNodes()[1]
	}
	rest := catalogue.Target{Group: moved.ID, IfEpoch: moved.Epoch, Members: []ident.NodeID{1, 2, 3}, Rest: int64(time.Hour), Cause: catalogue.Cause{Kind: placement.Balance}}
	f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{back, rest}})
	f.settle()
	holds := func(g *catalogue.Group, kind placement.Kind, want Hold, rests time.Duration) {
		t.Helper()
		hold, until := HolderOf(f.c, f.limits, f.now, f.hears).Hold(f.group(g.Name), kind)
		if hold != want || rests != 0 && !until.Equal(f.now.Add(rests)) || rests == 0 && !until.IsZero() {
			t.Errorf("group %s, %s: held by %q until %s", g.Name, kind, hold, until)
		}
	}
	holds(other, placement.Balance, "", 0)
	holds(moved, placement.Balance, HeldResting, time.Hour)
	holds(moved, placement.Repair, "", 0)
	holds(moved, placement.Drain, "", 0)
	holds(failed, placement.Drain, HeldResting, 2*time.Hour)
	holds(failed, placement.Repair, HeldResting, f.limits.StuckAfter) // not longer than the first time
	f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: other.ID, IfEpoch: other.Epoch, Members: []ident.NodeID{4, 5, 6}}}})
	holds(other, placement.Balance, HeldMoving, 0)
	for id := range ident.NodeID(3) {
		f.apply(&catalogue.SetNodeState{ID: id + 1, To: placement.Suspect})
	}
	holds(moved, placement.Repair, HeldBraked, 0)
	holds(moved, placement.Drain, "", 0)
	if h := HolderOf(f.c, f.limits, f.now, f.hears); h.Brake == "" || h.Pause != nil {
		t.Errorf("brake %q, pause %v", h.Brake, h.Pause)
	}
	key, text := Pause{By: "ana"}.Setting()
	f.apply(&catalogue.SetSettings{Settings: map[string]string{key: text}})
	holds(moved, placement.Drain, HeldPaused, 0)
}

// Who only looks is shown what the planner will do: groups that rest stay, and others
// move in their place.
func TestALookKnowsWhoRests(t *testing.T) {
	f := newFleet(t, 3, 1, 12)
	f.finish()
	for _, g := range f.c.Groups("", 0) {
		nodes := g.TargetNodes()
		f.apply(&catalogue.SetTargets{Now: f.now.UnixNano(), Targets: []catalogue.Target{{
			Group: g.ID, IfEpoch: g.Epoch, Members: nodes, Preferred: nodes[(slices.Index(nodes, g.Preferred)+1)%len(nodes)],
			Cause: catalogue.Cause{Kind: placement.Balance}, Rest: int64(time.Hour),
		}}})
	}
	f.settle()
	f.join(4, "z0")
	moved := func(now time.Time) (n int) {
		for _, target := range Placement(f.c, f.limits, now).Plan().Targets {
			if target.Reason.Kind == placement.Balance {
				n++
			}
		}
		return n
	}
	if n := moved(f.now); n != 0 {
		t.Errorf("%d groups would move although all rest", n)
	}
	if n := moved(f.now.Add(2 * time.Hour)); n == 0 {
		t.Error("nothing would move when the groups have rested, to a node that has nothing")
	}
}
