package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/group"
)

// drive runs closed-loop clients: for a while unmeasured, then measured, then until
// the other processes' measured time is over too.
func (c *child) drive(ctx context.Context, o order) (report, error) {
	names, err := c.targets(ctx, o.Load)
	if err != nil {
		return report{}, err
	}
	d := drive{call: c.node.Command, groups: names, inTurn: o.Load.Target == "any", body: make([]byte, o.Load.Payload)}
	if o.Load.Kind == "read" {
		d.call = c.node.Query
	}
	clients := o.Load.Clients
	if len(names) == 0 {
		clients = 0 // it leads nothing: it follows, and its CPU counts
	}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { d.client(i) })
	}
	defer wg.Wait()
	defer d.stop.Store(true)
	if err := sleep(ctx, o.Warmup); err != nil {
		return report{}, err
	}
	end, err := o.Profiles.begin()
	if err != nil {
		return report{}, fmt.Errorf("profile: %w", err)
	}
	before := usageNow(false)
	d.measuring.Store(true)
	err = sleep(ctx, o.Duration)
	d.measuring.Store(false)
	after := usageNow(false)
	if err := end(); err != nil {
		return report{}, fmt.Errorf("profile: %w", err)
	}
	if err != nil {
		return report{}, err
	}
	if err := sleep(ctx, 300*time.Millisecond); err != nil {
		return report{}, err
	}
	r := report{Seconds: after.At.Sub(before.At).Seconds(), CPUSeconds: (after.CPU - before.CPU).Seconds(), Usage: after}
	r.Groups, r.Latencies, r.Errors = len(names), d.latencies(), d.errors.Load()
	if first := d.first.Load(); first != nil {
		r.FirstError = (*first).Error()
	}
	return r, nil
}

// targets are the groups that this process's clients call.
func (c *child) targets(ctx context.Context, l *load) ([]string, error) {
	groups, err := c.groups(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range groups {
		if l.Target == "any" || g.Leader == c.node.Name() {
			names = append(names, g.Name)
		}
	}
	return names, nil
}

// shards keep clients from counting in the same place at the same time.
const shards = 8

// drive is what the clients of one process share. It is read by all and hardly
// written, but for the histograms.
type drive struct {
	call      callFunc
	groups    []string
	inTurn    bool
	body      []byte
	measuring atomic.Bool
	stop      atomic.Bool
	errors    atomic.Int64
	first     atomic.Pointer[error]
	shards    [shards]histogram
}

// client is one closed loop: a call, its answer, the next call. A call's latency
// runs from the answer before it, which is when it is issued.
func (d *drive) client(i int) {
	ctx := context.Background() // without an end, so that calls end by CallTimeout
	latencies := &d.shards[i%shards]
	at := i % len(d.groups)
	began := time.Now()
	for !d.stop.Load() {
		_, err := d.call(ctx, d.groups[at], d.body)
		now := time.Now()
		if err != nil {
			d.errors.Add(1)
			d.first.CompareAndSwap(nil, &err)
			time.Sleep(time.Millisecond) // an error that comes at once must not come a million times
			now = time.Now()
		} else if d.measuring.Load() {
			latencies.observe(now.Sub(began))
		}
		began = now
		if d.inTurn {
			if at++; at == len(d.groups) {
				at = 0
			}
		}
	}
}

func (d *drive) latencies() []int64 {
	var sum histogram
	for i := range d.shards {
		sum.addSparse(d.shards[i].sparse())
	}
	return sum.sparse()
}

// callFunc is Node.Command or Node.Query.
type callFunc = func(context.Context, string, []byte, ...group.CallOption) ([]byte, error)
