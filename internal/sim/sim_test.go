package sim

import (
	"fmt"
	"testing"
)

// seeds is how many runs the test makes: as many as its time allows.
const seeds = 120

func TestSeeds(t *testing.T) {
	for shard := range uint64(4) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			for seed := shard; seed < seeds; seed += 4 {
				r := Run(NewPlan(seed, AllFaults))
				if r.Violation != nil {
					t.Errorf("seed %d: %v\nreplay: go run ./cmd/fleetsim --seed %d", seed, r.Violation, seed)
				}
			}
		})
	}
}

// The same plan leaves the same trace, down to every message.
func TestRunsRepeat(t *testing.T) {
	for seed := range uint64(10) {
		a, b := Run(NewPlan(seed, AllFaults)), Run(NewPlan(seed, AllFaults))
		if a.Trace != b.Trace || a.Steps != b.Steps {
			t.Errorf("seed %d: %d steps with trace %x, then %d with %x", seed, a.Steps, a.Trace, b.Steps, b.Trace)
		}
	}
}
