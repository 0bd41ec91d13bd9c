package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	fleetview "github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/exec"
)

// Here somebody asks how the fleet is balanced, and what would be if.

// actTime is how long somebody waits who does something through a node, and overtime by
// how much the answer may be late.
const (
	actTime  = 10 * time.Second
	overtime = 2 * time.Second
)

// views are the questions. What each comes to can be shown to people and to programs.
var views = []func(*fleetRun, context.Context, *fleet.Node, *name) (any, error){
	func(_ *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) { return api.Balance(ctx) },
	func(f *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) {
		return api.Moves(ctx, f.random.IntN(4))
	},
	func(f *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) {
		return api.Plan(ctx, f.random.IntN(4))
	},
	func(_ *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) { return api.Skew(ctx) },
	func(_ *fleetRun, ctx context.Context, api *fleet.Node, n *name) (any, error) {
		return api.Explain(ctx, n.text)
	},
	func(f *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) {
		return api.WhatIf(ctx, f.question())
	},
	func(_ *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) { return api.Limits(ctx) },
	func(_ *fleetRun, ctx context.Context, api *fleet.Node, _ *name) (any, error) { return api.Status(ctx) },
}

// askAbout asks one of the questions through a node.
func (f *fleetRun) askAbout(m *machine) {
	ask, n := views[f.random.IntN(len(views))], f.names[f.random.IntN(len(f.names))]
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		f.inTime(m, func() {
			v, err := ask(f, ctx, api, n)
			f.logf("node %d tells %T: %v", m.node.id, v, err)
			if err == nil {
				f.result.Counts["views"]++
				f.tellable(v)
			}
		})
	}, func() {})
}

// tellable checks what a view is made of.
func (f *fleetRun) tellable(v any) {
	f.result.Checked++
	if _, err := json.Marshal(v); err != nil {
		f.violate(Limited, "%+v cannot be told: %v", v, err)
	}
	if b, ok := v.(fleetview.Balance); ok && (b.State == "" || b.Why == "" || (b.State == fleetview.BalancePaused) != (b.Pause != nil)) {
		f.violate(Limited, "the balance is %+v", b)
	}
}

// inTime does something in a node's process that must not take longer than it may.
func (f *fleetRun) inTime(m *machine, do func()) {
	p, over := m.node.process, false
	p.Go(func() {
		if exec.Sleep(context.Background(), p, actTime+overtime) == nil && !over && !p.ended && !m.node.disk.dying {
			f.violate(Bounded, "node %d does not answer in %v", m.node.id, actTime+overtime)
		}
	})
	do()
	over = true
}

// question is what somebody might want to know, sensible or not.
func (f *fleetRun) question() (q fleetview.WhatIf) {
	node := func() string {
		if f.chance(5) {
			return "nobody"
		}
		m := f.all[f.random.IntN(len(f.all))]
		return pick(f.random, m.name, m.node.id.String())
	}
	for range f.random.IntN(3) {
		switch f.random.IntN(5) {
		case 0:
			q.Remove = append(q.Remove, node())
		case 1:
			q.Drain = append(q.Drain, node())
		case 2:
			q.ZoneDown = append(q.ZoneDown, pick(f.random, "z0", "z1", "z9"))
		case 3:
			q.Add = append(q.Add, fleetview.WhatIfNode{Zone: pick(f.random, "z0", "z7", ""), Weight: pick(f.random, -1, 0, 1, 1000), Count: pick(f.random, -1, 0, 3, 1001)})
		case 4:
			q.Weights = map[string]int{node(): pick(f.random, 0, 1, 5, 1001)}
		}
	}
	return q
}

// askWhenWell asks every node everything when all is well. Each answers, and says that
// nothing is held; and the catalogue is what it was.
func (f *fleetRun) askWhenWell() {
	before := f.known()
	left, wrong := 0, ""
	for _, m := range f.machines {
		left++
		f.act(m, func(ctx context.Context, api *fleet.Node) {
			f.inTime(m, func() {
				if err := f.askOne(ctx, m.node.process, api); err != nil {
					wrong = fmt.Sprintf("node %d: %v", m.node.id, err)
				}
			})
		}, func() { left-- })
		m.node.busy()
	}
	if !f.runUntil(f.now+int64(actTime+2*overtime), func() bool { return left == 0 }) && left > 0 {
		f.unhealed("%d nodes do not say how the fleet is balanced", left)
	}
	if wrong != "" {
		f.unhealed("all is well, and %s", wrong)
	}
	if after := f.known(); after != before && f.failure == nil {
		f.violate(Limited, "somebody asked, and the catalogue went from %s to %s", before, after)
	}
}

func isHeld(b *fleetview.Balance) bool {
	return b.State == fleetview.BalanceUnknown || b.State == fleetview.BalancePaused || b.State == fleetview.BalanceHeld
}

func (f *fleetRun) askOne(ctx context.Context, p *process, api *fleet.Node) error {
	for _, g := range f.record.machine.Groups("", 0) {
		x, err := api.Explain(ctx, g.Name)
		if err != nil {
			return err
		}
		if f.tellable(x); len(x.Members) == 0 || len(x.Target) == 0 || len(x.Candidates) != len(f.machines) {
			return fmt.Errorf("group %s is explained by %+v", g.Name, x)
		}
	}
	b, err := api.Balance(ctx)
	// What the planner found before all was well it tells for a moment.
	for tries := 0; err == nil && isHeld(&b) && tries < 20; tries++ {
		_ = exec.Sleep(ctx, p, 200*time.Millisecond)
		b, err = api.Balance(ctx)
	}
	if err != nil {
		return err
	}
	if f.tellable(b); isHeld(&b) {
		return fmt.Errorf("the balance is %+v", b)
	}
	skew, err := api.Skew(ctx)
	if err != nil {
		return err
	}
	if f.tellable(skew); len(skew.Nodes) != len(f.machines) {
		return fmt.Errorf("%d nodes are loaded, there are %d", len(skew.Nodes), len(f.machines))
	}
	limits, err := api.Limits(ctx)
	if err != nil {
		return err
	}
	settings := f.record.machine.Settings()
	for _, l := range limits {
		if value, set := settings[limitKey+l.Name]; set != l.Set || set && value != l.Value && value != "0" {
			return fmt.Errorf("the limit %+v is told, the catalogue says %q", l, value)
		}
	}
	o, err := api.WhatIf(ctx, fleetview.WhatIf{Add: []fleetview.WhatIfNode{{Zone: "z0"}}})
	if err != nil {
		return err
	}
	if f.tellable(o); len(o.After.Nodes) != len(f.machines)+1 {
		return fmt.Errorf("with one node more than %d there would be %d", len(f.machines), len(o.After.Nodes))
	}
	for _, ask := range []func(context.Context, int) error{
		func(ctx context.Context, most int) error { _, err := api.Plan(ctx, most); return err },
		func(ctx context.Context, most int) error { _, err := api.Moves(ctx, most); return err },
	} {
		if err := ask(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

// known is what of the catalogue nobody changes when all is well.
func (f *fleetRun) known() string {
	c := f.record.machine
	var nodes, groups []string
	for _, n := range c.Nodes() {
		nodes = append(nodes, fmt.Sprintf("%d in %s of weight %d", n.ID, n.Zone, n.Weight))
	}
	for _, g := range c.Groups("", 0) {
		groups = append(groups, fmt.Sprintf("%d (%s) of %d %s, %x", g.ID, g.Name, g.Replicas, g.Type, g.Config))
	}
	settings := c.Settings()
	var set []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		set = append(set, key+"="+settings[key])
	}
	return fmt.Sprintf("nodes %v, settings %v, groups %v", nodes, set, groups)
}
