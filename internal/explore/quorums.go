package explore

import (
	"math/bits"

	"github.com/raftfleet/raftfleet/consensus"
)

// quorums are the sets of which a decision needs a majority each, as bits by
// member; the second is empty while a configuration is not joint.
type quorums [2]uint8

func maskOf(members []consensus.Member) uint8 {
	mask := uint8(0)
	for _, m := range members {
		mask |= 1 << (m.ID - 1)
	}
	return mask
}

// agree reports whether those in yes are enough for a decision.
func (q quorums) agree(yes uint8) bool {
	for _, set := range q {
		if set != 0 && 2*bits.OnesCount8(set&yes) <= bits.OnesCount8(set) {
			return false
		}
	}
	return true
}

// overlap reports whether any two decisions, one by q and one by o, have a
// member in common.
func (q quorums) overlap(o quorums) bool {
	all := uint(q[0] | q[1] | o[0] | o[1])
	for yes := uint(0); yes <= all; yes++ {
		if q.agree(uint8(yes)) && o.agree(uint8(all&^yes)) {
			return false
		}
	}
	return true
}
