package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/exec"
)

// waiter is where a call waits for its one answer; pooled, with its method value
// bound and its timer made once, because there is one for each command: that is also
// why it does not wait as everything else here does.
type waiter struct {
	ready  chan struct{}
	timer  *time.Timer
	result []byte
	err    error
	done   func([]byte, error)
}

var waiters = sync.Pool{New: func() any {
	w := &waiter{ready: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	w.timer.Stop()
	w.done = func(result []byte, err error) {
		w.result, w.err = result, err
		w.ready <- struct{}{}
	}
	return w
}}

func takeWaiter() *waiter { return waiters.Get().(*waiter) }

// wait returns why there is no answer: ctx ended, or the deadline, which matters
// where ctx has none of its own. The waiter then belongs to whoever still answers,
// and is not used again.
func (w *waiter) wait(ctx context.Context, x exec.Exec, deadline time.Time) error {
	if x != exec.System {
		limited, cancel := exec.WithDeadline(ctx, x, deadline)
		defer cancel()
		_, err := exec.Await(limited, x, w.ready)
		return err
	}
	if _, own := ctx.Deadline(); !own {
		w.timer.Reset(deadline.Sub(x.Now()))
		defer w.timer.Stop()
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.timer.C:
		return context.DeadlineExceeded
	}
}

func (w *waiter) put() {
	w.result, w.err = nil, nil
	waiters.Put(w)
}
