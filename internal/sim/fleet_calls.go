package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/exec"
)

// call is one command that a client gives to some node, by name, through all its
// repetitions.
type call struct {
	op       uint64
	name     *name
	body     []byte
	id       group.CommandID // to repeat it with, where its outcome is unknown
	began    int64
	of       *lineage // of the name when it began
	floor    uint64   // of that lineage then
	state    commandState
	err      error
	lineage  *lineage // to which it was applied
	position uint64   // there
	repeats  int
	then     func()
}

// later has a client call somebody after a while.
func (f *fleetRun) later() {
	pause := f.about(f.plan.think) + 1
	if f.has(Burst) && f.random.IntN(40) == 0 {
		pause += f.about(5 * time.Second)
	}
	f.after(time.Duration(pause), f.call)
}

func (f *fleetRun) call() {
	if f.healing {
		return
	}
	m := f.anyServing()
	if m == nil || f.now < f.idleUntil {
		f.after(100*time.Millisecond, f.later)
		return
	}
	n := f.names[f.random.IntN(len(f.names))]
	if f.chance(35) {
		f.read(m, n, f.later)
		return
	}
	f.command(m, n, f.later)
}

// callMeanwhile has some more clients call a group whose removal begins, and perhaps
// its leader cut off from them.
func (f *fleetRun) callMeanwhile(n *name) {
	for range 4 {
		f.after(time.Duration(f.about(300*time.Millisecond)), func() {
			if m := f.anyServing(); m != nil && !f.healing {
				f.command(m, n, func() {})
			}
		})
	}
	if g := f.groupOf(n.group); g != nil && f.has(Partition) && f.chance(30) {
		f.after(time.Duration(f.about(300*time.Millisecond)), func() {
			if !f.healing {
				f.cutOff(g.leader())
			}
		})
	}
}

// command gives a group a command, through all its repetitions, and then goes on.
func (f *fleetRun) command(m *machine, n *name, then func()) {
	c := &call{then: then, op: f.newID(), name: n, began: f.now, of: n.lineage}
	if c.of != nil {
		c.floor = c.of.floor
	}
	size := callHeader + f.random.IntN(f.plan.body)
	if f.random.IntN(64) == 0 {
		size += f.random.IntN(8 << 10)
	}
	c.body = make([]byte, size)
	binary.LittleEndian.PutUint64(c.body, c.op)
	f.ops[c.op] = c
	f.result.Commands++
	f.open++
	f.try(m, c)
}

// clientTime is the context of a client's call: often it has no end of its own.
func (f *fleetRun) clientTime(x exec.Exec) (context.Context, context.CancelFunc) {
	if f.chance(40) {
		return context.Background(), func() {}
	}
	return exec.WithTimeout(context.Background(), x, 500*time.Millisecond+time.Duration(f.about(5*time.Second)))
}

// try gives a command to a node, for the first time or again.
func (f *fleetRun) try(m *machine, c *call) {
	answered := false
	m.run(func(p *process, api *fleet.Node) {
		ctx, cancel := f.clientTime(p)
		defer cancel()
		var opts []group.CallOption
		if !c.id.IsZero() {
			opts = append(opts, group.WithCommandID(c.id))
		}
		b, err := api.Command(ctx, c.name.text, c.body, opts...)
		answered = true
		f.answered(c, b, err)
	}, func() {
		if !answered { // the process ended: what came of it nobody knows
			f.unknown(c)
		}
	})
}

// unknown ends a try of which nobody knows what came of it. It is tried again where
// that can be.
func (f *fleetRun) unknown(c *call) {
	if !c.id.IsZero() && c.repeats < 20 && f.chance(80) {
		c.repeats++
		f.after(time.Duration(f.about(time.Second)), func() { f.repeat(c) })
		return
	}
	f.end(c, unknown)
}

func (f *fleetRun) repeat(c *call) {
	m := f.anyServing()
	if m == nil {
		f.after(100*time.Millisecond, func() { f.repeat(c) })
		return
	}
	f.result.Counts["repeat"]++
	f.try(m, c)
}

func (f *fleetRun) end(c *call, state commandState) {
	c.state = state
	f.open--
	switch state {
	case acknowledged:
		f.result.Acknowledged++
	case unknown:
		f.result.Unknown++
	case refused:
		f.result.Refused++
		if c.position != 0 {
			f.violate(Refused, "command %d is refused (%v) and was applied to ledger %d as number %d", c.op, c.err, c.lineage.ordinal, c.position)
		}
	}
	c.then()
}

// answered takes what a try came to.
func (f *fleetRun) answered(c *call, b []byte, err error) {
	c.err = err
	var machine *group.MachineError
	if errors.As(err, &machine) {
		if !refusedOp(c.op) {
			f.violate(Agreement, "command %d is answered with the error %q", c.op, machine.Text)
		}
		b, err = []byte(machine.Text), nil
	}
	if err == nil {
		f.acknowledged(c, b)
		return
	}
	var failed *group.CallError
	if !errors.As(err, &failed) {
		f.violate(Agreement, "command %d fails with an error that says no outcome: %v", c.op, err)
		return
	}
	again := !c.id.IsZero()
	switch {
	case failed.Outcome == group.Unknown:
		if c.id.IsZero() {
			c.id = failed.CommandID
		}
		f.unknown(c)
	case again:
		if errors.Is(err, group.ErrSessionExpired) {
			f.result.Counts["session expired"]++
		}
		f.end(c, unknown) // it is not known of the first try
	default:
		f.end(c, refused)
	}
}

func (f *fleetRun) acknowledged(c *call, b []byte) {
	f.result.Checked++
	l, count, ok := f.told(b)
	if !ok {
		f.violate(Agreement, "command %d is answered with %d bytes that no ledger wrote", c.op, len(b))
		return
	}
	switch {
	case count == 0 || count > uint64(len(l.values)) || l.values[count-1].op != c.op:
		f.violate(Kept, "command %d (%v) is acknowledged as number %d of ledger %d, which it is not", c.op, c.id, count, l.ordinal)
	case l == c.of && count <= c.floor:
		f.violate(Fresh, "command %d, begun after number %d of ledger %d was known, is number %d", c.op, c.floor, l.ordinal, count)
	case l.name != c.name:
		f.violate(Apart, "command %d for %s is answered by a ledger of %s", c.op, c.name.text, l.name.text)
	case l.removed != 0 && l.removed < c.began:
		f.violate(Apart, "command %d for %s is acknowledged by ledger %d, whose removal was acknowledged before it began", c.op, c.name.text, l.ordinal)
	}
	l.floor = max(l.floor, count)
	f.end(c, acknowledged)
}

// told takes apart what a ledger says of itself.
func (f *fleetRun) told(b []byte) (l *lineage, count uint64, ok bool) {
	if len(b) != 32 || binary.LittleEndian.Uint64(b) >= mostLineages {
		return nil, 0, false
	}
	l, count = f.lineages[binary.LittleEndian.Uint64(b)], binary.LittleEndian.Uint64(b[8:])
	return l, count, l.was(count, binary.LittleEndian.Uint64(b[16:]))
}

// read asks a ledger what it has, in one of the ways to ask.
func (f *fleetRun) read(m *machine, n *name, then func()) {
	l, floor, began := n.lineage, uint64(0), f.now
	if l != nil {
		floor = l.floor
	}
	var opts []group.CallOption
	promised := true
	switch f.random.IntN(6) {
	case 0:
		opts = append(opts, group.AnyMember())
	case 1:
		opts, promised = append(opts, group.Stale(time.Second)), false
	case 2:
		opts, promised = append(opts, group.Local()), false
	}
	f.open++
	m.run(func(p *process, api *fleet.Node) {
		ctx, cancel := f.clientTime(p)
		defer cancel()
		b, err := api.Query(ctx, n.text, nil, opts...)
		if err != nil {
			return
		}
		f.result.Reads++
		f.result.Checked++
		from, count, ok := f.told(b)
		switch {
		case !ok:
			f.violate(Agreement, "a read of %s sees %d commands in a state that never was", n.text, count)
		case from.name != n:
			f.violate(Apart, "a read of %s is answered by a ledger of %s", n.text, from.name.text)
		case promised && from == l && count < floor:
			f.violate(Fresh, "a read of %s sees %d commands, %d were known before it began", n.text, count, floor)
		case promised && from.removed != 0 && from.removed < began:
			f.violate(Fresh, "a read of %s is answered by ledger %d, whose removal was acknowledged before it began", n.text, from.ordinal)
		}
		if promised && ok {
			from.floor = max(from.floor, count)
		}
	}, func() {
		f.open--
		then()
	})
}

// tend is the operator of a name: it sees to it that there is a group of that name,
// and now and then removes it for another.
func (f *fleetRun) tend(n *name) {
	f.after(time.Duration(f.about(500*time.Millisecond)), func() {
		m := f.anyServing()
		if f.healing {
			return
		}
		switch {
		case m == nil || f.fleetID == 0:
			f.tend(n)
		case n.group == 0:
			f.add(m, n)
		case f.does(ReAdd|Archive) && f.chance(10):
			f.remove(m, n)
		default:
			f.after(f.plan.pace/4, func() { f.tend(n) })
		}
	})
}

// mostReplicas is how many members a group has at most.
const mostReplicas = 5

func (f *fleetRun) add(m *machine, n *name) {
	l := (*lineage)(nil)
	var opts []fleet.GroupOption
	if a, ok := f.record.machine.Archive(n.text); ok && f.chance(80) {
		l, opts = f.lineageOf(a.Type), append(opts, fleet.Restore())
	} else if l = f.freshLineage(n); l == nil {
		return
	}
	t := f.types(m.node)[l.ordinal]
	f.adding++
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		err := api.AddConsensusGroup(ctx, n.text, pick(f.random, 1, 3, 3, 3, mostReplicas), t, opts...)
		f.logf("add %s as ledger %d on node %d: %v", n.text, l.ordinal, m.node.id, err)
	}, func() {
		f.adding--
		f.added = f.now
		f.tend(n)
	})
}

func (f *fleetRun) remove(m *machine, n *name) {
	var opts []fleet.RemoveOption
	if f.does(Archive) && (!f.does(ReAdd) || f.chance(60)) {
		opts = append(opts, fleet.Keep())
	}
	l, began := n.lineage, f.now
	n.half = n.group
	f.callMeanwhile(n)
	f.act(m, func(ctx context.Context, api *fleet.Node) {
		err := api.RemoveConsensusGroup(ctx, n.text, opts...)
		f.logf("remove %s on node %d: %v", n.text, m.node.id, err)
		if err == nil && n.group == 0 {
			// Where nobody led it for three seconds it is removed without having been
			// closed, and members out of reach may serve on.
			if len(opts) > 0 || f.now-began < int64(2800*time.Millisecond) {
				l.removed = f.now
			}
			f.result.Counts["removed"]++
		}
	}, func() { f.tend(n) })
}

// act has something done through a node, for actTime at most, and goes on when it is over.
func (f *fleetRun) act(m *machine, do func(context.Context, *fleet.Node), then func()) {
	f.open++
	m.run(func(p *process, api *fleet.Node) {
		ctx, cancel := exec.WithTimeout(context.Background(), p, actTime)
		defer cancel()
		do(ctx, api)
	}, func() {
		f.open--
		then()
	})
}
