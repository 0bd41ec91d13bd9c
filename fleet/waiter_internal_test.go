package fleet

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftfleet/raftfleet/internal/exec"
)

// An answer, the deadline and the end of the context each end the wait; an answer
// that comes after the end blocks nobody.
func TestWaiterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		limited, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		never := func(*waiter) {}
		answer := func(w *waiter) { w.done([]byte("yes"), nil) }
		for _, c := range []struct {
			what  string
			ctx   context.Context
			act   func(*waiter)
			after time.Duration
			want  error
		}{
			{"answered", context.Background(), answer, time.Second, nil},
			{"answered at once", context.Background(), answer, 0, nil},
			{"too late", context.Background(), answer, 3 * time.Second, context.DeadlineExceeded},
			{"answered under a context that ends", limited, answer, time.Millisecond, nil},
			{"under a context that has ended", ended, answer, time.Second, context.Canceled},
			{"never under a context that ends", limited, never, 0, context.DeadlineExceeded},
		} {
			w := newWaiter()
			time.AfterFunc(c.after, func() { c.act(w) })
			if err := w.wait(c.ctx, exec.System, time.Now().Add(2*time.Second)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.what, err)
			} else if err == nil && string(w.result) != "yes" {
				t.Errorf("%s: %q", c.what, w.result)
			}
			time.Sleep(c.after) // of the bubble's clock: until the answer that was late has come
			synctest.Wait()
		}
	})
}
