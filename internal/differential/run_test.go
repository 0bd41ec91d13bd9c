package differential

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds   = flag.Int64("seeds", 300, "number of schedules of each kind")
	oneSeed = flag.Int64("seed", 0, "play this schedule only")
	during  = flag.Duration("for", 0, "play schedules for so long, whatever their number")
)

type counter struct{ atomic.Int64 }

func (c *counter) add(n int) { c.Add(int64(n)) }
func (c *counter) n() int64  { return c.Load() }

// run plays seeds on all processors until one fails.
func run(t *testing.T, play func(seed int64) error) {
	t.Helper()
	if *oneSeed != 0 {
		if err := play(*oneSeed); err != nil {
			t.Fatal(err)
		}
		return
	}
	limit, deadline := *seeds, time.Time{}
	switch {
	case *during > 0:
		limit, deadline = 1<<62, time.Now().Add(*during)
	case testing.Short():
		limit = min(limit, 50)
	}
	var (
		next   atomic.Int64
		failed atomic.Bool
		group  sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for !failed.Load() && (deadline.IsZero() || time.Now().Before(deadline)) {
				seed := next.Add(1)
				if seed > limit {
					return
				}
				if err := play(seed); err != nil {
					failed.Store(true)
					t.Errorf("seed %d: %v\nto see it again: go test -run '^%s$' -seed %d", seed, err, t.Name(), seed)
				}
			}
		})
	}
	group.Wait()
	t.Logf("%d schedules", min(next.Load(), limit))
}

// window is how many messages may be on their way to a follower: in lock step so
// many that flow control, which is not the same, never shows.
func window(forced bool) int {
	if forced {
		return 1024
	}
	return 8
}
