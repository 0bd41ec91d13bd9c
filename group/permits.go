package group

import "sync"

// permits bounds how many do something at once, by a limit that may change while they
// do. A permit is taken by receiving from free.
type permits struct {
	free chan struct{}

	mu    sync.Mutex
	limit int
	debt  int // permits that are out and not wanted back
}

// mostPermits bounds every limit.
const mostPermits = 1000

func newPermits(n int) *permits {
	p := &permits{free: make(chan struct{}, mostPermits)}
	p.set(n)
	return p
}

// set changes the limit; who has a permit keeps it.
func (p *permits) set(n int) {
	n = min(max(n, 1), mostPermits)
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.limit < n; p.limit++ {
		p.give()
	}
	for ; p.limit > n; p.limit-- {
		select {
		case <-p.free:
		default:
			p.debt++
		}
	}
}

// release gives a permit back.
func (p *permits) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.give()
}

// give never blocks: there are at most limit permits, and limit is bounded.
func (p *permits) give() {
	if p.debt > 0 {
		p.debt--
		return
	}
	p.free <- struct{}{}
}
