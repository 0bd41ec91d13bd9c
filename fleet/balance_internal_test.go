package fleet

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

func TestHowBalancingStands(t *testing.T) {
	at := time.Unix(1000, 0)
	queue := func(kind placement.Kind, groups int, hold planner.Hold) *planner.Report {
		r := &planner.Report{At: at, QuietFrom: at.Add(3 * time.Second), RestsUntil: at.Add(time.Minute), Queue: map[placement.Kind]int{kind: groups}}
		if hold != "" {
			r.Held = map[planner.Hold]int{hold: groups}
		}
		return r
	}
	for _, c := range []struct {
		what     string
		report   *planner.Report
		view     view.Balance
		helpless string
		state    string
		says     string
	}{
		{"a drain between two moves waits for no quiet", queue(placement.Drain, 14, planner.HeldFull), view.Balance{}, "", view.BalanceWaiting, "14 groups to change next"},
		{"balancing does", queue(placement.Balance, 2, planner.HeldRestless), view.Balance{}, "", view.BalanceWaiting, "quiet, in 3s"},
		{"a group rests", queue(placement.Balance, 1, planner.HeldResting), view.Balance{}, "", view.BalanceWaiting, "rested, the first in 1m0s"},
		{"a node is back", &planner.Report{At: at, TrustedFrom: at.Add(20 * time.Second)}, view.Balance{Returned: []string{"a", "b", "c", "d"}}, "too few nodes", view.BalanceWaiting, "a, b, c and 1 more came back"},
		{"a group has no quorum", queue(placement.Drain, 2, planner.HeldNoQuorum), view.Balance{}, "", view.BalanceStuck, "2 groups cannot move"},
		{"moves go on while the brake holds", &planner.Report{At: at}, view.Balance{Moving: 2, MoveLimit: 4, Left: 9, Held: "3 of 9 nodes are gone"}, "", view.BalanceMoving, "2 groups of at most 4 on the move, 9 left; no other begins: 3 of 9 nodes are gone"},
		{"only leaders are on their way", &planner.Report{At: at}, view.Balance{Leading: 10}, "", view.BalanceMoving, "10 groups on the way to the preferred leader"},
		{"as many leaders as may, and more to come", queue(placement.Lead, 100, planner.HeldFull), view.Balance{Leading: 64}, "", view.BalanceMoving, "64 groups on the way to the preferred leader, 100 groups to change next"},
		{"the catalogue takes no targets", &planner.Report{At: at, Started: 1, Uncommitted: group.ErrOverloaded, Queue: map[placement.Kind]int{placement.Repair: 1}}, view.Balance{MoveLimit: 4}, "", view.BalanceWaiting, "1 group to change, and none begins: the catalogue did not take the new targets: "},
		{"decided, and not committed yet", &planner.Report{At: at, Started: 1, Queue: map[placement.Kind]int{placement.Repair: 1}}, view.Balance{MoveLimit: 4}, "", view.BalanceWaiting, "1 group to change next"},
		{"all that could move rest", &planner.Report{At: at, RestsUntil: at.Add(time.Hour)}, view.Balance{}, "", view.BalanceWaiting, "nodes are unevenly loaded, and the groups that could move moved a short while ago; the first has rested in 1h0m0s"},
		{"too few nodes", &planner.Report{At: at}, view.Balance{Problems: []view.Problem{{Reason: "zone c is small"}}}, "too few nodes", view.BalanceStuck, "too few nodes"},
		{"an uneven zone", &planner.Report{At: at}, view.Balance{Problems: []view.Problem{{Reason: "zone c is small"}}}, "", view.BalanceDone, "zone c is small"},
		{"a group without a quorum that was removed meanwhile", &planner.Report{At: at, Infeasible: []placement.Reason{{Kind: placement.NoQuorum}}}, view.Balance{}, "", view.BalanceDone, "every group"},
	} {
		v := c.view
		for kind, groups := range c.report.Queue {
			v.Queue = append(v.Queue, view.BalanceQueue{Cause: kind.String(), Groups: groups})
		}
		if state, why := balanceState(&v, c.report, c.helpless); state != c.state || !strings.Contains(why, c.says) {
			t.Errorf("%s: %s: %s", c.what, state, why)
		}
	}
}

func TestNoEndIsForetoldWhileNothingMayMove(t *testing.T) {
	n := &Node{}
	report := func() *planner.Report {
		return &planner.Report{At: time.Unix(1000, 0), Done: 5, DoneWithin: 10 * time.Minute, MoveLimit: 4, Queue: map[placement.Kind]int{placement.Repair: 100}}
	}
	paused, braked := report(), report()
	paused.Pause, braked.Brake = &planner.Pause{By: "ana"}, "all 3 nodes of zone z1 are gone"
	for _, r := range []*planner.Report{paused, braked} {
		if v := n.viewBalance(catalogue.New(), r); v.ETA != 0 || v.PerMinute != 0.5 {
			t.Errorf("%s: %s: it goes on for %v s at %v a minute", v.State, v.Why, v.ETA, v.PerMinute)
		}
	}
	if v := n.viewBalance(catalogue.New(), report()); v.ETA != 12000 {
		t.Errorf("100 groups at one in two minutes take %v s", v.ETA)
	}
}

// catalogueOf has a catalogue of some commands, an hour after the log began.
func catalogueOf(t *testing.T, commands ...catalogue.Command) *catalogue.Machine {
	t.Helper()
	c := catalogue.New()
	for _, command := range commands {
		b, err := catalogue.Encode(command)
		if err == nil {
			_, err = c.Apply(c.Index()+1, int64(time.Hour), b)
			c.AppliedUpTo(c.Index() + 1)
		}
		if err != nil {
			t.Fatalf("%T: %v", command, err)
		}
	}
	return c
}

// nodesIn are so many active nodes in one zone.
func nodesIn(nodes int) []catalogue.Command {
	var out []catalogue.Command
	for i := range nodes {
		id := ident.NodeID(i + 1)
		out = append(out, &catalogue.RegisterNode{ID: id, Name: "n" + string(rune('1'+i)), Zone: "z", Weight: 1},
			&catalogue.SetNodeState{ID: id, To: placement.Active})
	}
	return out
}

// While the brake holds, a drain goes on; it is not said to be what keeps it.
func TestWhatIsSaidToHoldAGroupBackDoes(t *testing.T) {
	commands := append(nodesIn(5), &catalogue.AddGroup{Name: "g", Type: "t", Replicas: 3, Members: []ident.NodeID{1, 2, 3}, Preferred: 1})
	for id := range ident.NodeID(3) {
		commands = append(commands, &catalogue.SetNodeState{ID: id + 2, To: placement.Suspect})
	}
	c := catalogueOf(t, commands...)
	g, _ := c.Group("g")
	says := func(kind placement.Kind, alone bool) string {
		return heldBack(planner.HolderOf(c, planner.Defaults(), time.Unix(0, 0).Add(time.Hour), func(ident.NodeID) bool { return true }), g, kind, alone)
	}
	if why := says(placement.Drain, true); why != "" {
		t.Errorf("a drain is held back: %s", why)
	}
	if why := says(placement.Repair, true); !strings.Contains(why, "3 of 5 nodes are gone") {
		t.Errorf("a repair is held back by %q", why)
	}
	if why := says(placement.Repair, false); why != "too much of the fleet is gone at once" {
		t.Errorf("many are held back by %q", why)
	}
}

func TestMoreNodesThanThereCanBeAreRefused(t *testing.T) {
	for _, add := range [][]view.WhatIfNode{
		{{Zone: "z", Count: mostAdded + 1}},
		{{Zone: "z", Count: 1}, {Zone: "z", Count: math.MaxInt}},
		{{Zone: "z", Count: mostAdded}, {Zone: "z"}},
	} {
		if _, err := (&Node{}).changeOf(t.Context(), catalogue.New(), &view.WhatIf{Add: add}, names{}); !errors.Is(err, group.ErrInvalidArgument) {
			t.Errorf("%+v: %v", add, err)
		}
	}
}

// What a node has that should have nothing is no multiple of its share.
func TestANodeWithoutAShareIsNoTimesIt(t *testing.T) {
	row := placement.NodeBalance{Node: placement.Node{ID: 1, State: placement.Active}, Members: 30, MembersFair: 30_000, MembersPermille: 1000, Leaders: 8, LeadersPermille: 8_000_000}
	v := viewSkew(placement.Skew{Nodes: []placement.NodeBalance{row}, MembersPermille: 1000, LeadersPermille: 8_000_000}, catalogue.New(), names{})
	if v.MemberMax != 1 || v.LeaderMax != 0 || v.Nodes[0].LeaderRatio != 0 {
		t.Errorf("%+v", v)
	}
}
