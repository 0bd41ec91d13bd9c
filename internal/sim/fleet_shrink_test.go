package sim

import (
	"math/bits"
	"testing"
)

// What is left of a failing plan has less of everything, fails alike, and is what
// its seed gives when it is drawn with no more than that.
func TestShrinkFleet(t *testing.T) {
	for seed := range uint64(40) {
		p := NewBrokenFleetPlan(seed, FleetFaults, AllActs, NoSync)
		r := RunFleet(p)
		if r.Violation == nil || weight(p) < 25 {
			continue
		}
		small, found := ShrinkFleet(p, 100)
		if found.Violation == nil || found.Violation.Invariant != r.Violation.Invariant {
			t.Fatalf("seed %d fails with %v, shrunk with %v", seed, r.Violation, found.Violation)
		}
		if weight(small) > weight(p)*3/4 || small.Steps == 0 || small.Steps > r.Violation.Step {
			t.Errorf("seed %d: %v, %v, %+v, failing at step %d, is shrunk to %v, %v, %+v with %d steps",
				seed, p.Faults, p.Acts, p.Size, r.Violation.Step, small.Faults, small.Acts, small.Size, small.Steps)
		}
		again := NewBrokenFleetPlan(seed, small.Faults, small.Acts, NoSync)
		again.Limit(small.Size)
		again.Steps = small.Steps
		if r := RunFleet(again); r.Violation == nil || *r.Violation != *found.Violation {
			t.Errorf("seed %d: the shrunk plan fails with %v, drawn again with %v", seed, found.Violation, r.Violation)
		}
		return
	}
	t.Error("no seed of 40 fails")
}

func weight(p FleetPlan) int {
	return p.Size.Nodes + p.Size.Groups + p.Size.Clients + bits.OnesCount32(uint32(p.Faults)) + bits.OnesCount32(uint32(p.Acts))
}

func TestShrinkFleetLeavesAPlanThatHolds(t *testing.T) {
	p := NewFleetPlan(1, FleetFaults, AllActs)
	p.Limit(FleetSize{Nodes: 3, Groups: 1, Clients: 1})
	p.Steps = 1000
	if q, r := ShrinkFleet(p, 10); r.Violation != nil || q.Faults != p.Faults || q.Size != p.Size {
		t.Errorf("%+v, %v", q, r.Violation)
	}
}
