package wire

import (
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// refusalLog remembers what was told lately, so that a node that knocks every
// second is told of once in a while. It is bounded: when full it forgets all.
type refusalLog struct {
	told map[refusalKey]time.Time
}

type refusalKey struct {
	host string
	node ident.NodeID
}

const (
	refusalEvery = 10 * time.Minute
	maxRefusals  = 256
)

// worth tells whether a refusal should be logged now.
func (r *refusalLog) worth(host string, node ident.NodeID, now time.Time) bool {
	key := refusalKey{host, node}
	if at, ok := r.told[key]; ok && now.Sub(at) < refusalEvery {
		return false
	}
	if r.told == nil || len(r.told) >= maxRefusals {
		r.told = make(map[refusalKey]time.Time)
	}
	r.told[key] = now
	return true
}
