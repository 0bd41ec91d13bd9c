package sim

import "time"

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
