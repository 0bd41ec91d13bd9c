package harness

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// Everything that happens to a fleet in its life, one after another: see Churn.
func TestNodesComeAndGoWhileClientsWrite(t *testing.T) {
	long(t)
	ctx := within(t, 5*time.Minute)
	f := New(t, Config{Nodes: 6, Zones: 3, PurgeAfter: 2 * time.Second, Flags: []string{"--settle", "200ms"}})
	r, err := f.Churn(ctx, ChurnConfig{Groups: 30, Every: 200 * time.Millisecond, Seed: 1, Pause: 200 * time.Millisecond, Progress: func(line string) { t.Log(line) }})
	for _, p := range r.Phases {
		t.Logf("%-10s %5.1f s, %.0f writes/s, longest gap %.2f s (%s), %d members moved of at least %d, members %.2f, leaders %.2f of the average; %d retried, %d unknown",
			p.Name, p.Seconds, p.Goodput, p.Gap, p.GapGroup, p.Moved, p.Least, p.MembersMax, p.LeadersMax, p.Retried, p.Unknown)
	}
	must(t, err)
	if !r.Accounted || r.Acknowledged == 0 || r.Failed > 0 {
		t.Errorf("not all writes are accounted for: %+v", r)
	}
	if !slices.ContainsFunc(r.Phases, func(p Phase) bool { return p.Held != "" }) {
		t.Error("no phase tells why the brake held")
	}
}

func TestAPaceLeavesOutWhatWasDueMeanwhile(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, c := range []struct{ after, want time.Duration }{
		{0, time.Second}, {time.Second - 1, time.Second}, {time.Second, time.Second},
		{time.Second + 1, 2 * time.Second}, {2 * time.Second, 2 * time.Second}, {3500 * time.Millisecond, 4 * time.Second},
	} {
		if got := next(start, time.Second, start.Add(c.after)).Sub(start); got != c.want {
			t.Errorf("answered after %s, the next write is due after %s, not %s", c.after, got, c.want)
		}
	}
}

func TestAGapLastsFromWhenAWriteWasDue(t *testing.T) {
	g := &paced{tally: &tally{group: "g"}, gap: Gap{Time: time.Second}}
	p := &Pace{Load: &Load{}, groups: []*paced{g}}
	if gaps := p.Lap().Gaps; len(gaps) != 1 || gaps[0].Time != time.Second {
		t.Fatalf("gaps %v", gaps)
	}
	if gaps := p.Lap().Gaps; gaps[0].Time != 0 {
		t.Errorf("a lap without writes has a gap of %s", gaps[0].Time)
	}
	g.due = time.Now().Add(-time.Hour)
	if gaps := p.Lap().Gaps; gaps[0].Time < time.Hour || !gaps[0].From.Equal(g.due) {
		t.Errorf("a write that is due for an hour since %s is a gap of %+v", g.due, gaps[0])
	}
	if took := g.answered(g.due); took < time.Hour || g.lap().Time < time.Hour {
		t.Errorf("and after its answer it is one of %s", took)
	}
	if group, _ := p.waiting(); group != "" {
		t.Errorf("group %s is said to wait after its answer", group)
	}
}

func TestAChangeIsTakenWhenNodesAndBalanceAreAsTheyShouldBe(t *testing.T) {
	f := &Fleet{nodes: []*Node{{Name: "a"}, {Name: "b"}}}
	ch := &churn{Fleet: f, c: ChurnConfig{Groups: 2, Replicas: 1}, expected: map[*Node]string{f.nodes[0]: view.StateActive, f.nodes[1]: view.StateDead}}
	good := func() *observation {
		return &observation{
			status: view.Status{Members: 2, Groups: 2, Catalogue: view.Catalogue{Leader: "a"},
				Nodes: []view.Node{{Name: "a", State: view.StateActive, Members: 2}, {Name: "b", State: view.StateDead}}},
			balance: view.Balance{State: view.BalanceDone},
		}
	}
	for _, c := range []struct {
		name   string
		braked bool
		change func(*observation)
		want   string // empty: it is taken
	}{
		{"all is well", false, func(*observation) {}, ""},
		{"nothing can be better", false, func(o *observation) { o.balance.State = view.BalanceStuck }, ""},
		{"something is left", false, func(o *observation) { o.balance.State, o.balance.Left = view.BalanceStuck, 1 }, "stuck"},
		{"it still waits", false, func(o *observation) { o.balance.State = view.BalanceWaiting }, "waiting"},
		{"a group has no leader", false, func(o *observation) { o.status.GroupsWithoutLeader = 1 }, "no leader"},
		{"a group moves", false, func(o *observation) { o.status.MovesInFlight = 1 }, "in flight"},
		{"a member is missing", false, func(o *observation) { o.status.Members = 1 }, "members"},
		{"the dead one has a member", false, func(o *observation) { o.status.Nodes[1].Members = 1 }, "node b"},
		{"the dead one is only suspect", false, func(o *observation) { o.status.Nodes[1].State = view.StateSuspect }, "node b"},
		{"the brake holds", true, func(o *observation) { o.balance.State, o.balance.Held = view.BalanceHeld, "a zone is gone" }, ""},
		{"the brake does not hold", true, func(*observation) {}, "brake"},
	} {
		o := good()
		c.change(o)
		err := ch.took(c.braked)(o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestQuantilesAndSkewOfWhatWasMeasured(t *testing.T) {
	times := []time.Duration{4 * time.Second, time.Second, 3 * time.Second, 2 * time.Second}
	if half, all, none := quantile(times, 0.5), quantile(times, 1), quantile(nil, 0.5); half != 2 || all != 4 || none != 0 {
		t.Errorf("the middle of four is %g, the longest %g, that of none %g", half, all, none)
	}
	nodes := []view.Node{{State: view.StateActive, Members: 3}, {State: view.StateActive, Members: 1}, {State: view.StateDead, Members: 9}}
	of := func(n view.Node) int { return n.Members }
	if got := maxOverAverage(nodes, of); got != 1.5 {
		t.Errorf("3 and 1 members are at most %g of the average", got)
	}
	if got := maxOverAverage(nil, of); got != 0 {
		t.Errorf("no nodes are at most %g of the average", got)
	}
}
