package sim

import (
	"flag"
	"reflect"
	"slices"
	"testing"
	"time"
)

var fleetSeeds = flag.Uint64("fleetseeds", 12, "how many seeds of fleets run; those that look for a planted bug take more")

// A few seeds in every run of the tests; cmd/fleetsim --level fleet runs more.
func TestFleetsHold(t *testing.T) {
	seeds := *fleetSeeds
	if testing.Short() {
		seeds = min(seeds, 3)
	}
	for seed := range seeds {
		p := NewFleetPlan(seed, FleetFaults, AllActs)
		if r := RunFleet(p); r.Violation != nil {
			t.Fatalf("seed %d, faults %v, acts %v: %v", seed, p.Faults, p.Acts, r.Violation)
		}
	}
}

// Seeds that found something once, with the faults that there were; see RECORD.md.
func TestFleetsHoldWhereTheyDidNot(t *testing.T) {
	const then = FleetFaults &^ (Jump | Flip | Expire)
	for i, once := range []struct {
		seed   uint64
		faults Faults
	}{{69, then}, {100018, then}, {300017, then}, {2, FleetFaults}, {1099, FleetFaults}, {5669, FleetFaults}, {5771, FleetFaults}} {
		if testing.Short() && i > 0 {
			return
		}
		p := NewFleetPlan(once.seed, once.faults, AllActs&^Balance)
		if r := RunFleet(p); r.Violation != nil {
			t.Errorf("seed %d, faults %v, acts %v: %v", once.seed, p.Faults, p.Acts, r.Violation)
		}
	}
}

func TestAFleetsPlanGivesOneRun(t *testing.T) {
	for _, seed := range []uint64{3, 61} {
		p := NewFleetPlan(seed, FleetFaults, AllActs)
		if a, b := RunFleet(p), RunFleet(p); !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d: %+v, and then %+v", seed, a, b)
		}
	}
}

// Disks that do not sync what they say they did break what a fleet promises, and the
// checks find out.
func TestAFleetOnDisksThatDoNotSyncIsFoundOut(t *testing.T) {
	for seed := range uint64(40) {
		p := NewBrokenFleetPlan(seed, FleetFaults, AllActs, NoSync)
		if RunFleet(p).Violation != nil {
			return
		}
	}
	t.Error("40 seeds found nothing")
}

// An operator who balances does all that one can, and what must be refused is.
func TestBalanceTakesEffect(t *testing.T) {
	counts := make(map[string]int64)
	wanted := []string{"pauses", "limits set", "limits refused", "views", "moves", "moves at the limit"}
	missing := func(name string) bool { return counts[name] == 0 }
	const most = 150 // moves are at the limit in one seed of fifteen
	for seed := uint64(0); seed < most && slices.ContainsFunc(wanted, missing); seed++ {
		p := NewFleetPlan(seed, FleetFaults, AllActs)
		p.Acts |= Balance
		p.pace = 2 * time.Second
		r := RunFleet(p)
		if r.Violation != nil {
			t.Fatalf("seed %d, faults %v, acts %v: %v", seed, p.Faults, p.Acts, r.Violation)
		}
		for name, n := range r.Counts {
			counts[name] += n
		}
	}
	for _, name := range wanted {
		if missing(name) {
			t.Errorf("no %s in %d seeds", name, most)
		}
	}
}

func TestParseFleetFaults(t *testing.T) {
	f, a, err := ParseFleetFaults("drop, lie,readd,balance")
	if err != nil || f != Drop || a != Lie|ReAdd|Balance {
		t.Errorf("%v, %v, %v", f, a, err)
	}
	if f, a, err := ParseFleetFaults("all"); err != nil || f != FleetFaults || a != AllActs {
		t.Errorf("%v, %v, %v", f, a, err)
	}
	for _, bad := range []string{"change", "nonsense"} {
		if _, _, err := ParseFleetFaults(bad); err == nil {
			t.Errorf("%q is taken for a fault of a fleet", bad)
		}
	}
}
