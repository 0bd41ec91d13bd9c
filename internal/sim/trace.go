package sim

import (
	"encoding/binary"
	"fmt"

	"github.com/raftfleet/raftfleet/consensus"
)

// trace is a running hash of all that happened. Two runs of a plan must leave the
// same one.
type trace uint64

func (t *trace) add(v uint64) { *t = trace(mix(uint64(*t), v)) }

func (t *trace) event(at int64, e *event) {
	v := uint64(at)<<4 | uint64(e.kind)
	if e.node != nil {
		v ^= uint64(e.node.id) << 56
	}
	t.add(v ^ uint64(len(e.body))<<48)
}

// mix is a step of a hash.
func mix(h, v uint64) uint64 {
	h ^= v
	h *= 0xff51afd7ed558ccd
	h ^= h >> 32
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>29
}

// tellEvent writes an event down for people.
func (w *world) tellEvent(e *event) {
	switch {
	case e.kind == eventMessage:
		var m consensus.Message
		m.Decode(e.body[8:])
		w.logf("node %d hears %v of group %d", e.node.id, m, binary.LittleEndian.Uint64(e.body))
	case e.kind == eventDisk || e.kind == eventProbe || e.kind == eventHeartbeat:
		w.logf("node %d: %s", e.node.id, eventNames[e.kind])
	}
}

func (w *world) logf(format string, args ...any) {
	if w.plan.Log != nil {
		fmt.Fprintf(w.plan.Log, "%8d %12.6f ", w.result.Steps, float64(w.now)/1e9)
		fmt.Fprintf(w.plan.Log, format+"\n", args...)
	}
}
