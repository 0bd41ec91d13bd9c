package fleet

import (
	"context"
	"sync"
)

// waiter is where a call waits for its one answer; pooled, with its method value
// bound once, because there is one for each command.
type waiter struct {
	ready  chan struct{}
	result []byte
	err    error
	done   func([]byte, error)
}

var waiters = sync.Pool{New: func() any {
	w := &waiter{ready: make(chan struct{}, 1)}
	w.done = func(result []byte, err error) {
		w.result, w.err = result, err
		w.ready <- struct{}{}
	}
	return w
}}

func takeWaiter() *waiter { return waiters.Get().(*waiter) }

// wait returns false when ctx ended first; the waiter then belongs to whoever
// still answers, and is not used again.
func (w *waiter) wait(ctx context.Context) bool {
	if ctx.Done() == nil {
		<-w.ready
		return true
	}
	select {
	case <-w.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *waiter) put() {
	w.result, w.err = nil, nil
	waiters.Put(w)
}
