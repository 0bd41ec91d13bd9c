package exec

import (
	"context"
	"sync"
	"time"
)

// WithTimeout is context.WithTimeout by the clock of x.
func WithTimeout(ctx context.Context, x Exec, d time.Duration) (context.Context, context.CancelFunc) {
	if x == System {
		return context.WithTimeout(ctx, d)
	}
	return WithDeadline(ctx, x, x.Now().Add(d))
}

// WithDeadline is context.WithDeadline by the clock of x. A later jump of the wall
// clock does not move it.
func WithDeadline(ctx context.Context, x Exec, at time.Time) (context.Context, context.CancelFunc) {
	if x == System {
		return context.WithDeadline(ctx, at)
	}
	c := newChild(ctx)
	if !c.limited || at.Before(c.at) {
		c.at, c.limited = at, true
	}
	stop := x.AfterFunc(c.at.Sub(x.Now()), func() { c.end(context.DeadlineExceeded) })
	return c, func() {
		c.end(context.Canceled)
		stop()
	}
}

// WithCancel is context.WithCancel. On an Exec that is not System use this one:
// the standard library's runs goroutines of its own when a context ends.
func WithCancel(ctx context.Context, x Exec) (context.Context, context.CancelFunc) {
	if x == System {
		return context.WithCancel(ctx)
	}
	c := newChild(ctx)
	return c, func() { c.end(context.Canceled) }
}

// child is a context that ends by the clock of an Exec. Those who wait for it ask
// Err, which asks the parents: no goroutine carries the news down. Its channel is
// closed when it ends by itself, and not with its parents.
type child struct {
	context.Context // the parent
	at              time.Time
	limited         bool
	done            chan struct{}

	mu  sync.Mutex
	err error
}

func newChild(parent context.Context) *child {
	c := &child{Context: parent, done: make(chan struct{})}
	c.at, c.limited = parent.Deadline()
	return c
}

func (c *child) Deadline() (time.Time, bool) { return c.at, c.limited }
func (c *child) Done() <-chan struct{}       { return c.done }

func (c *child) Err() error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err == nil {
		err = c.Context.Err()
	}
	return err
}

func (c *child) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
}
