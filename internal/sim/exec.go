package sim

import (
	"errors"
	"iter"
	"time"
)

// process is the exec.Exec of one life of a node: its work runs as coroutines, one
// at a time, between the events of the simulation.
type process struct {
	n       *node
	ended   bool
	new     []*coroutine
	parked  []*coroutine
	current *coroutine
}

type coroutine struct {
	body  func()
	yield func(struct{}) bool
	next  func() (struct{}, bool)
	stop  func()
	ready func() bool
}

// errEnded unwinds work whose process is gone.
var errEnded = errors.New("sim: the process ended")

// Go starts f when the present event is over: its caller may hold locks.
func (p *process) Go(f func()) {
	if p.ended {
		return
	}
	p.new = append(p.new, &coroutine{body: f})
	p.n.busy()
}

func (p *process) start(c *coroutine) {
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil && r != any(errEnded) {
				panic(r)
			}
		}()
		c.yield = yield
		c.body()
	})
	p.resume(c)
}

func (p *process) resume(c *coroutine) {
	before := p.current
	p.current = c
	_, waits := c.next()
	p.current = before
	switch {
	case !waits:
		c.stop()
	case p.ended:
		c.stop()
	default:
		p.parked = append(p.parked, c)
	}
}

// poll runs what can go on, until nothing can.
func (p *process) poll() {
	for again := true; again && !p.ended; {
		again = false
		for len(p.new) > 0 && !p.ended {
			c := p.new[0]
			p.new = p.new[1:]
			p.start(c)
			again = true
		}
		for i := 0; i < len(p.parked) && !p.ended; i++ {
			if c := p.parked[i]; c.ready() {
				p.parked = append(p.parked[:i], p.parked[i+1:]...)
				i--
				p.resume(c)
				again = true
			}
		}
	}
}

// end stops all that waits, as the end of a process does.
func (p *process) end() {
	p.ended = true
	p.new = nil
	for len(p.parked) > 0 {
		c := p.parked[0]
		p.parked = p.parked[1:]
		c.stop()
	}
}

// Park implements exec.Exec.
func (p *process) Park(ready func() bool) bool {
	c := p.current
	if c == nil {
		panic("sim: something waits outside of any work")
	}
	if ready() {
		return true
	}
	c.ready = ready
	// poll asks ready, and comes back when it said yes.
	if !c.yield(struct{}{}) {
		panic(errEnded)
	}
	return true
}

// wait is Park for the simulation's own parts; it returns false when the process ended.
func (p *process) wait(ready func() bool) bool {
	c := p.current
	c.ready = ready
	return ready() || c.yield(struct{}{})
}

// Now implements exec.Exec.
func (p *process) Now() time.Time { return p.n.clock.time(p.n.w.now) }

// Monotonic implements exec.Exec.
func (p *process) Monotonic() int64 { return p.n.clock.monotonic(p.n.w.now) }

// AfterFunc implements exec.Exec.
func (p *process) AfterFunc(d time.Duration, f func()) func() bool {
	w, pending := p.n.w, true
	w.at(w.now+p.n.clock.duration(d), p.n, func() {
		if pending {
			pending = false
			p.Go(f)
		}
	})
	return func() bool {
		was := pending
		pending = false
		return was
	}
}
