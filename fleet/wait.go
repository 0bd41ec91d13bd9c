package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/exec"
)

// Everything in this package that runs beside something else, waits, or asks for the
// time does so through the node's exec.Exec, mostly by what stands in this file: so
// the simulator can run it. A test looks for code that does not.

// event is something to wait for: a channel that gets a value or is closed.
type event = <-chan struct{}

// await returns nil once one of at most three events has happened or, unless d is
// zero, d is over; and the reason when ctx or the node ends.
func (n *Node) await(ctx context.Context, d time.Duration, events ...event) error {
	var over chan struct{}
	if d > 0 {
		over = make(chan struct{})
		defer n.exec.AfterFunc(d, func() { close(over) })()
	}
	var es [3]event
	copy(es[:], events)
	var err error
	if n.exec.Park(func() bool {
		for _, e := range [...]event{es[0], es[1], es[2], over} {
			select {
			case <-e:
				return true
			default:
			}
		}
		if err = ctx.Err(); err == nil && n.ctx.Err() != nil {
			err = n.Err()
		}
		return err != nil
	}) {
		return err
	}
	select {
	case <-es[0]:
	case <-es[1]:
	case <-es[2]:
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ctx.Done():
		return n.Err()
	}
	return nil
}

// sleep waits for d; false when ctx or the node ended first.
func (n *Node) sleep(ctx context.Context, d time.Duration) bool {
	return n.await(ctx, d) == nil
}

// outcome waits for the error that an asynchronous act ends with.
func (n *Node) outcome(ctx context.Context, begin func(done func(error))) error {
	ended := make(chan error, 1)
	begin(func(err error) { ended <- err })
	err, waiting := exec.Await(ctx, n.exec, ended)
	if waiting != nil {
		return waiting
	}
	return err
}

// each calls f for 0 to count-1, at most limit at a time, and returns the first error
// once all have returned.
func (n *Node) each(count, limit int, f func(i int) error) error {
	var mu sync.Mutex
	var first error
	next := 0
	work := func() {
		for {
			mu.Lock()
			i := next
			next++
			mu.Unlock()
			if i >= count {
				return
			}
			if err := f(i); err != nil {
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
			}
		}
	}
	if count == 1 {
		work()
		return first
	}
	var all tasks
	for range min(count, limit) {
		all.start(n.exec, work)
	}
	all.end(n.exec)
	return first
}

// tasks are pieces of work that somebody waits for. The zero value has none.
type tasks struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when the last one has returned; nil while nobody waits
	ended   bool
}

// start runs f beside the caller; false when it is too late.
func (t *tasks) start(x exec.Exec, f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.running++
	x.Go(func() {
		defer t.returned()
		f()
	})
	return true
}

func (t *tasks) returned() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	if t.running == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// end returns when all have returned, and has no more started once none runs.
func (t *tasks) end(x exec.Exec) {
	for {
		t.mu.Lock()
		if t.running == 0 {
			t.ended = true
			t.mu.Unlock()
			return
		}
		if t.idle == nil {
			t.idle = make(chan struct{})
		}
		idle := t.idle
		t.mu.Unlock()
		exec.Await(context.Background(), x, idle)
	}
}

// turn is what one piece of work has at a time, also while it waits: a mutex must not
// be held so long. It holds a token while nobody has it.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t.pass()
	return t
}

// take waits for the turn.
func (t turn) take(ctx context.Context, x exec.Exec) error {
	_, err := exec.Await(ctx, x, t)
	return err
}

// try takes the turn if nobody has it.
func (t turn) try() bool {
	select {
	case <-t:
		return true
	default:
		return false
	}
}

// pass gives the turn back.
func (t turn) pass() { t <- struct{}{} }
