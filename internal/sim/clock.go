package sim

import (
	"time"
	"unsafe"
)

// clock is a node's idea of time. Its rate is in parts per 2^20 of the true one.
type clock struct {
	since int64 // true time at which rate began to hold
	base  int64 // monotonic time then
	rate  int64
	shift int64 // of the wall clock against the monotonic one
}

const trueRate = 1 << 20

func newClock(start, rate, shift int64) clock {
	return clock{since: 0, base: start, rate: rate, shift: shift}
}

func (c *clock) monotonic(now int64) int64 {
	d := now - c.since
	return c.base + d + d/trueRate*(c.rate-trueRate) + d%trueRate*(c.rate-trueRate)/trueRate
}

func (c *clock) wall(now int64) int64 { return c.monotonic(now) + c.shift }

// duration is how long d of this clock truly takes, rounded up.
func (c *clock) duration(d time.Duration) int64 {
	return (int64(d)/c.rate)*trueRate + (int64(d)%c.rate*trueRate+c.rate-1)/c.rate
}

// drift changes the rate from now on.
func (c *clock) drift(now, rate int64) {
	c.base, c.since, c.rate = c.monotonic(now), now, rate
}

// time is the wall clock's time together with a monotonic reading, as time.Now gives
// it: what compares two of these does not see that the wall clock jumped. No function
// makes such a time of two numbers, so it is laid out here as package time does.
func (c *clock) time(now int64) time.Time {
	const (
		hasMonotonic = 1 << 63
		nanosBits    = 30
		// The seconds in it count from 1885 on.
		since1885 = ((1969*365 + 1969/4 - 1969/100 + 1969/400) - (1884*365 + 1884/4 - 1884/100 + 1884/400)) * 86400
	)
	wall := c.wall(now)
	seconds, nanos := wall/int64(time.Second), wall%int64(time.Second)
	t := struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}{hasMonotonic | uint64(seconds+since1885)<<nanosBits | uint64(nanos), c.monotonic(now), time.Local}
	return *(*time.Time)(unsafe.Pointer(&t))
}
