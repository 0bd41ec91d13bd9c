// Package exec is what a node's code runs on: goroutines, timers and the clock.
//
// Code that must also run in the simulator starts work with Go, waits with Await,
// Sleep and the contexts of this package, and asks Now and Monotonic for the time;
// it has no goroutine, timer or clock of its own. A program runs on System. A
// simulator brings its own Exec, on which one piece of work runs at a time and
// time passes when the simulator says so: what happens then is a function of its
// seed alone.
//
// A piece of work must not wait in any other way while it runs on a simulator:
// not on a channel, a condition or a group, and not for a mutex that another piece
// of work holds while it waits.
package exec

import (
	"context"
	"time"
)

// Exec runs work and tells the time. Its methods may be called concurrently.
type Exec interface {
	// Go runs f beside its caller.
	Go(f func())

	// Now is the wall clock. It may jump.
	Now() time.Time

	// Monotonic is a time in nanoseconds, above zero, that never jumps. Its
	// beginning means nothing.
	Monotonic() int64

	// AfterFunc calls f once after d, beside its caller. stop returns true when it
	// prevented that.
	AfterFunc(d time.Duration, f func()) (stop func() bool)

	// Park returns false at once where work may block by itself. Elsewhere it lets
	// other work run until ready returns true, and returns true then. ready is called
	// between pieces of other work, many times; it must not block and must have no
	// effect while it returns false.
	Park(ready func() bool) bool
}

// System is the machine: goroutines, and the runtime's timers and clock.
var System Exec = system{time.Now()}

type system struct{ start time.Time }

func (system) Go(f func())           { go f() }
func (system) Now() time.Time        { return time.Now() }
func (s system) Monotonic() int64    { return int64(time.Since(s.start)) + 1 }
func (system) Park(func() bool) bool { return false }
func (system) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// Await receives one value, or returns the error of ctx. A value that is there
// already is received although ctx has ended.
func Await[T any](ctx context.Context, x Exec, c <-chan T) (v T, err error) {
	select {
	case v = <-c:
		return v, nil
	default:
	}
	if x.Park(func() bool {
		select {
		case v = <-c:
			return true
		default:
		}
		err = ctx.Err()
		return err != nil
	}) {
		return v, err
	}
	select {
	case v = <-c:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// Sleep waits for d, or until ctx ends: then it returns the error of ctx.
func Sleep(ctx context.Context, x Exec, d time.Duration) error {
	over := make(chan struct{})
	stop := x.AfterFunc(d, func() { close(over) })
	_, err := Await(ctx, x, over)
	stop()
	return err
}
