package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/internal/sim"
)

// shrinkTries is how many plans are carried out to make a failing one smaller.
const shrinkTries = 200

// repeatEvery is how many seeds there are to one that runs twice.
const repeatEvery = 100

// runOne runs a single seed.
func runOne(s *settings, stdout, stderr io.Writer) (report, bool) {
	p := s.plan(s.seed)
	if s.trace {
		p.Log = stdout
	}
	began := time.Now()
	result := sim.Run(p)
	var t tally
	t.add(&result)
	r := t.report(since(began))
	if result.Violation != nil {
		fmt.Fprintf(stderr, "seed %d: %v\n", s.seed, result.Violation)
	}
	return r, result.Violation != nil
}

// runMany runs seed after seed, some at a time, until one fails, or time or number
// are used up.
func runMany(ctx context.Context, s *settings, stderr io.Writer) (report, bool) {
	if s.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var next atomic.Uint64
	var mu sync.Mutex
	var total tally
	var failing []sim.Plan
	began := time.Now()
	var wg sync.WaitGroup
	for range s.workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if s.count > 0 && i >= s.count {
					return
				}
				p := s.plan(s.first + i)
				result := sim.Run(p)
				if result.Violation == nil && p.Seed%repeatEvery == 0 {
					if again := sim.Run(p); again.Trace != result.Trace {
						result.Violation = &sim.Violation{Invariant: sim.Replays, Detail: fmt.Sprintf("trace %x and then %x", result.Trace, again.Trace), Step: result.Steps}
					}
				}
				mu.Lock()
				total.add(&result)
				if result.Violation != nil {
					failing = append(failing, p)
					fmt.Fprintf(stderr, "\nseed %d: %v\nreplay: %s\n", p.Seed, result.Violation, replay(s, p))
					stop()
				}
				mu.Unlock()
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	progress := time.NewTicker(time.Second)
	defer progress.Stop()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-progress.C:
			mu.Lock()
			fmt.Fprintln(stderr, total.line(since(began)))
			mu.Unlock()
		}
	}
	r := total.report(since(began))
	for _, p := range failing {
		if s.noShrink || r.Shrunk != "" {
			break
		}
		fmt.Fprintf(stderr, "looking for a smaller plan than that of seed %d ...\n", p.Seed)
		small, result := sim.Shrink(p, shrinkTries)
		if result.Violation != nil {
			r.Shrunk = replay(s, small)
			fmt.Fprintf(stderr, "smallest: %v\nreplay: %s\n", result.Violation, r.Shrunk)
		}
	}
	return r, len(failing) > 0
}

// since tells how much time passed, and how much was computed in it.
func since(began time.Time) (took, computed time.Duration) {
	took = time.Since(began)
	if computed = cpuTime(); computed == 0 {
		computed = took
	}
	return took, computed
}

// replay is the command that runs a plan again.
func replay(s *settings, p sim.Plan) string {
	c := fmt.Sprintf("go run ./cmd/fleetsim --seed %d --faults %v", p.Seed, p.Faults)
	if p.Steps > 0 {
		c += fmt.Sprintf(" --steps %d", p.Steps)
	}
	if s.broken != "" {
		c += " --broken " + s.broken
	}
	return c
}
