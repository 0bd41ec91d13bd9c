package sim

import (
	"context"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
)

// fleetActs says what is done, now and then, for the acts that are something done.
var fleetActs = map[Acts]func(*fleetRun){
	Stop: func(f *fleetRun) {
		if m := f.anyServing(); m != nil {
			m.close()
		}
	},
	Leave:   (*fleetRun).leave,
	Drained: (*fleetRun).drain,
	Forgot:  (*fleetRun).forget,
	Handover: func(f *fleetRun) {
		m, n, to := f.anyServing(), f.names[f.random.IntN(len(f.names))], f.machines[f.random.IntN(len(f.machines))]
		if m != nil {
			f.act(m, func(ctx context.Context, api *fleet.Node) {
				_ = api.TransferLeader(ctx, n.text, to.node.id.String())
			}, func() {})
		}
	},
	Configure: func(f *fleetRun) {
		m, n := f.anyServing(), f.names[f.random.IntN(len(f.names))]
		if m != nil {
			c := f.plan.config
			c.MaxSessions = 100 + f.random.IntN(1000)
			f.act(m, func(ctx context.Context, api *fleet.Node) { _ = api.UpdateGroup(ctx, n.text, c) }, func() {})
		}
	},
	Look:    (*fleetRun).look,
	Balance: (*fleetRun).balance,
}

// disturbFleet lets the acts of the plan happen, each at its own times.
func (f *fleetRun) disturbFleet() {
	for i := range actNames {
		a := Acts(1 << i)
		do := fleetActs[a]
		if do == nil || f.plan.Acts&a == 0 {
			continue
		}
		var next func()
		next = func() {
			if f.healing {
				return
			}
			f.result.Counts[a.String()]++
			do(f)
			f.after(time.Duration(f.about(f.plan.pace)), next)
		}
		f.after(time.Duration(f.about(2*f.plan.pace)), next)
	}
}

// leave has a node be away, perhaps until it is given up.
func (f *fleetRun) leave() {
	m := f.machines[f.random.IntN(len(f.machines))]
	n := m.node
	if !n.up || n.away {
		return
	}
	n.away = true
	n.fall()
	f.after(time.Duration(f.about(f.plan.purgeAfter)), func() { n.away = false; n.start() })
}

// drain takes a node out of the fleet and back again.
func (f *fleetRun) drain() {
	m := f.anyServing()
	if m == nil || m.inactive {
		return
	}
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		m.inactive = true
		err := api.Deactivate(ctx, nil)
		f.logf("drain node %d: %v", m.node.id, err)
		if err == nil {
			f.result.Counts["drained"]++
		}
	}, func() {
		f.after(time.Duration(f.about(f.plan.pace)), func() {
			m.inactive = false
			if m.serves() {
				m.node.process.Go(func() { m.activate(m.node.process, m.api) })
			}
		})
	})
}

// forget says of a node that it will not return: of one that does not, mostly. An
// operator who says so of one that lives takes its vote; that is not done while the disk
// of another is damaged and nobody knows it yet.
func (f *fleetRun) forget() {
	m, of := f.anyServing(), f.all[f.random.IntN(len(f.all))]
	damaged := func(o *machine) bool { return o.node.disk.damaged && !o.node.gone }
	if m == nil || m == of || !of.node.gone && (f.chance(70) || slices.ContainsFunc(f.all, damaged)) {
		return
	}
	f.forgetMachine(m, of, f.chance(50))
}

func (f *fleetRun) forgetMachine(m, of *machine, force bool) {
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		err := api.Forget(ctx, of.node.id.String(), force)
		f.logf("forget node %d, force %v: %v", of.node.id, force, err)
	}, func() {
		// One that lives is told to come back.
		f.after(time.Duration(f.about(f.plan.pace)), func() {
			if of.serves() && !of.inactive {
				of.node.process.Go(func() { of.activate(of.node.process, of.api) })
			}
		})
	})
}

// look asks for what an operator looks at.
func (f *fleetRun) look() {
	m, n, of := f.anyServing(), f.names[f.random.IntN(len(f.names))], f.all[f.random.IntN(len(f.all))]
	if m == nil {
		return
	}
	kind := f.random.IntN(6)
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		f.result.Checked++
		switch kind {
		case 0:
			if s, err := api.Status(ctx); err == nil && f.fleetID != 0 && s.FleetID != 0 && s.FleetID != f.fleetID {
				f.violate(OneFleet, "the status on node %d tells of fleet %x, it is %x", m.node.id, uint64(s.FleetID), uint64(f.fleetID))
			}
		case 1:
			_, _ = api.Check(ctx, of.node.id.String())
		case 2:
			_, _ = api.GroupStatus(ctx, n.text)
		case 3:
			_, _ = api.NodeDetail(ctx, of.node.id.String())
		case 4:
			_, _ = api.ListGroups(ctx, "", "", 100)
		case 5:
			_, _, _ = api.Leader(ctx, n.text)
		}
	}, func() {})
}

// disturbFounding has nodes fall and be cut off while they choose who founds, with
// the faults that the plan has: nobody may found a second fleet.
func (f *fleetRun) disturbFounding() {
	if f.plan.founders < 2 || f.healing || f.now > int64(8*time.Second) {
		return
	}
	f.after(time.Duration(f.about(400*time.Millisecond)), func() {
		n := f.anyNode()
		switch f.random.IntN(4) {
		case 0:
			if f.has(Crash) && n.up {
				n.fall()
			}
		case 1:
			if f.has(Power) && n.up && n.disk.ops < 0 {
				n.disk.powerLost, n.disk.ops = true, f.random.IntN(6)
			}
		case 2:
			if f.has(Partition) {
				f.partition()
			}
		case 3:
			if f.has(Pause) && n.up {
				n.pausedUntil = max(n.pausedUntil, f.now+f.about(time.Second))
			}
		}
		f.disturbFounding()
	})
}
