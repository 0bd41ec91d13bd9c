package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// observation is how a fleet was seen to be.
type observation struct {
	number  int
	at      time.Time
	since   time.Time // of an await: since when it is like that
	status  view.Status
	balance view.Balance
	err     error // the fleet could not be asked; what it said last is kept
}

// watch looks at a fleet all along, at its nodes, its balance, and where members are.
type watch struct {
	fleet  *Fleet
	line   func(phase string, o *observation)
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	phase string
	last  observation
	fresh chan struct{}       // closed with the next observation
	hosts map[string][]string // of each group, as they were seen last
	moves int                 // members seen to come to a node after the group was first seen
	asked *Node               // whose catalogue is read: another's may be older

	pace atomic.Pointer[Pace] // for the line of progress, once there is one
}

const (
	watchEvery = 250 * time.Millisecond
	askTimeout = 5 * time.Second
	// countEach is at which observations the members are looked up.
	countEach = 4
)

func startWatch(f *Fleet, line func(string, *observation)) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{fleet: f, line: line, cancel: cancel, fresh: make(chan struct{}), hosts: make(map[string][]string)}
	w.wg.Go(func() {
		for ctx.Err() == nil {
			w.observe(ctx)
			rest(ctx, watchEvery)
		}
	})
	return w
}

func (w *watch) stop() {
	w.cancel()
	w.wg.Wait()
}

// begin names the phase, for the line of progress.
func (w *watch) begin(phase string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = phase
}

// members is how many members a node had when it was last looked at.
func (w *watch) members(node string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.last.status.Nodes {
		if n.Name == node {
			return n.Members
		}
	}
	return 0
}

// moved is how many members have come to a node since the beginning, those aside
// that groups had at first.
func (w *watch) moved() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.moves
}

// counted waits until moved says what was so just now.
func (w *watch) counted(ctx context.Context) error {
	for {
		if o, err := w.next(ctx); err != nil || o.number%countEach == 0 {
			return err
		}
	}
}

func (w *watch) observe(ctx context.Context) {
	began := time.Now()
	w.mu.Lock()
	o := w.last
	w.mu.Unlock()
	o.number, o.at, o.err = o.number+1, began, nil
	status, err := w.fleet.Status(ctx)
	if err == nil {
		o.status = status
	}
	balance, balanceErr := w.fleet.Balance(ctx)
	if balanceErr == nil {
		o.balance = balance
	}
	o.err = errors.Join(err, balanceErr)
	if o.number%countEach == 0 {
		o.err = errors.Join(o.err, w.count(ctx))
	}
	w.mu.Lock()
	w.last = o
	close(w.fresh)
	w.fresh = make(chan struct{})
	phase := w.phase
	w.mu.Unlock()
	if o.number%countEach == 0 {
		w.line(phase, &o)
	}
}

// count finds out which members came since the last time.
func (w *watch) count(ctx context.Context) error {
	if w.asked == nil || !w.asked.Running() {
		nodes := w.fleet.Running()
		if len(nodes) == 0 {
			return errors.New("no node runs")
		}
		w.asked = nodes[len(nodes)-1]
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for after := ""; ; {
		groups, err := w.asked.Client().Groups(ctx, "", after, admin.MaxGroupsListed)
		if err != nil {
			w.asked = nil
			return err
		}
		w.mu.Lock()
		for _, g := range groups {
			after = g.Name
			if had, known := w.hosts[g.Name]; known {
				for _, m := range g.Members {
					if !slices.Contains(had, m) {
						w.moves++
					}
				}
			}
			w.hosts[g.Name] = g.Members
		}
		w.mu.Unlock()
		if len(groups) < admin.MaxGroupsListed {
			return nil
		}
	}
}

// next waits for an observation that begins after now.
func (w *watch) next(ctx context.Context) (*observation, error) {
	now := time.Now()
	for {
		w.mu.Lock()
		last, fresh := w.last, w.fresh
		w.mu.Unlock()
		if last.at.After(now) {
			return &last, nil
		}
		select {
		case <-fresh:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; last: %v", ctx.Err(), last.err)
		}
	}
}

// await waits until condition held all the time for so long. The observation returned
// says since when.
func (w *watch) await(ctx context.Context, what string, steady time.Duration, condition func(*observation) error) (observation, error) {
	var since time.Time
	last := errors.New("the fleet was not seen")
	for {
		o, err := w.next(ctx)
		if err != nil {
			return observation{}, fmt.Errorf("wait for %s: %w; last: %w", what, ctx.Err(), last)
		}
		if last = o.err; last == nil {
			last = condition(o)
		}
		switch {
		case last != nil:
			since = time.Time{}
		case since.IsZero():
			since = o.at
		}
		if last == nil && o.at.Sub(since) >= steady {
			o.since = since
			return *o, nil
		}
	}
}

// Balance tells how far the fleet is from where it should be, as the first running node
// that answers knows.
func (f *Fleet) Balance(ctx context.Context) (view.Balance, error) {
	last := errors.New("no node runs")
	for _, n := range f.Running() {
		ask, cancel := context.WithTimeout(ctx, askTimeout)
		b, err := n.Client().Balance(ask)
		cancel()
		if err == nil {
			return b, nil
		}
		last = err
	}
	return view.Balance{}, fmt.Errorf("harness: balance: %w", last)
}
