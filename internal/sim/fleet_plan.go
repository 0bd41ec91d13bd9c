package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/group"
)

// FleetPlan is everything that a run of a fleet is made of: nodes that are whole
// ones, with catalogue, planner, mover and router, over the log, network and disks
// of a group's run. A seed gives a plan, and a plan gives one run, always the same.
type FleetPlan struct {
	Seed   uint64
	Faults Faults // those of FleetFaults
	Acts   Acts
	// Duration is how long faults and acts last, in simulated time; then all is healed.
	Duration time.Duration
	// Steps ends them earlier, after so many events; 0: not.
	Steps int64
	// Log, if not nil, gets a line for what happens.
	Log io.Writer
	// Broken plants what must be found.
	Broken Broken
	// Size is how much there is of everything.
	Size FleetSize

	zones, founders, lanes  int
	config                  group.Config
	think                   time.Duration
	body                    int
	latency, sync           time.Duration
	pace, round             time.Duration // between two acts of one kind; between two rounds of gossip
	purgeAfter, settle      time.Duration
	callTimeout, lateJoiner time.Duration
}

// FleetSize says how many nodes and names of groups a fleet has, and how many
// clients call it.
type FleetSize struct{ Nodes, Groups, Clients int }

// Limit makes the fleet no larger than most; what is zero there has no limit.
func (p *FleetPlan) Limit(most FleetSize) {
	lower := func(v *int, most int) {
		if most > 0 {
			*v = min(*v, most)
		}
	}
	lower(&p.Size.Nodes, most.Nodes)
	lower(&p.Size.Groups, most.Groups)
	lower(&p.Size.Clients, most.Clients)
	p.founders = min(p.founders, p.Size.Nodes)
	p.zones = min(p.zones, p.Size.Nodes)
}

// FleetFaults are the kinds of faults that a fleet's run knows beside its acts.
const FleetFaults = Drop | Delay | Reorder | Duplicate | Partition | OneWay | Drift | Jump | Pause | Crash | Power |
	Flip | Failing | Full | Stall | Wipe | Compact | Sleep | Expire | Lease | Burst

// Acts is a set of what is done to a fleet, and of how gossip errs.
type Acts uint32

// What is done.
const (
	Lie       Acts = 1 << iota // gossip is late, flaps, and tells what is old or foreign
	Stop                       // a process is ended in order and started again
	Leave                      // a node is away for longer than it takes to be given up
	Drained                    // a node is drained, and activated again
	Forgot                     // an operator says that a node will not return, also of one that does
	ReAdd                      // groups are removed and their names given to others
	Archive                    // the same, with the state kept and restored
	Handover                   // leaderships are handed over by name
	Configure                  // groups get another configuration
	Look                       // views are asked for
	Balance                    // moves are paused and go on, limits change, and how the fleet is balanced is asked for
	endOfActs
)

// AllActs is every act.
const AllActs = endOfActs - 1

var actNames = [...]string{"lie", "stop", "leave", "drain", "forget", "readd", "archive", "handover", "configure", "look", "balance"}

// String lists the names, with commas.
func (a Acts) String() string {
	var names []string
	for i, name := range actNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ",")
}

// FleetFaultNames lists the names of both, with commas, as ParseFleetFaults reads them.
func FleetFaultNames(f Faults, a Acts) string {
	switch {
	case a == 0:
		return f.String()
	case f == 0:
		return a.String()
	}
	return f.String() + "," + a.String()
}

// ParseFleetFaults reads names of faults and acts, with commas, and "all".
func ParseFleetFaults(s string) (Faults, Acts, error) {
	var f Faults
	var a Acts
next:
	for name := range strings.SplitSeq(s, ",") {
		switch name = strings.TrimSpace(name); name {
		case "none", "":
			continue
		case "all":
			f, a = FleetFaults, AllActs
			continue
		}
		for i, known := range actNames {
			if known == name {
				a |= 1 << i
				continue next
			}
		}
		one, err := ParseFaults(name)
		if err != nil || one&^FleetFaults != 0 {
			return 0, 0, fmt.Errorf("sim: a fleet knows no fault or act %q: want some of %s,%s", name, FleetFaults, AllActs)
		}
		f |= one
	}
	return f, a, nil
}

// NewBrokenFleetPlan is NewFleetPlan in a world where what the code relies upon does
// not hold, with the faults that bring it to light. It knows Sound and NoSync.
func NewBrokenFleetPlan(seed uint64, faults Faults, acts Acts, b Broken) FleetPlan {
	p := NewFleetPlan(seed, faults, acts)
	if p.Broken = b; b == NoSync {
		p.Faults |= Power
	}
	return p
}

// NewFleetPlan draws the plan of a seed, with no other faults and acts than those
// given.
func NewFleetPlan(seed uint64, faults Faults, acts Acts) FleetPlan {
	r := rand.New(rand.NewPCG(seed, 0x94d049bb133111eb))
	p := FleetPlan{Seed: seed}
	density := 1 + r.IntN(6)
	for i := range faultNames {
		if r.IntN(9) < density {
			p.Faults |= 1 << i
		}
	}
	for a := Lie; a <= Look; a <<= 1 {
		if r.IntN(8) < density {
			p.Acts |= a
		}
	}
	p.Faults, p.Acts = p.Faults&faults&FleetFaults, p.Acts&acts
	p.Size.Nodes = 3 + r.IntN(5)
	p.zones = 1 + r.IntN(min(3, p.Size.Nodes))
	p.founders = pick(r, 0, 0, p.Size.Nodes/2+1, p.Size.Nodes)
	p.Size.Groups = pick(r, 2, 4, 8, 12)
	p.Size.Clients = 2 + r.IntN(6)
	p.lanes = 1 + r.IntN(2)
	p.Duration = time.Duration(20+r.IntN(60)) * time.Second
	p.think = pick(r, 5*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond)
	p.latency = pick(r, 100*time.Microsecond, 500*time.Microsecond, 5*time.Millisecond)
	p.sync = pick(r, 50*time.Microsecond, time.Millisecond, 10*time.Millisecond)
	p.body = drawBody(seed, p.Faults)
	p.pace = pick(r, 2*time.Second, 6*time.Second, 15*time.Second)
	p.round = pick(r, 200*time.Millisecond, 500*time.Millisecond, time.Second)
	p.purgeAfter = pick(r, 5*time.Second, 15*time.Second, 40*time.Second)
	p.settle = pick(r, 200*time.Millisecond, time.Second, 2*time.Second)
	p.callTimeout = pick(r, 3*time.Second, 10*time.Second)
	p.lateJoiner = pick(r, 0, 0, 3*time.Second, 10*time.Second)
	c := &p.config
	c.HeartbeatInterval = pick(r, 100*time.Millisecond, 200*time.Millisecond)
	c.ElectionTimeout = c.HeartbeatInterval * pick[time.Duration](r, 5, 5, 8)
	c.SleepAfter = -1
	sleep := pick(r, time.Second, 2*time.Second)
	if p.Faults&Sleep != 0 {
		c.SleepAfter = sleep
	}
	factor, least := 1+r.IntN(3), pick[int64](r, 300, 1000, 4000)
	if p.Faults&Compact != 0 {
		c.SnapshotFactor, c.SnapshotLeast = factor, least
	}
	if p.Faults&Expire != 0 {
		c.SessionTTL = time.Minute
	}
	if p.Faults&Lease != 0 {
		c.LeaseDrift = c.ElectionTimeout / 5
	}
	// What came later is drawn last, so that all else of a seed stays as it was.
	if r.IntN(8) < density {
		p.Acts |= Balance & acts
	}
	return p
}

// world is the part of the plan that the two kinds of runs share.
func (p *FleetPlan) world() Plan {
	return Plan{
		Seed: p.Seed, Faults: p.Faults, Duration: p.Duration, Steps: p.Steps, Log: p.Log, Broken: p.Broken, nodes: p.Size.Nodes, lanes: p.lanes,
		config: p.config, think: p.think, body: p.body, latency: p.latency, sync: p.sync, pace: p.pace,
	}
}
