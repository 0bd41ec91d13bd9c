package sim

import (
	"math/rand/v2"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// world is one run: nodes with their disks and clocks, the network between them,
// the groups on them, and who calls these. One goroutine does everything, in the
// order of the queue; all chance comes from one source.
type world struct {
	plan   Plan
	fleet  *fleetRun // nil in a run of groups
	random *rand.Rand
	now    int64 // true time
	queue  queue

	nodes   []*node // by place; a wiped one is replaced by another in its place
	byID    map[ident.NodeID]*node
	lastID  uint64 // of nodes, groups and commands
	groups  []*replicated
	clients []*client
	net     network

	healing   bool
	limping   bool  // some nodes are down for good, and nobody's members are changed
	idleUntil int64 // clients wait until then
	trace     trace
	result    Result
	failure   *Violation
	readded   bool   // some node has another member of a group than before
	bytes     []byte // room for messages
	encoding  []byte
}

// event is something that happens at a time: to a node in one of its lives, or to
// the world.
type event struct {
	kind eventKind
	node *node
	boot uint64 // the node's life that it is for; 0: whatever life it has by then
	from *node
	as   uint64 // boot of from when it was sent
	body []byte
	late bool // a copy of what arrived already
	do   func()
}

type eventKind uint8

const (
	eventDo eventKind = iota
	eventTick
	eventProbe
	eventWork
	eventDisk
	eventApply
	eventJobs
	eventMessage
	eventHeartbeat
)

var eventNames = [...]string{"other", "tick", "probe", "work", "disk", "apply", "jobs", "message", "heartbeat"}

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

// about draws a duration from most of nothing to twice d, seldom much more.
func (w *world) about(d time.Duration) int64 {
	x := w.random.Int64N(int64(2*d) + 1)
	if w.random.IntN(64) == 0 {
		x *= 8
	}
	return x
}

func (w *world) has(f Faults) bool { return w.plan.Faults&f != 0 && !w.healing }

// at lets f happen at a time. With a node it happens in the life that the node has
// now, or not at all.
func (w *world) at(at int64, n *node, f func()) {
	e := event{kind: eventDo, node: n, do: f}
	if n != nil {
		e.boot = n.boot
	}
	w.queue.push(at, e)
}

func (w *world) after(d time.Duration, f func()) {
	w.queue.push(w.now+int64(d), event{kind: eventDo, do: f})
}

// step lets the next event happen and checks what it did. It returns false when
// there is nothing more to come.
func (w *world) step() bool {
	if w.queue.empty() {
		return false
	}
	at, e := w.queue.pop()
	w.now = max(w.now, at)
	n := e.node
	if n != nil {
		if !n.up || e.boot != 0 && e.boot != n.boot {
			return true
		}
		if e.late && w.healing {
			return true // a dead leader's signs of life must not go on for ever
		}
		if n.pausedUntil > w.now {
			// A process that stands still finds everything when it goes on. The order stays.
			if e.kind == eventTick || e.kind == eventProbe {
				n.schedule(e.kind)
			} else {
				w.queue.push(n.pausedUntil, e)
			}
			return true
		}
	}
	w.result.Steps++
	w.trace.event(at, &e)
	if w.plan.Log != nil {
		w.tellEvent(&e)
	}
	switch e.kind {
	case eventDo:
		e.do()
	case eventTick:
		if n.host != nil {
			n.host.Tick()
		}
		n.schedule(eventTick)
		n.busy()
	case eventProbe:
		if n.host != nil {
			n.host.Probe()
		}
		n.schedule(eventProbe)
		n.busy()
	case eventWork:
		if !n.work() {
			w.result.Steps-- // nothing waited: that is no step
			return true
		}
	case eventDisk:
		if !n.turnDisk() {
			w.result.Steps--
			return true
		}
	case eventApply:
		if !n.apply() {
			w.result.Steps--
			return true
		}
	case eventJobs:
		if !n.jobs() {
			w.result.Steps--
			return true
		}
	case eventMessage:
		if n.host != nil {
			n.hear(&e)
		}
	case eventHeartbeat:
		if n.host != nil {
			n.host.Heartbeat(e.from.id, e.as, nil)
			n.busy()
		}
	}
	if n != nil {
		n.afterStep()
	}
	return true
}

// runUntil steps until done says so, the time is over, or something is wrong. It
// reports whether done said so.
func (w *world) runUntil(limit int64, done func() bool) bool {
	for w.failure == nil && !w.queue.empty() && w.queue.next() <= limit {
		w.step()
		if done() {
			return w.failure == nil
		}
	}
	w.now = max(w.now, limit)
	return false
}

// copyOf keeps b: in large pieces, for there are very many.
func (w *world) copyOf(b []byte) []byte {
	if cap(w.bytes)-len(w.bytes) < len(b) {
		w.bytes = make([]byte, 0, max(64<<10, len(b)))
	}
	n := len(w.bytes)
	w.bytes = append(w.bytes, b...)
	return w.bytes[n:len(w.bytes):len(w.bytes)]
}

func (w *world) newID() uint64 {
	w.lastID++
	return w.lastID
}
