package placement

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// The moves of a plan, made one after another, lead to its targets, and come in
// the order of their urgency.
func TestPropertyMovesLeadToTargets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		r := Plan(in)
		if !slices.IsSortedFunc(r.Moves, func(a, b Move) int { return int(a.Kind) - int(b.Kind) }) {
			t.Fatalf("out of order: %+v", r.Moves)
		}
		type state struct {
			members []ident.NodeID
			leader  ident.NodeID
		}
		now := make(map[ident.GroupID]*state)
		isNew := make(map[ident.GroupID]bool)
		for _, g := range in.Groups {
			now[g.ID], isNew[g.ID] = &state{uniqueSorted(g.Members), g.Leader}, len(g.Members) == 0
		}
		for _, m := range r.Moves {
			s := now[m.Group]
			if m.Kind == Lead {
				if s.leader != m.From {
					t.Fatalf("%+v, but %s leads", m, s.leader)
				}
				s.leader = m.To
				continue
			}
			if m.From == 0 && m.To == 0 || m.From != 0 && !slices.Contains(s.members, m.From) || slices.Contains(s.members, m.To) {
				t.Fatalf("%+v from %v", m, s.members)
			}
			s.members = slices.DeleteFunc(s.members, func(id ident.NodeID) bool { return id == m.From })
			if m.To != 0 {
				s.members = append(s.members, m.To)
			}
		}
		for _, target := range r.Targets {
			s := now[target.Group]
			slices.Sort(s.members)
			if !slices.Equal(s.members, target.Members) || s.leader != target.Leader && !isNew[target.Group] {
				t.Fatalf("moves lead to %+v, target %+v", s, target)
			}
			delete(now, target.Group)
		}
		for _, g := range in.Groups {
			if s := now[g.ID]; s != nil && (!slices.Equal(s.members, uniqueSorted(g.Members)) || s.leader != g.Leader) {
				t.Fatalf("group %+v has moves and no target", g)
			}
		}
	})
}

func TestMovesNameTheirCause(t *testing.T) {
	in := Input{Nodes: setState(setState(fleetOf(2, 2, 2), 1, Dead), 3, Draining), Groups: []Group{
		{ID: 2, Name: "g", Replicas: 3, Members: []ident.NodeID{1, 3, 5}, Leader: 3, Epoch: 6},
		{ID: 3, Name: "h", Replicas: 2, Members: []ident.NodeID{2, 4, 6}, Leader: 2},
	}}
	r := Plan(in)
	if len(r.Targets) != 2 || r.Targets[0].Epoch != 7 {
		t.Fatalf("%+v", r.Targets)
	}
	got := r.Moves
	want := []Move{{2, Repair, 1, 2}, {2, Drain, 3, 4}}
	if len(got) < 4 || !reflect.DeepEqual(got[:2], want) || got[2].Group != 3 || got[2].Kind != Resize || got[2].To != 0 || got[3].Kind != Lead || got[3].From != 3 {
		t.Errorf("moves %+v", got)
	}
}

// Offers save work and decide nothing: what they say is what pick says.
func TestPropertyOffersArePicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		for i := range in.Groups {
			in.Groups[i].Cost = 1
		}
		l := ledgerOf(in)
		l.refresh()
		l.beginPlan()
		l.repair()
		if len(l.active) < 2 {
			return
		}
		s := l.newScale(loadOf)
		end, over := l.active[0], false
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			if rapid.IntRange(0, 9).Draw(t, "other end") == 0 {
				end, over = rapid.SampledFrom(l.active).Draw(t, "end"), rapid.Bool().Draw(t, "over")
			}
			other := rapid.SampledFrom(l.active).Draw(t, "other")
			if other == end {
				continue
			}
			from, to := end, other
			if !over {
				from, to = other, end
			}
			want := l.pick(from, to, func(int64) bool { return true })
			if s.bars(end, other, over) {
				if want != none {
					t.Fatalf("barred, but group %d may move", want)
				}
				continue
			}
			got := s.next(from, to, other)
			if got != want {
				t.Fatalf("offered group %d, pick says %d", got, want)
			}
			if got == none {
				s.bar(end, other, over)
			} else {
				l.shift(s, got, from, to)
			}
			if rapid.IntRange(0, 4).Draw(t, "aside") == 0 { // a move between two others, as chains make them
				a, b := rapid.SampledFrom(l.active).Draw(t, "a"), rapid.SampledFrom(l.active).Draw(t, "b")
				if g := l.pick(a, b, func(int64) bool { return a != b }); g != none {
					l.shift(s, g, a, b)
				}
			}
		}
	})
}

// What would be is what is once it has happened.
func TestPropertyWhatIfIsWhatIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := plannerOf(in)
		before := p.Plan()
		n := Node{ID: 55, Zone: "z1", Weight: 1, State: Active}
		if len(in.Nodes) > 0 && rapid.Bool().Draw(t, "known") {
			n = rapid.SampledFrom(in.Nodes).Draw(t, "node")
			n.State = rapid.SampledFrom([]State{Active, Draining, Dead}).Draw(t, "state")
		}
		o := p.WhatIf(Change{Set: []Node{n}})
		if again := p.Plan(); !reflect.DeepEqual(again, before) {
			t.Fatalf("asking left a trace: %+v, before %+v", again, before)
		}
		p.SetNode(n)
		r := p.Plan()
		if !reflect.DeepEqual(r.Moves, o.Moves) || len(r.Targets) != o.GroupsChanged {
			t.Fatalf("what if said %+v, it is %+v", o.Moves, r.Moves)
		}
		for _, target := range r.Targets {
			p.carryOut(target)
		}
		if after := p.Skew(); !reflect.DeepEqual(after, o.After) {
			t.Fatalf("what if said %+v, it is %+v", o.After, after)
		}
	})
}

// An explanation chooses whom the plan chooses.
func TestPropertyExplainIsPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := plannerOf(in)
		targets := make(map[ident.GroupID]Target)
		for _, target := range p.Plan().Targets {
			targets[target.Group] = target
		}
		for _, g := range in.Groups {
			x, ok := p.Explain(g.ID)
			if !ok {
				t.Fatalf("group %d is not known", g.ID)
			}
			want, changed := targets[g.ID]
			if changed != (x.Target != nil) || changed && !reflect.DeepEqual(*x.Target, want) {
				t.Fatalf("target %+v, planned %+v", x.Target, want)
			}
			for _, c := range x.Candidates {
				if changed && c.Chosen != slices.Contains(want.Members, c.ID) || c.Why == "" || c.Verdict == "" {
					t.Fatalf("candidate %+v, planned %+v", c, want)
				}
			}
		}
	})
}
