package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/internal/sim"
)

// shrinkTries is how many plans are carried out to make a failing one smaller.
const shrinkTries = 200

// repeatEvery is how many seeds there are to one that runs twice.
const repeatEvery = 100

// candidate is one run that can be done, and done again.
type candidate struct {
	seed   uint64
	run    func(log io.Writer) sim.Result
	replay string
	// shrink looks for a smaller run that fails; nil where there is no way.
	shrink func() (replay string, found *sim.Violation)
}

// candidate gives the i-th run.
func (s *settings) candidate(i uint64) candidate {
	const eachFleet = 8 // with --level all: so many runs are one of a fleet and others of groups
	switch {
	case s.level == "fleet":
		return s.fleetCandidate(s.first + i)
	case s.level == "all" && i%eachFleet == eachFleet-1:
		return s.fleetCandidate(s.first + i/eachFleet)
	}
	p := s.plan(s.first + i)
	return candidate{
		seed: p.Seed, replay: replay(s, p),
		run: func(log io.Writer) sim.Result { p := p; p.Log = log; return sim.Run(p) },
		shrink: func() (string, *sim.Violation) {
			small, result := sim.Shrink(p, shrinkTries)
			return replay(s, small), result.Violation
		},
	}
}

func (s *settings) fleetCandidate(seed uint64) candidate {
	p := s.fleetPlan(seed)
	return candidate{
		seed: seed, replay: replayFleet(s, p),
		run: func(log io.Writer) sim.Result { p := p; p.Log = log; return sim.RunFleet(p) },
		shrink: func() (string, *sim.Violation) {
			small, result := sim.ShrinkFleet(p, shrinkTries)
			return replayFleet(s, small), result.Violation
		},
	}
}

// runOne runs a single seed.
func runOne(s *settings, stdout, stderr io.Writer) (report, bool) {
	var log io.Writer
	if s.trace {
		log = stdout
	}
	began := time.Now()
	c := s.candidate(0)
	result := c.guarded(log, stderr)
	var t tally
	t.add(&result)
	r := t.report(since(began))
	r.Trace = fmt.Sprintf("%016x", result.Trace)
	if result.Violation != nil {
		r.Replay = c.replay
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
	var failing []candidate
	began := time.Now()
	var wg sync.WaitGroup
	for range s.workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := next.Add(1) - 1
				if s.count > 0 && i >= s.count {
					return
				}
				c := s.candidate(i)
				result := c.guarded(nil, stderr)
				if result.Violation == nil && i%repeatEvery == 0 {
					again := c.run(nil)
					result.Violation = differs(&result, &again)
				}
				mu.Lock()
				total.add(&result)
				if result.Violation != nil {
					failing = append(failing, c)
					fmt.Fprintf(stderr, "\nseed %d: %v\nreplay: %s\n", c.seed, result.Violation, c.replay)
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
	if len(failing) > 0 {
		r.Replay = failing[0].replay
	}
	for _, c := range failing {
		if s.noShrink || c.shrink == nil || r.Shrunk != "" {
			continue
		}
		fmt.Fprintf(stderr, "looking for a smaller plan than that of seed %d ...\n", c.seed)
		if command, found := c.shrink(); found != nil {
			r.Shrunk = command
			fmt.Fprintf(stderr, "smallest: %v\nreplay: %s\n", found, r.Shrunk)
		}
	}
	return r, len(failing) > 0
}

// differs tells how a second run of a plan came to something else than the first. The
// trace has what happened and how much was drawn, the rest of the result what it came to.
func differs(first, second *sim.Result) *sim.Violation {
	if reflect.DeepEqual(first, second) {
		return nil
	}
	return &sim.Violation{Invariant: sim.Replays, Detail: fmt.Sprintf("%+v and then %+v", *first, *second), Step: first.Steps}
}

// since tells how much time passed, and how much was computed in it.
func since(began time.Time) (took, computed time.Duration) {
	took = time.Since(began)
	if computed = cpuTime(); computed == 0 {
		computed = took
	}
	return took, computed
}

// noPanic is what a step violates that panics.
const noPanic = "no step panics"

// guarded runs the candidate; a panic is a violation like others.
func (c *candidate) guarded(log, stderr io.Writer) (result sim.Result) {
	defer func() {
		if value := recover(); value != nil {
			tellPanic(stderr, value)
			result = sim.Result{Violation: &sim.Violation{Invariant: noPanic, Detail: fmt.Sprint(value)}}
			c.shrink = nil // it would panic as well
		}
	}()
	return c.run(log)
}

func tellPanic(stderr io.Writer, value any) {
	fmt.Fprintf(stderr, "panic: %v\n%s\n", value, debug.Stack())
}

// program is the command that runs this program again.
func program() string {
	if plantedBug != "" {
		return "go run ./cmd/fleetsim --plant " + plantedBug
	}
	return "go run ./cmd/fleetsim"
}

// replay is the command that runs a plan again.
func replay(s *settings, p sim.Plan) string {
	c := fmt.Sprintf("%s --seed %d --faults %v", program(), p.Seed, p.Faults)
	if p.Steps > 0 {
		c += fmt.Sprintf(" --steps %d", p.Steps)
	}
	if s.broken != "" {
		c += " --broken " + s.broken
	}
	return c
}

// replayFleet is the command that runs a fleet's plan again.
func replayFleet(s *settings, p sim.FleetPlan) string {
	c := fmt.Sprintf("%s --level fleet --seed %d --faults %s", program(), p.Seed, sim.FleetFaultNames(p.Faults, p.Acts))
	drawn := sim.NewFleetPlan(p.Seed, p.Faults, p.Acts).Size
	for _, limit := range []struct {
		flag         string
		drawn, limit int
	}{{"nodes", drawn.Nodes, p.Size.Nodes}, {"groups", drawn.Groups, p.Size.Groups}, {"clients", drawn.Clients, p.Size.Clients}} {
		if limit.limit < limit.drawn {
			c += fmt.Sprintf(" --%s %d", limit.flag, limit.limit)
		}
	}
	if p.Steps > 0 {
		c += fmt.Sprintf(" --steps %d", p.Steps)
	}
	if s.broken != "" {
		c += " --broken " + s.broken
	}
	return c
}
