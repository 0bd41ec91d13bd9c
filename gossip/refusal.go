package gossip

import (
	"sync"
	"time"
)

const (
	refusalPause = time.Minute // between two log lines about one address
	refusalLimit = 1024        // addresses remembered
)

// refusals decides which refusals, ours or others', are worth a line in the log.
type refusals struct {
	now func() time.Time

	mu   sync.Mutex
	said map[string]time.Time
}

func newRefusals(now func() time.Time) *refusals {
	return &refusals{now: now, said: make(map[string]time.Time)}
}

// due is true at most once a minute for an address, and for as many addresses a
// minute as are remembered.
func (r *refusals) due(addr string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if last, ok := r.said[addr]; ok && now.Sub(last) < refusalPause {
		return false
	}
	if len(r.said) >= refusalLimit {
		for a, last := range r.said {
			if now.Sub(last) >= refusalPause {
				delete(r.said, a)
			}
		}
		if len(r.said) >= refusalLimit {
			return false
		}
	}
	r.said[addr] = now
	return true
}
