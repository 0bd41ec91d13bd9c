package planner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A balanced fleet that nothing happens to is left alone.
func TestNothingMovesWithoutACause(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	if d := f.do(); len(d.Targets)+len(d.States)+len(d.Confirm)+len(d.Inspect) != 0 {
		t.Fatalf("%+v", d)
	}
}

// A new node gets its share, no sooner than the nodes have been quiet, and no more
// groups move at once than may.
func TestANewNodeIsFilledAfterQuietAndWithinTheLimit(t *testing.T) {
	f := newFleet(t, 6, 3, 120)
	f.finish()
	f.join(7, "z0")
	f.after(f.limits.Settle - time.Second)
	d := f.do()
	if len(d.Targets) != 0 || d.Report.Held[HeldRestless] == 0 || !d.Next.Equal(f.now.Add(time.Second)) {
		t.Fatalf("before it was quiet: %d targets, held %v, next look in %s", len(d.Targets), d.Report.Held, d.Next.Sub(f.now))
	}
	f.after(time.Second)
	d = f.do()
	if limit := f.limits.MovesFor(7); len(d.Targets) != limit || f.moving() != limit {
		t.Fatalf("%d moves began, %d may", len(d.Targets), limit)
	}
	for f.after(time.Second); len(f.do().Targets) > 0; f.after(time.Second) {
		t.Fatal("more moves began before one ended")
	}
	f.finish()
	if n := f.loads()[7]; n < 36 || n > 44 {
		t.Errorf("the new node should have %d members of the 120 in its zone of three", n)
	}
}

// Nodes that come and go all the time put balance off, but not for ever.
func TestRestlessNodesCannotPutBalanceOffForEver(t *testing.T) {
	f := newFleet(t, 6, 3, 120)
	f.finish()
	began := f.now
	for id := ident.NodeID(7); ; id++ {
		f.join(id, fmt.Sprint("z", id%3))
		f.after(20 * time.Second)
		if len(f.do().Targets) > 0 {
			break
		}
		if f.now.Sub(began) > 2*f.limits.SettleMost {
			t.Fatalf("nothing moved for %s", f.now.Sub(began))
		}
	}
	if waited := f.now.Sub(began); waited < f.limits.SettleMost-time.Minute {
		t.Errorf("it waited for %s only", waited)
	}
}

// A node that is not heard is suspect at once, and dead when it was missed for long
// enough and by others too. Then, and not before, its members are replaced.
func TestANodeIsGivenUpByTheWordOfSeveral(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	f.silence(1)
	f.do()
	if f.state(1) != placement.Suspect {
		t.Fatalf("it is %s", f.state(1))
	}
	f.after(f.limits.PurgeAfter - time.Second)
	if d := f.do(); len(d.Confirm) != 0 || len(d.Targets) != 0 {
		t.Fatalf("a second too early: %+v", d)
	}
	f.after(time.Second)
	if d := f.do(); len(d.Confirm) != 1 || d.Confirm[0] != 1 || f.state(1) != placement.Suspect {
		t.Fatalf("the others are asked: %+v", d)
	}
	f.missed = map[ident.NodeID]bool{1: false}
	if f.do(); f.state(1) != placement.Suspect {
		t.Fatal("given up although somebody hears it")
	}
	f.missed = map[ident.NodeID]bool{1: true}
	if f.do(); f.state(1) != placement.Dead {
		t.Fatalf("it is %s although all miss it", f.state(1))
	}
	f.missed = nil
	f.finish()
	if n := f.loads()[1]; n != 0 {
		t.Errorf("the dead node should still have %d members", n)
	}
}

// A node that falls while it drains, or before it is active again, is given up like
// any other, and its members are replaced.
func TestANodeThatFallsWhileItDrainsOrJoinsIsGivenUp(t *testing.T) {
	for _, state := range []placement.State{placement.Draining, placement.Joining} {
		t.Run(state.String(), func(t *testing.T) {
			f := newFleet(t, 6, 3, 30)
			f.finish()
			f.after(time.Hour)
			f.apply(&catalogue.SetNodeState{ID: 1, To: state})
			f.silence(1)
			held := f.do().Targets
			f.after(f.limits.PurgeAfter - time.Second)
			if d := f.do(); len(d.Confirm) != 0 || f.state(1) != state || f.loads()[1] == 0 {
				t.Fatalf("a second too early it is %s: %+v", f.state(1), d)
			}
			f.after(time.Second)
			if d := f.do(); len(d.Confirm) != 1 || d.Confirm[0] != 1 {
				t.Fatalf("the others are asked: %+v", d)
			}
			f.missed = map[ident.NodeID]bool{1: true}
			if f.do(); f.state(1) != placement.Dead {
				t.Fatalf("it is %s although all miss it; %d groups began to leave it", f.state(1), len(held))
			}
			f.missed = nil
			f.finish()
			if n := f.loads()[1]; n != 0 {
				t.Errorf("the dead node should still have %d members", n)
			}
		})
	}
}

// One that comes back in time goes on to drain, or to join.
func TestANodeThatFallsForAWhileWhileItDrainsIsNotGivenUp(t *testing.T) {
	f := newFleet(t, 6, 3, 30)
	f.finish()
	f.apply(&catalogue.SetNodeState{ID: 1, To: placement.Draining})
	f.silence(1)
	f.do()
	f.after(f.limits.PurgeAfter - time.Second)
	f.hear(1)
	f.do()
	f.after(time.Hour)
	if d := f.do(); len(d.Confirm) != 0 || f.state(1) != placement.Draining {
		t.Fatalf("it is %s: %+v", f.state(1), d)
	}
	if f.finish(); f.state(1) != placement.Inactive {
		t.Errorf("it is %s", f.state(1))
	}
}

// Nodes that fall while they drain count for the brake, and so do those that were to come
// back with their members. A new node that falls before it had anything does not.
func TestTheBrakeCountsWhoFallsWhileItDrainsOrJoins(t *testing.T) {
	f := newFleet(t, 12, 3, 120)
	f.finish()
	for id, state := range map[ident.NodeID]placement.State{1: placement.Draining, 2: placement.Joining, 3: placement.Suspect} {
		f.apply(&catalogue.SetNodeState{ID: id, To: state})
	}
	if brake := f.decide().Report.Brake; brake != "" {
		t.Fatalf("one node is gone: %q", brake)
	}
	f.silence(1)
	f.silence(2)
	f.silence(3)
	if brake, want := f.do().Report.Brake, "3 of 12 nodes are gone, which is more than 20 %"; brake != want {
		t.Fatalf("%q, want %q", brake, want)
	}
	f = newFleet(t, 6, 3, 30)
	for id := ident.NodeID(7); id < 10; id++ {
		f.apply(&catalogue.RegisterNode{ID: id, Name: fmt.Sprint("n", id), Zone: "z0", Weight: 1})
		f.silence(id)
	}
	if brake := f.do().Report.Brake; brake != "" {
		t.Errorf("three nodes fell that had nothing yet: %q", brake)
	}
}

// A node that returns keeps its members and is trusted with new ones after a while.
func TestANodeThatReturnsIsTrustedAfterAWhile(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	had := f.loads()[2]
	f.silence(2)
	f.do()
	f.after(time.Minute)
	f.hear(2)
	f.after(f.limits.TrustAfter - time.Second)
	d := f.do()
	if f.state(2) != placement.Suspect || d.Next.After(f.now.Add(time.Second)) {
		t.Fatalf("it is %s, next look in %s", f.state(2), d.Next.Sub(f.now))
	}
	f.after(time.Second)
	if f.do(); f.state(2) != placement.Active {
		t.Fatalf("it is %s", f.state(2))
	}
	f.finish()
	if n := f.loads()[2]; n != had {
		t.Errorf("it has %d members, and had %d", n, had)
	}
}

// When much of the fleet is gone at once, nothing is given up and nothing moves but what
// an operator asked for; the report says why.
func TestTheBrakeHolds(t *testing.T) {
	for _, test := range []struct {
		name string
		gone []ident.NodeID
		want string
	}{
		{"a zone", []ident.NodeID{1, 4, 7, 10}, "all 4 nodes of zone z0 are gone"},
		{"a quarter", []ident.NodeID{1, 2, 3}, "3 of 12 nodes are gone, which is more than 20 %"},
		{"one node", []ident.NodeID{1}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFleet(t, 12, 3, 120)
			f.finish()
			for _, id := range test.gone {
				f.silence(id)
			}
			f.do()
			f.missed = make(map[ident.NodeID]bool)
			for _, id := range test.gone {
				f.missed[id] = true
			}
			f.after(2 * f.limits.PurgeAfter)
			f.do()
			d := f.do()
			if d.Report.Brake != test.want {
				t.Fatalf("the brake says %q, want %q", d.Report.Brake, test.want)
			}
			if dead := f.state(test.gone[0]) == placement.Dead; dead == (test.want != "") {
				t.Fatalf("a node that is gone is %s", f.state(test.gone[0]))
			}
			if test.want == "" {
				return
			}
			// A drain that somebody asked for still goes on.
			f.apply(&catalogue.SetNodeState{ID: 12, To: placement.Draining})
			f.after(time.Second)
			for _, next := range f.do().Targets {
				if next.Cause.Kind != placement.Drain {
					t.Errorf("while the brake holds: %+v", next)
				}
			}
			if f.moving() == 0 {
				t.Error("the drain does not go on")
			}
		})
	}
}

// While an operator has paused it, the planner begins nothing, whoever leads.
func TestAPauseHoldsEverything(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	key, text := Pause{By: "ana", Reason: "upgrade", Since: f.now}.Setting()
	f.apply(&catalogue.SetSettings{Settings: map[string]string{key: text}})
	f.apply(&catalogue.SetNodeState{ID: 1, To: placement.Dead})
	f.after(time.Hour)
	f.planner = Planner{} // another node leads
	d := f.do()
	if len(d.Targets) != 0 || d.Report.Pause == nil || d.Report.Pause.By != "ana" || d.Report.Held[HeldPaused] == 0 {
		t.Fatalf("%d targets, report %+v", len(d.Targets), d.Report)
	}
	key, text = Resumed()
	f.apply(&catalogue.SetSettings{Settings: map[string]string{key: text}})
	if d := f.do(); len(d.Targets) == 0 {
		t.Fatal("nothing moves after the pause")
	}
}

// Repairs go before a drain, that before balance, and leaders follow last.
func TestTheMostUrgentGoesFirst(t *testing.T) {
	f := newFleet(t, 9, 3, 180)
	f.finish()
	f.set("moves", "5")
	for i := range 6 {
		f.join(ident.NodeID(10+i), fmt.Sprint("z", i%3))
	}
	f.apply(&catalogue.SetNodeState{ID: 1, To: placement.Dead})
	f.apply(&catalogue.SetNodeState{ID: 2, To: placement.Draining})
	f.after(time.Hour)
	last := placement.Kind(0)
	for range 10_000 {
		d := f.do()
		for _, next := range d.Targets {
			// A group that rested may come up again later.
			if next.Cause.Kind < last && d.Report.RestsUntil.IsZero() {
				t.Fatalf("%s after %s", next.Cause.Kind, last)
			}
			last = next.Cause.Kind
		}
		if d.Report.Moving > 5 {
			t.Fatalf("%d groups move", d.Report.Moving)
		}
		f.settle()
		f.after(time.Second)
		if last >= placement.Balance {
			return
		}
	}
	t.Fatalf("it never came to balance: %s", last)
}

// After a move for balance a group is left alone for a while, but not when a member is
// missing.
func TestAGroupRestsAfterAMoveForBalance(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	f.join(7, "z0")
	f.after(time.Hour)
	d := f.do()
	g, _ := f.c.GroupByID(d.Targets[0].Group)
	if g.Cause.Kind != placement.Balance || g.RestUntil != f.now.Add(f.limits.Rest).UnixNano() {
		t.Fatalf("%+v", g)
	}
	f.settle()
	f.apply(&catalogue.SetNodeState{ID: g.Target[0].Node, To: placement.Dead})
	f.after(time.Second)
	for _, next := range f.do().Targets {
		if next.Group == g.ID {
			return
		}
	}
	// It may have to wait for room, not for its rest.
	f.finish()
	if g = f.group(g.Name); g.Cause.Kind != placement.Repair {
		t.Errorf("%+v", g)
	}
}

// The next planner plans as the last one would have.
func TestAnotherPlannerGoesOn(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	f.join(7, "z1")
	f.after(f.limits.Settle / 2)
	f.do()
	f.planner = Planner{}
	f.after(f.limits.Settle/2 - time.Second)
	if d := f.do(); len(d.Targets) != 0 || d.Report.QuietFrom.Sub(f.now) != time.Second {
		t.Fatalf("it forgot since when the nodes are quiet: %+v", d.Report)
	}
	f.after(time.Second)
	if d := f.do(); len(d.Targets) == 0 {
		t.Fatal("it waits longer than the last one would have")
	}
}

func TestLimits(t *testing.T) {
	given := Defaults()
	for _, test := range []struct{ name, value, err string }{
		{"moves", "12", ""}, {"settle", "90s", ""}, {"rest", "0s", ""}, {"moves", "", ""},
		{"moves", "-1", "give a number from 0 to 10000"}, {"moves", "many", "give a number"},
		{"settle", "90", "give a duration"}, {"purge_after", "1ms", "from 1s"}, {"speed", "1", "no limit is named"},
	} {
		key, text, err := Setting(test.name, test.value)
		if test.err != "" {
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s=%s: %v", test.name, test.value, err)
			}
			continue
		}
		if err != nil || key != "limit."+test.name || (text == "") != (test.value == "") {
			t.Errorf("%s=%s: %q, %q, %v", test.name, test.value, key, text, err)
		}
	}
	settings := map[string]string{"limit.moves": "7", "limit.rest": "1h0m0s", "limit.observers": "a few", "other": "x"}
	l, err := FromSettings(settings, given)
	if l.Moves != 7 || l.Rest != time.Hour || l.Observers != given.Observers || !errors.Is(err, ErrInvalid) {
		t.Errorf("%+v, %v", l, err)
	}
	set := 0
	for _, info := range List(settings, given) {
		if _, _, err := Setting(info.Name, strings.Fields(info.Value)[0]); err != nil {
			t.Errorf("the value listed cannot be set: %v", err)
		}
		if info.Set {
			set++
		}
	}
	if set != 3 {
		t.Errorf("%d limits are listed as set", set)
	}
}

// A group rests after its move was stuck, but not when a node of it was given up.
func TestAGroupThatRestsIsRepaired(t *testing.T) {
	f := newFleet(t, 5, 5, 0)
	f.apply(&catalogue.AddGroup{Name: "g", Type: "t", Replicas: 3, Members: []ident.NodeID{1, 2, 3}})
	back := catalogue.Target{Group: f.group("g").ID, IfEpoch: 1, Members: []ident.NodeID{1, 2, 3}, Preferred: 1, Back: true, Rest: int64(10 * time.Hour)}
	f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{back}})
	f.settle()
	f.apply(&catalogue.SetNodeState{ID: 2, To: placement.Draining})
	f.after(time.Second)
	if d := f.do(); len(d.Targets) != 0 || d.Report.Held[HeldResting] != 1 {
		t.Fatalf("it moves while it rests: %+v", d.Targets)
	}
	f.apply(&catalogue.SetNodeState{ID: 3, To: placement.Dead})
	f.after(time.Second)
	if d := f.do(); len(d.Targets) != 1 || d.Targets[0].Cause.Kind != placement.Repair {
		t.Fatalf("a dead member is left as it is: %+v", d)
	}
}

// While some groups rest, others are moved in their place; and when only resting ones
// are left, the planner waits for the first of them.
func TestOthersMoveWhileSomeRest(t *testing.T) {
	f := newFleet(t, 6, 3, 90)
	f.finish()
	f.join(7, "z0")
	f.after(f.limits.Settle)
	began := f.now
	for f.do(); f.moving() > 0; f.do() {
		f.after(time.Second)
		f.settle()
	}
	if n := f.loads()[7]; n < 25 {
		t.Errorf("after %s the new node has %d of 30 members, though 60 groups do not rest", f.now.Sub(began), n)
	}
	for _, g := range f.c.Groups("", 0) {
		f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: g.TargetNodes(), Rest: int64(time.Hour)}}})
	}
	for id := range ident.NodeID(3) {
		f.join(8+id, fmt.Sprint("z", id))
	}
	for _, g := range f.c.Groups("", 0) { // another leader, so that the target is another
		at := slices.IndexFunc(g.Target, func(m catalogue.Member) bool { return m.Node != g.Preferred })
		f.apply(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: g.TargetNodes(), Preferred: g.Target[at].Node, Rest: int64(time.Hour)}}})
	}
	f.settle()
	f.after(f.limits.Settle)
	d := f.do()
	if f.moving() > 0 || d.Next.IsZero() || d.Report.RestsUntil.IsZero() {
		t.Fatalf("resting groups move, or are not waited for: %+v, %+v", d, d.Report)
	}
	f.after(time.Hour)
	if f.do(); f.moving() == 0 {
		t.Error("rested groups do not move")
	}
}

// The clocks of those who lead may differ by hours: what was to last a while lasts that
// while, and no longer.
func TestClocksOfLeadersMayDiffer(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	truth := f.now
	f.after(3 * time.Hour) // one leads whose clock is ahead
	f.planner = Planner{}
	f.join(7, "z0")
	f.after(f.limits.Settle)
	d := f.do()
	if len(d.Targets) == 0 {
		t.Fatal("nothing moves")
	}
	f.settle()
	g, _ := f.c.GroupByID(d.Targets[0].Group)
	ahead := f.now
	f.now = truth // and then another
	f.planner = Planner{}
	for id := range f.hearing {
		f.hearing[id] = Hearing{Alive: true, Since: f.now}
	}
	f.logAhead = ahead
	f.do()
	f.after(f.limits.Rest / 2)
	if f.do(); f.planner.book.rests[g.ID] == 0 {
		t.Errorf("group %s does not rest any more after half the time", g.Name)
	}
	f.after(f.limits.Rest/2 + time.Second)
	if f.do(); f.planner.book.rests[g.ID] != 0 {
		t.Errorf("group %s rests after its time", g.Name)
	}
	f.join(8, "z1")
	f.after(time.Second)
	if d := f.do(); d.Report.QuietFrom.IsZero() || d.Report.QuietFrom.Sub(f.now) > f.limits.Settle || d.Next.Sub(f.now) > f.limits.Settle {
		t.Errorf("the wait for quiet ends at %s, now is %s", d.Report.QuietFrom, f.now)
	}
	f.finish()
	if n := f.loads()[8]; n == 0 {
		t.Error("the next node stays empty")
	}
}
