package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// probe calls every group again and again and notes for how long each gave no answer.
type probe struct {
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	groups []probed
	killed atomic.Pointer[time.Time]
	wait   atomic.Int64 // groups that have not answered a call sent after the kill
	done   chan struct{}
	errors atomic.Int64
	first  atomic.Pointer[error]
}

type probed struct {
	name   string
	led    bool // by the victim
	gap    time.Duration
	served bool // since the kill
}

const (
	// probeRate is how many calls a second all groups together get at most, so that
	// asking does not load the machine.
	probeRate = 2000
	// probeLeast is how long a group is left alone between two calls.
	probeLeast = 5 * time.Millisecond
	// probeLimit bounds the wait for a group to answer again.
	probeLimit = time.Minute
)

func (c *child) beginProbe(ctx context.Context, victim string) (report, error) {
	groups, err := c.groups(ctx)
	if err != nil {
		return report{}, err
	}
	p := &probe{done: make(chan struct{}), groups: make([]probed, len(groups))}
	p.ctx, p.stop = context.WithCancel(ctx)
	p.wait.Store(int64(len(groups)))
	rest := max(probeLeast, time.Duration(len(groups))*time.Second/probeRate)
	for i, g := range groups {
		p.groups[i] = probed{name: g.Name, led: g.Leader == victim}
		p.wg.Go(func() { p.watch(&p.groups[i], rest, c.node.Command) })
	}
	c.probe = p
	return report{Groups: len(groups)}, nil
}

// watch calls one group until the probe ends.
func (p *probe) watch(g *probed, rest time.Duration, call callFunc) {
	body := make([]byte, 16)
	last := time.Time{} // nothing is known before the first answer
	for p.ctx.Err() == nil {
		issued := time.Now()
		_, err := call(p.ctx, g.name, body)
		now := time.Now()
		switch {
		case p.ctx.Err() != nil:
			return
		case err != nil:
			p.errors.Add(1)
			p.first.CompareAndSwap(nil, &err)
		default:
			if !last.IsZero() {
				g.gap = max(g.gap, now.Sub(last))
			}
			last = now
			if killed := p.killed.Load(); killed != nil && !g.served && issued.After(*killed) {
				if g.served = true; p.wait.Add(-1) == 0 {
					close(p.done)
				}
			}
		}
		if sleep(p.ctx, rest) != nil {
			return
		}
	}
}

func (c *child) endProbe(ctx context.Context) (report, error) {
	p := c.probe
	if p == nil {
		return report{}, errors.New("probe comes first")
	}
	now := time.Now()
	p.killed.Store(&now)
	var err error
	limit := time.NewTimer(probeLimit)
	defer limit.Stop()
	select {
	case <-p.done:
	case <-limit.C:
		err = fmt.Errorf("%d groups did not answer within %s after the kill", p.wait.Load(), probeLimit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.stop()
	p.wg.Wait()
	r := report{Errors: p.errors.Load()}
	if first := p.first.Load(); first != nil {
		r.FirstError = (*first).Error()
		if err != nil {
			err = fmt.Errorf("%w; an error: %s", err, r.FirstError)
		}
	}
	for _, g := range p.groups {
		if g.led {
			r.Led = append(r.Led, g.gap.Seconds())
		} else {
			r.Others = append(r.Others, g.gap.Seconds())
		}
	}
	return r, err
}
