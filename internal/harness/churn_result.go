package harness

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// ChurnResult is what Churn measured. The names of its JSON are stable.
type ChurnResult struct {
	Phases []Phase `json:"phases"`

	// What became of all writes. Counted is the sum of all counters.
	Acknowledged int64  `json:"acknowledged"`
	Unknown      int64  `json:"unknown"`
	Applied      int64  `json:"unknown_applied"`
	Counted      int64  `json:"counted"`
	Failed       int64  `json:"failed"`
	Retried      int64  `json:"retried"`
	LastRefusal  string `json:"last_refusal,omitempty"`
	Accounted    bool   `json:"accounted"` // all counters were read, and none is wrong
}

// Phase is what was measured of one change. All times are in seconds.
type Phase struct {
	Name    string   `json:"name"`
	Nodes   []string `json:"nodes,omitempty"` // that join, leave, die or return
	Seconds float64  `json:"seconds"`         // until the fleet was balanced again, or until the brake held; 0 where that was not seen
	Length  float64  `json:"length_s"`        // of the phase, as far as there were writes
	State   string   `json:"state,omitempty"` // of the balance at that time
	Why     string   `json:"why,omitempty"`
	Held    string   `json:"held,omitempty"`  // why the brake held
	Error   string   `json:"error,omitempty"` // why the phase did not end as it should

	Writes   int64   `json:"writes"` // acknowledged
	Goodput  float64 `json:"writes_per_s"`
	P50      float64 `json:"p50_s"` // from when a write was due, see Pace
	P99      float64 `json:"p99_s"`
	Failed   int64   `json:"failed"`  // in a way in which no write should
	Retried  int64   `json:"retried"` // refused, and done anew
	Unknown  int64   `json:"unknown"` // whether applied
	Gap      float64 `json:"gap_max_s"`
	GapGroup string  `json:"gap_max_group"`
	// GapFrom is when the longest gap began, to be looked up in the nodes' logs.
	GapFrom time.Time `json:"gap_max_from"`
	GapP99  float64   `json:"gap_p99_s"` // over the groups
	Late    float64   `json:"late_max_s"`

	Moved int `json:"members_moved"`
	// Least is how many must: the share of nodes that join, what nodes had that left.
	Least int `json:"members_moved_least"`

	MembersMax float64 `json:"members_max_over_avg"` // of the active nodes, at the end
	LeadersMax float64 `json:"leaders_max_over_avg"`
	// The same of what each node's share is, zones and weights considered; 0 where the
	// fleet does not say.
	MembersShare float64 `json:"members_max_over_share"`
	LeadersShare float64 `json:"leaders_max_over_share"`

	movedBefore int
	writing     time.Time // since when clients write
}

// measure fills in what is known at the end of a phase.
func (p *Phase) measure(ch *churn, before Counts) {
	p.Length = time.Since(p.writing).Seconds()
	p.Moved = ch.watch.moved() - p.movedBefore
	p.MembersMax, p.LeadersMax = ch.watch.skew()
	p.MembersShare, p.LeadersShare = ch.shares()
	if ch.pace == nil {
		return
	}
	lap, now := ch.pace.Lap(), ch.pace.Counts()
	p.Writes = now.Acknowledged - before.Acknowledged
	p.Goodput = float64(p.Writes) / p.Length
	p.Failed, p.Retried, p.Unknown = now.Failed-before.Failed, now.Refused-before.Refused, now.Unknown-before.Unknown
	p.Late = lap.Late.Seconds()
	gaps := make([]time.Duration, len(lap.Gaps))
	for i, g := range lap.Gaps {
		gaps[i] = g.Time
		if s := g.Time.Seconds(); s > p.Gap {
			p.Gap, p.GapGroup, p.GapFrom = s, ch.pace.groups[i].group, g.From
		}
	}
	p.P50, p.P99, p.GapP99 = quantile(lap.Times, 0.5), quantile(lap.Times, 0.99), quantile(gaps, 0.99)
}

// quantile is the least of the times, in seconds, that such a share of them does not
// exceed; 0 of nothing. It sorts the times.
func quantile(times []time.Duration, share float64) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[max(0, int(math.Ceil(share*float64(len(times))))-1)].Seconds()
}

// skew is how many more members, and leaders, the node with the most has than the
// average active node.
func (w *watch) skew() (members, leaders float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maxOverAverage(w.last.status.Nodes, func(n view.Node) int { return n.Members }),
		maxOverAverage(w.last.status.Nodes, func(n view.Node) int { return n.Leaders })
}

// shares is the same by the shares that the fleet worked out; 0 where it did not.
func (ch *churn) shares() (members, leaders float64) {
	for _, n := range ch.usable() {
		if !n.Running() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		s, err := n.Client().Skew(ctx)
		cancel()
		if err == nil {
			return s.MemberMax, s.LeaderMax
		}
	}
	return 0, 0
}

func maxOverAverage(nodes []view.Node, of func(view.Node) int) float64 {
	most, sum, count := 0, 0, 0
	for _, n := range nodes {
		if n.State == view.StateActive {
			most, sum, count = max(most, of(n)), sum+of(n), count+1
		}
	}
	if sum == 0 {
		return 0
	}
	return float64(most) * float64(count) / float64(sum)
}

func (r *ChurnResult) account(a Account, err error) {
	r.Acknowledged, r.Unknown, r.Applied, r.Counted = a.Acknowledged, a.Unknown, a.Applied, a.Counted
	r.Failed, r.Retried, r.Accounted = a.Failed, a.Refused, err == nil
	if a.Refusal != nil {
		r.LastRefusal = a.Refusal.Error()
	}
}

// line is the line of progress.
func (ch *churn) line(phase string, o *observation) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %-8s", phase, o.balance.State)
	active, least, most := 0, 0, 0
	for _, n := range o.status.Nodes {
		if n.State != view.StateActive {
			continue
		}
		if active++; active == 1 {
			least = n.Members
		}
		least, most = min(least, n.Members), max(most, n.Members)
	}
	fmt.Fprintf(&b, " moving %3d left %5d moved %6d | %2d of %2d nodes active, %d to %d members, %d groups without leader",
		o.balance.Moving, o.balance.Left, ch.watch.moved(), active, len(o.status.Nodes), least, most, o.status.GroupsWithoutLeader)
	if p := ch.watch.pace.Load(); p != nil {
		c := p.Counts()
		fmt.Fprintf(&b, " | %d writes, %d retried, %d unknown, %d failed", c.Acknowledged, c.Refused, c.Unknown, c.Failed)
		if group, since := p.waiting(); since > 500*time.Millisecond {
			fmt.Fprintf(&b, ", %s waits %.1fs", group, since.Seconds())
		}
	}
	if o.err != nil {
		fmt.Fprintf(&b, " | %v", o.err)
	}
	ch.c.Progress(b.String())
}

// waiting is the group whose write is due for the longest time, and for how long.
func (p *Pace) waiting() (group string, longest time.Duration) {
	for _, g := range p.groups {
		g.mu.Lock()
		if !g.due.IsZero() && time.Since(g.due) > longest {
			group, longest = g.group, time.Since(g.due)
		}
		g.mu.Unlock()
	}
	return group, longest
}
