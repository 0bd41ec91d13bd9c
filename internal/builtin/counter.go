package builtin

import (
	"errors"
	"math"

	"github.com/raftfleet/raftfleet/group"
)

// ErrOverflow is returned by Add when the sum is beyond 64 bits. The counter stays as it was.
var ErrOverflow = errors.New("the counter would overflow: add less")

// Counter is the state of a group of type "counter".
type Counter struct{ Value int64 }

// Counters is the type "counter": one signed number.
var Counters = group.Define("counter", func() *Counter { return new(Counter) }).Errors(ErrOverflow)

// Add adds a number, which may be negative, and returns the sum.
var Add = group.Command(Counters, "add", func(c *Counter, n int64) (int64, error) {
	if n > 0 && c.Value > math.MaxInt64-n || n < 0 && c.Value < math.MinInt64-n {
		return c.Value, ErrOverflow
	}
	c.Value += n
	return c.Value, nil
})

// Get returns the number.
var Get = group.Query(Counters, "get", func(c *Counter, _ group.None) (int64, error) {
	return c.Value, nil
})
