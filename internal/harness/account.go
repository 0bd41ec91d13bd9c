package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Account is what became of a load.
type Account struct {
	Counts
	// Groups has one line for each group, in the order of the load.
	Groups []GroupAccount
	// Counted is the sum of all counters.
	Counted int64
	// Applied is how many calls of unknown outcome turned out to have been applied.
	Applied int64
	// Refusal is the last refusal; nil when there was none.
	Refusal error
}

// GroupAccount is what became of the calls to one group.
type GroupAccount struct {
	Group        string
	Acknowledged int64
	Unknown      int64
	Counter      int64
	LongestGap   time.Duration // between two acknowledgements
}

// ErrAccount is returned when a counter does not agree with what was acknowledged.
var ErrAccount = errors.New("the counters do not agree with what was acknowledged")

// Finish is Halt and Verify.
func (l *Load) Finish(ctx context.Context) (Account, error) {
	l.Halt()
	return l.Verify(ctx)
}

// Verify reads every counter, linearizably, and compares it with what the clients
// know: each acknowledged addition must have been applied once, each of unknown
// outcome once or not at all, and no two acknowledged ones may have been answered
// with the same sum. It fails with ErrAccount when that is not so, and otherwise
// when ctx ends before all counters were read. Call it after Halt.
func (l *Load) Verify(ctx context.Context) (Account, error) {
	a := Account{Counts: l.Counts(), Groups: make([]GroupAccount, len(l.tallys))}
	errs := make([]error, len(l.tallys))
	var wg sync.WaitGroup
	slots := make(chan struct{}, addersAtOnce)
	for i, t := range l.tallys {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			a.Groups[i], errs[i] = l.verify(ctx, t)
		}()
	}
	wg.Wait()
	for _, g := range a.Groups {
		a.Counted += g.Counter
	}
	a.Applied = a.Counted - a.Acknowledged
	if e := l.refusal.Load(); e != nil {
		a.Refusal = e
	}
	return a, errors.Join(errs...)
}

func (l *Load) verify(ctx context.Context, t *tally) (GroupAccount, error) {
	counter, err := l.fleet.Counter(ctx, t.group)
	t.mu.Lock()
	defer t.mu.Unlock()
	g := GroupAccount{Group: t.group, Acknowledged: int64(len(t.sums)), Unknown: t.unknown, Counter: counter, LongestGap: t.gap}
	if err != nil {
		return g, err
	}
	if len(t.errs) > 0 {
		return g, fmt.Errorf("harness: group %s: calls failed in a way that they should not: %w", t.group, errors.Join(t.errs...))
	}
	if counter < g.Acknowledged || counter > g.Acknowledged+g.Unknown {
		return g, fmt.Errorf("harness: group %s counts %d, with %d additions acknowledged and %d of unknown outcome: %w", t.group, counter, g.Acknowledged, g.Unknown, ErrAccount)
	}
	slices.Sort(t.sums)
	for i, sum := range t.sums {
		if i > 0 && sum == t.sums[i-1] || sum < 1 || sum > counter {
			return g, fmt.Errorf("harness: group %s counts %d, and answered %d to more than one addition or out of range: %w", t.group, counter, sum, ErrAccount)
		}
	}
	return g, nil
}

// Counter reads a counter, linearizably, through whichever node answers.
func (f *Fleet) Counter(ctx context.Context, group string) (int64, error) {
	last := errors.New("no node runs")
	for i := 0; ; i++ {
		if nodes := f.Running(); len(nodes) > 0 {
			attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
			b, err := nodes[i%len(nodes)].Client().Query(attempt, group, "get", nil, false, 0)
			cancel()
			if err == nil {
				return strconv.ParseInt(string(b), 10, 64)
			}
			last = err
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("harness: read counter %s: %w; last: %w", group, ctx.Err(), last)
		}
		rest(ctx, 2*poll)
	}
}
