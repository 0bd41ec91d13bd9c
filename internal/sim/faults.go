package sim

import (
	"fmt"
	"strings"
)

// Faults is a set of kinds of faults.
type Faults uint32

// The kinds of faults. What each does is said where it is carried out.
const (
	Drop      Faults = 1 << iota // messages are lost
	Delay                        // messages take long
	Reorder                      // messages overtake each other
	Duplicate                    // messages arrive twice, soon or very late
	Partition                    // nodes are cut off from others, both ways
	OneWay                       // the same in one direction, and rings
	Drift                        // clocks run at different rates
	Jump                         // wall clocks jump
	Pause                        // a process stands still for a while
	Crash                        // a process ends at any moment; what was written stays
	Power                        // power is lost at any input or output; of unsynced writes any part is lost
	Flip                         // bits turn on the disk of a minority
	Failing                      // reads and writes fail
	Full                         // a disk is full for a while
	Stall                        // a sync takes long
	Wipe                         // a node loses its disk and comes back as another
	Change                       // members are added, removed and replaced
	Transfer                     // leaderships are handed over
	Compact                      // snapshots are taken often, while logs are short
	Sleep                        // groups sleep and wake
	Recreate                     // a group is removed and its name given to another
	Expire                       // sessions end and their commands are tried again
	Lease                        // queries are answered on a lease
	Burst                        // load comes in bursts
	endOfFaults
)

// AllFaults is every kind.
const AllFaults = endOfFaults - 1

var faultNames = [...]string{
	"drop", "delay", "reorder", "duplicate", "partition", "oneway", "drift", "jump", "pause", "crash", "power",
	"flip", "failing", "full", "stall", "wipe", "change", "transfer", "compact", "sleep", "recreate", "expire",
	"lease", "burst",
}

// String lists the names, with commas.
func (f Faults) String() string {
	var names []string
	for i, name := range faultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ",")
}

// ParseFaults reads what String gives, and "all".
func ParseFaults(s string) (Faults, error) {
	var f Faults
	for name := range strings.SplitSeq(s, ",") {
		switch name = strings.TrimSpace(name); name {
		case "none", "":
			continue
		case "all":
			f |= AllFaults
			continue
		}
		found := false
		for i, known := range faultNames {
			if known == name {
				f |= 1 << i
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("sim: no fault is named %q: want some of %s", name, AllFaults)
		}
	}
	return f, nil
}

// each calls f for every fault of the set.
func (f Faults) each(do func(i int, fault Faults)) {
	for i := range faultNames {
		if f&(1<<i) != 0 {
			do(i, 1<<i)
		}
	}
}
