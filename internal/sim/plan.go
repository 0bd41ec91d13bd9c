package sim

import (
	"io"
	"math/rand/v2"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
)

// Plan is everything that a run is made of. A seed gives a plan, and a plan gives
// one run, always the same.
type Plan struct {
	Seed   uint64
	Faults Faults
	hot    Faults // those of them that happen much more often
	// Duration is how long the faults last, in simulated time; then all is healed.
	Duration time.Duration
	// Steps ends the faults earlier, after so many events. NewPlan sets a bound that
	// leaves time for many seeds.
	Steps int64
	// Broken plants what must be found; see Broken.
	Broken Broken
	// Log, where set, is told every event, for people.
	Log io.Writer

	nodes, groups, members, clients, lanes int
	config                                 group.Config
	queued                                 int64         // bytes that may wait for a log
	lag, applyLag                          time.Duration // until a lane, and a member that applies, has its turn, about
	think                                  time.Duration // between two calls of a client
	body                                   int           // bytes that a command has at most, but for a few
	latency, sync                          time.Duration // of a message and of a disk, about
	pace                                   time.Duration // between two faults of one kind, about
	tune                                   func(*consensus.Config)
}

// Broken is a world whose assumptions do not hold: the checks must find out.
type Broken uint8

const (
	// Sound is the world that the code is made for.
	Sound Broken = iota
	// NoSync: disks that say synced and did nothing.
	NoSync
	// WildClocks: clocks that drift by more than what leases allow for.
	WildClocks
)

// NewPlan draws the plan of a seed, with no other kinds of faults than those given.
func NewPlan(seed uint64, allowed Faults) Plan { return newPlan(seed, allowed, 0) }

// NewBrokenPlan is NewPlan in a world where what the code relies upon does not hold,
// with the faults that bring it to light.
func NewBrokenPlan(seed uint64, allowed Faults, b Broken) Plan {
	if b != WildClocks {
		p := NewPlan(seed, allowed)
		p.Broken = b
		return p
	}
	p := newPlan(seed, allowed, Lease|Drift)
	p.Broken, p.nodes, p.members, p.groups = b, max(p.nodes, 3), 3, 1
	return p
}

func newPlan(seed uint64, allowed, forced Faults) Plan {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	p := Plan{Seed: seed, Steps: 40_000}
	// Most runs combine a few kinds: each then has room to do its work. Always the
	// same draws, so that leaving out a kind changes nothing else of the plan.
	density := 1 + r.IntN(7)
	for i := range faultNames {
		if r.IntN(8) < density {
			p.Faults |= 1 << i
		}
	}
	p.Faults = p.Faults&allowed | forced
	p.nodes = pick(r, 1, 2, 3, 3, 3, 3, 4, 5, 5, 6, 7)
	p.groups = pick(r, 1, 1, 1, 2, 3)
	p.members = pick(r, 1, 3, 3, 3, 3, 3, 5, 5, 7)
	p.clients = 1 + r.IntN(6)
	p.lanes = 1 + r.IntN(2)
	p.Duration = time.Duration(5+r.IntN(25)) * time.Second
	p.think = pick(r, time.Millisecond, 10*time.Millisecond, 30*time.Millisecond, 100*time.Millisecond)
	p.latency = pick(r, 100*time.Microsecond, 500*time.Microsecond, 5*time.Millisecond)
	p.sync = pick(r, 50*time.Microsecond, time.Millisecond, 10*time.Millisecond)
	p.pace = pick(r, 200*time.Millisecond, 500*time.Millisecond, time.Second, 2*time.Second)
	p.queued = pick[int64](r, 64<<20, 64<<20, 16<<10, 2<<10)
	p.lag = pick(r, 10*time.Microsecond, 10*time.Microsecond, time.Millisecond, 10*time.Millisecond)
	p.applyLag = pick(r, 10*time.Microsecond, 10*time.Microsecond, 5*time.Millisecond, 40*time.Millisecond)
	c := &p.config
	c.HeartbeatInterval = pick(r, 50*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond)
	c.ElectionTimeout = c.HeartbeatInterval * pick[time.Duration](r, 3, 3, 5, 8)
	c.SessionTTL = time.Minute
	c.SleepAfter = -1
	sleep := pick(r, 500*time.Millisecond, time.Second, 2*time.Second)
	if p.Faults&Sleep != 0 {
		c.SleepAfter = sleep
	}
	factor, least := 1+r.IntN(3), pick[int64](r, 300, 1000, 4000)
	if p.Faults&Compact != 0 {
		c.SnapshotFactor, c.SnapshotLeast = factor, least
	}
	if p.Faults&Lease != 0 {
		// What the ticks take from a lease leaves little of a short timeout.
		c.ElectionTimeout = 600*time.Millisecond + 2*c.ElectionTimeout
		c.LeaseDrift = c.ElectionTimeout / 5
	}
	p.tune = drawBounds(r)
	p.body = drawBody(seed, p.Faults)
	for range r.IntN(3) {
		p.hot |= pick(r, Partition, Partition, OneWay, Delay, Pause, Crash, Power, Change, Transfer, Lease, Stall)
	}
	if p.Faults&(Lease|Drift) == Lease && r.IntN(2) == 0 {
		c.LeaseDrift = time.Millisecond // nothing to spare
	}
	if r.IntN(5) == 0 && forced == 0 && allowed&Lease != 0 {
		p.onlyLeases(r)
	}
	return p
}

// onlyLeases has one group of three whose leader's lease is tempted every few seconds,
// with little else to get in the way.
func (p *Plan) onlyLeases(r *rand.Rand) {
	p.Faults = p.Faults&(Duplicate|Reorder|Drift|Burst|Compact) | Lease
	p.hot = 0
	p.nodes, p.members, p.groups = 3+r.IntN(2), 3, 1
	p.clients, p.think, p.pace, p.Duration = 3, 30*time.Millisecond, 4*time.Second, 30*time.Second
	p.latency, p.sync = min(p.latency, 500*time.Microsecond), min(p.sync, time.Millisecond)
	c := &p.config
	c.HeartbeatInterval, c.ElectionTimeout, c.SleepAfter = 50*time.Millisecond, 600*time.Millisecond, -1
	c.LeaseDrift = time.Millisecond
	if p.Faults&Drift != 0 {
		c.LeaseDrift = c.ElectionTimeout / 5
	}
}

// drawBounds makes the windows and queues of cores small, some of them, so that they
// are full in no time and logs are sent piece by piece.
func drawBounds(r *rand.Rand) func(*consensus.Config) {
	const many = 1 << 30
	messages, inflight := pick(r, many, many, 8, 2, 1), pick[uint64](r, many, many, 2000, 1)
	message, apply := pick[uint64](r, 1<<20, 1<<20, 2000, 1), pick[uint64](r, many, 2000, 1)
	uncommitted, cache := pick[uint64](r, many, many, many, 8000, 1000), pick[uint64](r, many, 1000, 1)
	return func(c *consensus.Config) {
		c.MaxInflightMessages, c.MaxInflightBytes = messages, inflight
		c.MaxAppendBytes, c.MaxApplyBytes = message, apply
		c.MaxUncommittedBytes, c.CacheBytes = uncommitted, min(c.CacheBytes, cache)
	}
}

// drawBody says how large commands are. Where disks are full or lose what they did not
// sync they are large in some runs: else a log hardly grows, and has little to lose.
func drawBody(seed uint64, f Faults) int {
	r := rand.New(rand.NewPCG(seed, 0xa0761d6478bd642f))
	if f&(Full|Power) == 0 {
		return 48
	}
	return pick(r, 48, 48, 48, 48, 700, 2500)
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
