package sim

import (
	"os"
	"strconv"
	"testing"
)

// Fleets: whole nodes, many groups, a catalogue that moves them about.
func TestFleetSeeds(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		p := NewFleetPlan(seed, FleetFaults, AllActs)
		if r := RunFleet(p); r.Violation != nil {
			t.Errorf("seed %d, faults %v, acts %v: %v", seed, p.Faults, p.Acts, r.Violation)
		}
	}
}

func TestFleetOne(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("FSEED"), 10, 64)
	if err != nil {
		t.Skip()
	}
	p := NewFleetPlan(seed, FleetFaults, AllActs)
	if os.Getenv("CALM") != "" {
		p = NewFleetPlan(seed, 0, 0)
	}
	if path := os.Getenv("FLOG"); path != "" {
		f, _ := os.Create(path)
		p.Log = f
	}
	r := RunFleet(p)
	t.Logf("%+v", p)
	t.Logf("%+v", r)
	t.Log(r.Violation)
}
