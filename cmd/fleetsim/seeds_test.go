package main

import (
	"testing"

	"github.com/raftfleet/raftfleet/internal/sim"
)

// Two runs of a plan must come to the same in all that is known of them.
func TestDiffers(t *testing.T) {
	result := func(trace uint64, reads int64, drops int64) *sim.Result {
		return &sim.Result{Trace: trace, Reads: reads, Counts: map[string]int64{"drop": drops}}
	}
	one := result(1, 2, 3)
	if v := differs(one, result(1, 2, 3)); v != nil {
		t.Errorf("equal results differ: %v", v)
	}
	for _, other := range []*sim.Result{result(9, 2, 3), result(1, 9, 3), result(1, 2, 9)} {
		if v := differs(one, other); v == nil || v.Invariant != sim.Replays {
			t.Errorf("%+v passes for %+v: %v", other, one, v)
		}
	}
}
