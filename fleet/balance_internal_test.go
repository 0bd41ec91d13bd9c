package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
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
