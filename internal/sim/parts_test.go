package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestQueueGivesWhatIsDueFirst(t *testing.T) {
	var q queue
	r := rand.New(rand.NewPCG(1, 2))
	var last due
	for round := range 2000 {
		if q.empty() || r.IntN(3) > 0 {
			q.push(int64(r.IntN(50)), event{as: uint64(round)})
			last = due{} // what is pushed may be due before what was popped
			continue
		}
		top := q.heap[0]
		at, e := q.pop()
		if at != top.at || e.as == 0 && round == 0 {
			t.Fatalf("popped %d, next was %d", at, top.at)
		}
		if top.before(&last) {
			t.Fatalf("popped %+v behind %+v", top, last)
		}
		last = top
	}
	for at := int64(-1); !q.empty(); {
		next := q.next()
		if got, _ := q.pop(); got != next || got < at {
			t.Fatalf("popped %d behind %d, said %d", got, at, next)
		} else {
			at = got
		}
	}
}

// A clock that drifts never goes back, and a wait by it ends when it says so.
func TestClockDrifts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	c := newClock(5, trueRate, 100)
	now, last := int64(0), int64(0)
	for range 10_000 {
		now += r.Int64N(int64(time.Second))
		if r.IntN(10) == 0 {
			c.drift(now, trueRate/2+r.Int64N(trueRate))
		}
		m := c.monotonic(now)
		if m < last {
			t.Fatalf("it went from %d to %d", last, m)
		}
		last = m
		d := time.Duration(r.Int64N(int64(time.Minute)))
		if passed := c.monotonic(now+c.duration(d)) - m; passed < int64(d)-1 || passed > int64(d)+4 {
			t.Fatalf("of a wait of %d, %d passed at rate %d", d, passed, c.rate)
		}
		if c.wall(now)-m != 100 {
			t.Fatal("the wall clock is not where it was set")
		}
	}
}

// What is computed from two readings of a clock does not see that it was set.
func TestClockThatIsSet(t *testing.T) {
	c := newClock(7, trueRate, epoch)
	a := c.time(1_000_000_123)
	if a.UnixNano() != epoch+7+1_000_000_123 || !a.Equal(time.Unix(0, epoch+1_000_000_130)) {
		t.Fatalf("%v is %d", a, a.UnixNano())
	}
	c.shift -= int64(time.Hour)
	b := c.time(3_000_000_123)
	if d := b.Sub(a); d != 2*time.Second || !b.After(a) {
		t.Errorf("between %v and %v passed %v", a, b, d)
	}
	if wall := b.Round(0).Sub(a.Round(0)); wall != 2*time.Second-time.Hour {
		t.Errorf("on the wall passed %v", wall)
	}
	if until := a.Add(5 * time.Second).Sub(b); until != 3*time.Second {
		t.Errorf("a deadline comes in %v", until)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	for _, f := range []Faults{0, Drop, Burst, Drop | Power | Lease, AllFaults} {
		if got, err := ParseFaults(f.String()); err != nil || got != f {
			t.Errorf("%v is read as %v, %v", f, got, err)
		}
	}
	if got, err := ParseFaults("all"); err != nil || got != AllFaults {
		t.Error(got, err)
	}
	if _, err := ParseFaults("drop,flood"); err == nil {
		t.Error("a flood is no fault")
	}
}

// Work waits without a goroutine, goes on when it may, and ends with its process.
func TestProcessRunsWorkInTurns(t *testing.T) {
	n := &node{w: &world{random: rand.New(rand.NewPCG(1, 1))}, up: true, boot: 1}
	p := &process{n: n}
	open, order, cleaned := false, "", false
	p.Go(func() {
		order += "a"
		p.Park(func() bool { return open })
		order += "c"
	})
	p.Go(func() { order += "b" })
	p.Go(func() {
		defer func() { cleaned = true }()
		p.Park(func() bool { return false })
		order += "never"
	})
	if order != "" {
		t.Fatal("it began while its caller ran")
	}
	p.poll()
	open = true
	p.poll()
	p.end()
	if order != "abc" || !cleaned {
		t.Fatalf("order %q, cleaned up %v", order, cleaned)
	}
}

// The worlds that break what the code relies upon must be found out: else the checks
// check nothing.
func TestBrokenWorldsAreFoundOut(t *testing.T) {
	for name, c := range map[string]struct {
		broken Broken
		faults Faults
		found  []Invariant
	}{
		"disks that do not sync":     {NoSync, AllFaults, []Invariant{Recovers, Starts, Kept, Durable}},
		"clocks that run as they do": {WildClocks, Lease | Drift, []Invariant{Fresh, Leased}},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				r := Run(NewBrokenPlan(seed, c.faults, c.broken))
				if r.Violation == nil {
					continue
				}
				for _, i := range c.found {
					if r.Violation.Invariant == i {
						return
					}
				}
				t.Fatalf("seed %d: %v", seed, r.Violation)
			}
			t.Fatal("nobody noticed")
		})
	}
}
