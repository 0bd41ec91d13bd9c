package exec

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// single runs one piece of work: time passes while it waits.
type single struct {
	now    time.Time
	timers []timer
}

type timer struct {
	at time.Time
	f  func()
}

func (s *single) Go(func())        { panic("not here") }
func (s *single) Now() time.Time   { return s.now }
func (s *single) Monotonic() int64 { return s.now.UnixNano() }
func (s *single) AfterFunc(d time.Duration, f func()) func() bool {
	s.timers = append(s.timers, timer{s.now.Add(d), f})
	return func() bool { return false }
}

func (s *single) Park(ready func() bool) bool {
	for !ready() {
		s.now = s.now.Add(time.Millisecond)
		for i, t := range s.timers {
			if t.f != nil && !t.at.After(s.now) {
				s.timers[i].f = nil
				t.f()
			}
		}
	}
	return true
}

// The same code waits alike on the machine and on another Exec.
func each(t *testing.T, f func(t *testing.T, x Exec)) {
	t.Run("system", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, System) }) })
	t.Run("another", func(t *testing.T) { f(t, &single{now: time.Unix(1, 0)}) })
}

func TestAwaitReceives(t *testing.T) {
	each(t, func(t *testing.T, x Exec) {
		c := make(chan int, 1)
		x.AfterFunc(time.Second, func() { c <- 7 })
		if v, err := Await(t.Context(), x, c); v != 7 || err != nil {
			t.Fatal(v, err)
		}
	})
}

func TestAwaitPrefersAValueToTheEnd(t *testing.T) {
	each(t, func(t *testing.T, x Exec) {
		ctx, cancel := WithCancel(t.Context(), x)
		cancel()
		c := make(chan int, 1)
		c <- 7
		if v, err := Await(ctx, x, c); v != 7 || err != nil {
			t.Fatal(v, err)
		}
		if _, err := Await(ctx, x, c); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestTheEarliestDeadlineOfAllParentsEndsIt(t *testing.T) {
	each(t, func(t *testing.T, x Exec) {
		outer, cancel := WithTimeout(t.Context(), x, time.Second)
		defer cancel()
		middle, cancel := WithCancel(outer, x)
		defer cancel()
		inner, cancel := WithTimeout(middle, x, time.Hour)
		defer cancel()
		from := x.Now()
		if err := Sleep(inner, x, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if d := x.Now().Sub(from); d < time.Second || d > 2*time.Second {
			t.Fatal(d)
		}
		if at, ok := inner.Deadline(); !ok || at.Sub(from) != time.Second {
			t.Fatal(at, ok)
		}
	})
}

func TestSleep(t *testing.T) {
	each(t, func(t *testing.T, x Exec) {
		from := x.Now()
		if err := Sleep(t.Context(), x, time.Second); err != nil || x.Now().Sub(from) < time.Second {
			t.Fatal(err, x.Now().Sub(from))
		}
	})
}
