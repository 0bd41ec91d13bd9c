package sim

import (
	"fmt"
	"reflect"
	"testing"
)

// shortRun is how many steps of faults a run has here: many short runs find more in
// the same time than a few long ones.
const shortRun = 8000

func TestSeeds(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 12
	}
	for shard := range uint64(4) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < seeds; seed += 4 {
				p := NewPlan(seed, AllFaults)
				p.Steps = shortRun
				if r := Run(p); r.Violation != nil {
					t.Errorf("seed %d: %v\nreplay: go run ./cmd/fleetsim --seed %d --steps %d", seed, r.Violation, seed, shortRun)
				}
			}
		})
	}
}

// The same plan leaves the same trace, down to every message, and comes to the same.
func TestRunsRepeat(t *testing.T) {
	for seed := range uint64(10) {
		p := NewPlan(seed, AllFaults)
		p.Steps = shortRun
		if a, b := Run(p), Run(p); !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d: %+v, then %+v", seed, a, b)
		}
	}
}

// What is counted as a fault does something, now and then.
func TestFaultsTakeEffect(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a hundred seeds")
	}
	const seeds = 100
	counts := make(map[string]int64)
	for seed := range uint64(seeds) {
		for name, n := range Run(NewPlan(seed, AllFaults)).Counts {
			counts[name] += n
		}
	}
	for _, name := range []string{"no space", "flip", "failing read", "failing write", "failing sync", "failing store", "power lost unsynced", "power lost mixed", "to a former member"} {
		if counts[name] == 0 {
			t.Errorf("no %s in %d seeds", name, seeds)
		}
	}
}
