package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/exec"
)

// waiter is where a call waits for its one answer; pooled, with its method value
// bound and its timer made once, because there is one for each command: that is also
// why it does not wait as everything else here does. The timer speaks through the
// same channel as the answer, since a select with a timer in it costs twice as much.
type waiter struct {
	ready  chan bool // true: the answer is here; false: its time is over
	timer  *time.Timer
	spent  bool // the timer may still speak: not to be used again
	result []byte
	err    error
	done   func([]byte, error)
}

var waiters = sync.Pool{New: func() any { return newWaiter() }}

func newWaiter() *waiter {
	w := &waiter{ready: make(chan bool, 2)}
	w.timer = time.AfterFunc(time.Hour, func() { w.ready <- false })
	w.timer.Stop()
	w.done = func(result []byte, err error) {
		w.result, w.err = result, err
		w.ready <- true
	}
	return w
}

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
	_, own := ctx.Deadline()
	if !own {
		w.timer.Reset(time.Until(deadline))
	}
	answered := false
	if over := ctx.Done(); over == nil {
		answered = <-w.ready
	} else {
		select {
		case answered = <-w.ready:
		case <-over:
			w.timer.Stop()
			return ctx.Err()
		}
	}
	if !own && !w.timer.Stop() {
		w.spent = true
	}
	if !answered {
		return context.DeadlineExceeded
	}
	return nil
}

// put gives a waiter back whose answer was taken.
func (w *waiter) put() {
	if w.spent {
		return
	}
	w.result, w.err = nil, nil
	waiters.Put(w)
}
