package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// Here an operator has the fleet's balancing stand still and go on, gives it other
// limits, and asks about it. fleet_held.go holds against that what is decided.

// rule is one limit of balancing: what it may be, and what it may not.
type rule struct {
	name        string
	least, most int64 // in milliseconds where it is a time; what an operator here would give it
	time        bool
	wrong       []string
	// stays says that everything comes right also where nobody takes it back.
	stays bool
}

var rules = []rule{
	{name: "moves", most: 3, wrong: []string{"-1", "10001", "two"}, stays: true},
	{name: "transfers", least: 1, most: 4, wrong: []string{"0", "1001"}, stays: true},
	{name: "snapshots_in", least: 1, most: 2, wrong: []string{"0", "1001"}, stays: true},
	{name: "snapshots_out", least: 1, most: 2, wrong: []string{"0", "1e9"}, stays: true},
	{name: "settle", most: 3000, time: true, wrong: []string{"-1s", "25h", "3"}},
	{name: "settle_most", most: 10_000, time: true, wrong: []string{"-1ns", "24h1ns"}},
	{name: "purge_after", least: 2000, most: 40_000, time: true, wrong: []string{"999ms", "8761h"}},
	{name: "observers", most: 3, wrong: []string{"-1", "101"}},
	{name: "trust_after", most: 5000, time: true, wrong: []string{"-5s", "48h"}},
	{name: "brake_percent", most: 100, wrong: []string{"-1", "101", "20%"}},
	{name: "rest", most: 30_000, time: true, wrong: []string{"-1s", "24h1s"}},
	{name: "stuck_after", least: 1000, most: 60_000, time: true, wrong: []string{"0s", "forever"}},
	{name: "epsilon_percent", least: 1, most: 100, wrong: []string{"0", "101"}},
	{name: "most_per_zone", most: 31, wrong: []string{"-1", "32"}},
}

// wish is something that an operator asked the catalogue to take note of.
type wish struct {
	key, by string // of a limit, or of the pause with who pauses
	value   string // empty: the default, or to go on
}

// balancing is what operators asked for.
type balancing struct {
	asked []wish
	count int
}

// unique is a value that nobody asked for before, where the limit has so many.
func (f *fleetRun) unique(r *rule) string {
	f.balancing.count++
	v := r.least + f.random.Int64N(r.most-r.least+1)
	if r.time {
		return (time.Duration(v)*time.Millisecond + time.Duration(f.balancing.count)).String()
	}
	return fmt.Sprint(v)
}

// wishes takes note of what is asked for. What is so already may come true without a
// change.
func (f *fleetRun) wishes(wished ...wish) {
	f.balancing.asked = append(f.balancing.asked, wished...)
	h := &f.record.held
	for _, w := range wished {
		if w.by == "" && h.settings[w.key] == w.value {
			h.decided = append(h.decided, w)
		}
	}
}

func (f *fleetRun) balance() {
	m := f.anyServing()
	if m == nil {
		return
	}
	switch f.random.IntN(12) {
	case 0, 1:
		f.pauseMoves(m)
	case 2:
		f.resumeMoves(m)
	case 3, 4:
		f.setLimits(m)
	case 5:
		f.setWrongLimits(m)
	default:
		f.askAbout(m)
	}
}

// pauseMoves has an operator pause all moves; mostly somebody has them go on after a while.
func (f *fleetRun) pauseMoves(m *machine) {
	f.balancing.count++
	by := fmt.Sprintf("operator %d", f.balancing.count)
	if f.chance(10) {
		by = strings.Repeat("x", 501)
		f.act(m, func(ctx context.Context, api *fleet.Node) {
			f.mustRefuse("a pause by a name of 501 bytes", api.Pause(ctx, by, ""))
		}, func() {})
		return
	}
	f.wishes(wish{key: pauseKey, by: by, value: "pause"})
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		err := api.Pause(ctx, by, "to look at it")
		f.logf("pause moves through node %d as %s: %v", m.node.id, by, err)
		if err == nil {
			f.result.Counts["pauses"]++
			f.mustHaveDecided(wish{key: pauseKey, by: by, value: "pause"})
		}
	}, func() {})
	if f.chance(70) {
		f.after(time.Duration(f.about(15*time.Second)), func() {
			if m := f.anyServing(); m != nil && !f.healing {
				f.resumeMoves(m)
			}
		})
	}
}

func (f *fleetRun) resumeMoves(m *machine) {
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		f.logf("resume moves through node %d: %v", m.node.id, api.Resume(ctx, "operator"))
	}, func() {})
}

// setLimits gives some limits other values, or takes them back.
func (f *fleetRun) setLimits(m *machine) {
	values := make(map[string]string)
	var wished []wish
	for range 1 + f.random.IntN(3) {
		r := &rules[f.random.IntN(len(rules))]
		if _, twice := values[r.name]; twice {
			continue
		}
		value := ""
		if f.chance(80) {
			value = f.unique(r)
		}
		values[r.name] = value
		wished = append(wished, wish{key: limitKey + r.name, value: value})
	}
	f.wishes(wished...)
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		err := api.SetLimits(ctx, values)
		f.logf("set limits %v through node %d: %v", values, m.node.id, err)
		switch {
		case err == nil:
			f.result.Counts["limits set"]++
			f.mustHaveDecided(wished...)
		case errors.Is(err, group.ErrInvalidArgument):
			f.violate(Limited, "the limits %v are refused: %v", values, err)
		}
	}, func() {})
}

// setWrongLimits asks for what no limit can be, beside something that one can be: all
// of it must be refused.
func (f *fleetRun) setWrongLimits(m *machine) {
	values := make(map[string]string)
	for range f.random.IntN(3) {
		r := &rules[f.random.IntN(len(rules))]
		values[r.name] = f.unique(r)
	}
	wrong := &rules[f.random.IntN(len(rules))]
	switch f.random.IntN(4) {
	case 0:
		values[pick(f.random, "nonsense", "", "pause", "Moves", "limit.moves")] = "1"
	default:
		values[wrong.name] = wrong.wrong[f.random.IntN(len(wrong.wrong))]
	}
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		f.mustRefuse(fmt.Sprintf("the limits %v", values), api.SetLimits(ctx, values))
	}, func() {})
}

// mustRefuse takes what became of something that nobody may ask for.
func (f *fleetRun) mustRefuse(what string, err error) {
	f.result.Checked++
	if err == nil {
		f.violate(Limited, "%s: nobody refuses that", what)
		return
	}
	if errors.Is(err, group.ErrInvalidArgument) {
		f.result.Counts["limits refused"]++
	}
}

// resumeBalance has an operator end what holds moves, and take back the limits with
// which not everything would come right, until that is so.
func (f *fleetRun) resumeBalance() {
	settings := f.record.machine.Settings()
	values := make(map[string]string)
	for i := range rules {
		if _, set := settings[limitKey+rules[i].name]; set && !rules[i].stays {
			values[rules[i].name] = ""
			f.wishes(wish{key: limitKey + rules[i].name})
		}
	}
	m := f.anyServing()
	if _, paused := settings[pauseKey]; paused && m != nil {
		f.resumeMoves(m)
	}
	if len(values) > 0 && m != nil {
		f.act(m, func(ctx context.Context, api *fleet.Node) {
			f.logf("take back limits through node %d: %v", m.node.id, api.SetLimits(ctx, values))
		}, func() {})
	}
	if f.plan.Acts&Balance != 0 {
		f.after(5*time.Second, f.resumeBalance)
	}
}

// isHeldBack tells whether something set by operators still keeps everything from coming right.
func (f *fleetRun) isHeldBack() string {
	settings := f.record.machine.Settings()
	if _, paused := settings[pauseKey]; paused {
		return "moves are paused"
	}
	if i := slices.IndexFunc(rules, func(r rule) bool { return !r.stays && settings[limitKey+r.name] != "" }); i >= 0 {
		return fmt.Sprintf("the limit %s is %s", rules[i].name, settings[limitKey+rules[i].name])
	}
	return ""
}
