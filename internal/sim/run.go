package sim

import (
	"math/rand/v2"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Result says what a run did and whether everything held.
type Result struct {
	Steps        int64 // events that happened
	Checked      int64 // claims that were held against the disks and the model
	Simulated    time.Duration
	Faults       map[Faults]int64 // acts, by kind
	Counts       map[string]int64 // of what else happened
	Boots        int64
	Commands     int64
	Acknowledged int64
	Unknown      int64
	Refused      int64
	Reads        int64
	Trace        uint64
	Violation    *Violation // nil: everything held
}

// Run carries a plan out.
func Run(p Plan) Result {
	w := newWorld(p, rand.New(rand.NewPCG(p.Seed, 0xbf58476d1ce4e5b9)))
	for i := range w.nodes {
		w.newNode(i)
	}
	for _, n := range w.nodes {
		n.start()
	}
	for i := range p.groups {
		w.addGroup(groupName(i), p.members)
	}
	for i := range p.clients {
		w.newClient(groupName(i%p.groups), 1+w.random.IntN(4))
	}
	w.disturb()
	w.mend()
	w.runUntil(int64(p.Duration), func() bool { return p.Steps > 0 && w.result.Steps >= p.Steps })
	if w.failure == nil {
		w.heal()
	}
	for _, n := range w.nodes {
		if n.process != nil {
			n.process.end()
		}
	}
	return w.finish()
}

func newWorld(p Plan, random *rand.Rand) *world {
	w := &world{plan: p, random: random, byID: make(map[ident.NodeID]*node), nodes: make([]*node, p.nodes)}
	w.net.cut, w.net.last = make(map[[2]ident.NodeID]int), make(map[[2]ident.NodeID]int64)
	w.net.slow = make(map[[2]ident.NodeID]time.Duration)
	w.result.Faults, w.result.Counts = make(map[Faults]int64), make(map[string]int64)
	return w
}

func (w *world) finish() Result {
	w.result.Simulated = time.Duration(w.now)
	if w.failure != nil {
		w.logf("%v", w.failure)
	}
	w.trace.add(w.random.Uint64()) // as much of chance was drawn
	w.result.Trace = uint64(w.trace)
	w.result.Violation = w.failure
	return w.result
}
