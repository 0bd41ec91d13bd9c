package sim

import (
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

const (
	tick  = 50 * time.Millisecond
	probe = 200 * time.Millisecond
)

// node is a machine: a disk and a clock, and most of the time a process.
type node struct {
	w     *world
	place int
	id    ident.NodeID
	disk  *disk
	clock clock

	up          bool
	gone        bool   // its disk was lost: it never comes back
	lostAt      int64  // since then
	boot        uint64 // counts its lives
	pausedUntil int64
	restarting  bool
	away        bool // it is not to start

	process           *process
	log               *wal.Log
	host              *group.Host
	workDue           bool
	jobsDue, applyDue bool
	diskDue           int64 // when the log gets its turn; 0: it has nothing to do
	inTurn            bool  // the log's turn is held up by a slow disk
	bodies            [1][]byte
	owed              int                                        // calls that the host was given in this life and did not answer
	views             []view                                     // by the groups' numbers
	hosted            map[ident.GroupID]ident.MemberID           // members that were started or resumed here
	left              map[ident.GroupID]*consensus.Configuration // in force when it fell last
}

func (w *world) newNode(place int) *node {
	n := &node{w: w, place: place, id: ident.NodeID(w.newID()), left: make(map[ident.GroupID]*consensus.Configuration)}
	n.disk = newDisk(n)
	n.clock = newClock(1+w.random.Int64N(int64(time.Hour)), trueRate, epoch+w.random.Int64N(int64(time.Minute)))
	w.byID[n.id] = n
	w.nodes[place] = n
	return n
}

// epoch is when runs begin, by the clocks on the wall.
const epoch = 1_700_000_000_000_000_000

// start begins a life of the node.
func (n *node) start() {
	if n.up || n.gone || n.away {
		return
	}
	w := n.w
	n.boot++
	n.up, n.pausedUntil = true, 0
	n.workDue, n.jobsDue, n.applyDue, n.diskDue, n.inTurn = false, false, false, 0, false
	n.process = &process{n: n}
	n.hosted = make(map[ident.GroupID]ident.MemberID)
	clear(n.views)
	n.owed = 0
	w.result.Boots++
	w.logf("node %d starts, boot %d", n.id, n.boot)
	err := error(nil)
	if w.fleet != nil {
		err = w.fleet.begin(n)
	} else {
		err = n.open()
	}
	if n.disk.dying {
		n.fall()
		return
	}
	if err != nil {
		n.cannotStart(err)
		return
	}
	n.schedule(eventTick)
	n.schedule(eventProbe)
	n.busy()
	n.afterStep()
}

// open brings up log and host, and has the disk compared with what must be on it.
func (n *node) open() error {
	w := n.w
	log, err := n.openLog(n.disk.store)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	host, err := group.NewHost(group.HostConfig{
		Node: n.id, Log: log, Store: n.disk.store, Transport: &transport{n, n.boot}, Types: n.valueTypes(),
		OnChange: n.changed, OnBroken: n.broken, Tick: tick, Lanes: w.plan.lanes, ApplyWorkers: 1,
		Exec: n.process, Rand: w.random.IntN, Manual: true, Tune: w.plan.tune,
	})
	if err != nil {
		return fmt.Errorf("make the host: %w", err)
	}
	n.host = host
	if err := host.Resume(); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	for _, info := range host.Infos() {
		n.hosted[info.Group] = info.Member
	}
	n.reconcile()
	return nil
}

func (n *node) openLog(checkpoints wal.Checkpoints) (*wal.Log, error) {
	log, err := wal.Open("wal", wal.Options{
		FS: n.disk.files(), SegmentBytes: 64 << 10, Checkpoints: checkpoints, MaxQueuedBytes: n.w.plan.queued,
		Manual: &wal.Manual{Monotonic: n.process.Monotonic, Random: n.w.random.Uint64, Wake: n.diskWaits, Durable: n.disk.wrote},
	})
	if err == nil {
		n.log = log
		n.disk.recovered(log)
	}
	return log, err
}

// busy has the node do what waits in it, soon.
func (n *node) busy() {
	n.expectApply()
	if !n.workDue && n.up {
		n.workDue = true
		n.push(n.w.about(n.w.plan.lag), event{kind: eventWork})
	}
}

func (n *node) push(after int64, e event) {
	e.node, e.boot = n, n.boot
	n.w.queue.push(n.w.now+after, e)
}

func (n *node) schedule(k eventKind) {
	every := tick
	if k == eventProbe {
		every = probe
	}
	n.push(n.clock.duration(every), event{kind: k})
}

// work gives a lane its turn; false: nothing waited.
func (n *node) work() bool {
	n.workDue = false
	h := n.host
	if h == nil {
		return false // it opens
	}
	lanes := h.Lanes()
	first := n.w.random.IntN(lanes)
	for i := range lanes {
		if h.TurnLane((first + i) % lanes) {
			n.inspect()
			n.busy()
			n.expectApply()
			n.expectJobs()
			return true
		}
	}
	return false
}

// expectApply has committed entries applied, sooner or later.
func (n *node) expectApply() {
	if !n.applyDue && n.up {
		n.applyDue = true
		n.push(n.w.about(n.w.plan.applyLag), event{kind: eventApply})
	}
}

// apply lets one member apply; false: none has anything to.
func (n *node) apply() bool {
	n.applyDue = false
	if n.host == nil || !n.host.TurnApply() {
		return false
	}
	n.busy()
	n.expectApply()
	n.expectJobs()
	return true
}

// expectJobs has snapshots saved and installed, later: files take their time, and
// much happens meanwhile.
func (n *node) expectJobs() {
	if !n.jobsDue && n.up {
		n.jobsDue = true
		n.push(n.w.about(4*n.w.plan.sync), event{kind: eventJobs})
	}
}

// jobs does one job; false: none waits.
func (n *node) jobs() bool {
	n.jobsDue = false
	if n.host == nil || !n.host.TurnJobs() {
		return false
	}
	n.busy()
	n.expectJobs()
	return true
}

// diskWaits notes that the log has something to do.
func (n *node) diskWaits() {
	w := n.w
	at := w.now + w.about(w.plan.sync)
	if n.diskDue == 0 || n.diskDue > at {
		n.diskDue = at
		n.push(at-w.now, event{kind: eventDisk})
	}
}

// turnDisk lets the log write, sync and complete; false: it has nothing to do.
func (n *node) turnDisk() bool {
	if n.diskDue == 0 || n.diskDue > n.w.now {
		return false
	}
	n.diskDue = 0
	if n.inTurn {
		return false // it looks again when the disk has answered
	}
	if n.disk.slow() {
		n.inTurn = true
		n.process.Go(func() {
			n.log.Turn()
			n.inTurn = false
			n.logNext()
			n.busy()
		})
		return true
	}
	did, _ := n.log.Turn() // an error reaches the host through the completions
	n.logNext()
	n.busy()
	return did || n.disk.dying
}

// logNext schedules what the log wants to do by itself.
func (n *node) logNext() {
	if n.disk.dying {
		return
	}
	at, ok := n.log.Due()
	if !ok {
		return
	}
	wait := max(0, at-n.process.Monotonic())
	due := n.w.now + n.clock.duration(time.Duration(wait))
	if wait == 0 {
		due += n.w.about(n.w.plan.sync)
	}
	if n.diskDue == 0 || n.diskDue > due {
		n.diskDue = due
		n.push(due-n.w.now, event{kind: eventDisk})
	}
}

// afterStep lets work go on that waited for what just happened, and ends the
// process where the event ended it.
func (n *node) afterStep() {
	if n.up && !n.disk.dying {
		n.process.poll()
	}
	if n.up && n.disk.dying {
		n.fall()
	}
}

// fall ends the node's process, at this very moment and without a word.
func (n *node) fall() {
	w := n.w
	n.up = false
	n.process.end()
	n.disk.fall()
	n.leave()
	n.host, n.log = nil, nil
	if w.fleet != nil {
		w.fleet.fell(n)
	}
	w.trace.add(uint64(n.id))
	w.logf("node %d falls", n.id)
	w.result.Counts["crash"]++
	if !n.gone && !n.restarting {
		n.restarting = true
		w.after(time.Duration(w.about(min(w.plan.pace, 500*time.Millisecond))), func() { n.restarting = false; n.start() })
	}
}

// leave notes the configurations in force in a process that ends: they may be on
// their way to the disk, and be in force again when it starts anew.
func (n *node) leave() {
	clear(n.left)
	for _, g := range n.w.groups {
		if n.host == nil {
			continue
		}
		if core := n.host.Core(g.id); core != nil {
			n.left[g.id] = core.Configuration()
		}
	}
}

// broken is told by the host that the log failed: the process is to end.
func (n *node) broken(error) { n.disk.dying = true }

// cannotStart deals with a node that says that it cannot start.
func (n *node) cannotStart(err error) {
	w := n.w
	if !n.disk.excuses(err) {
		w.violate(Starts, "node %d cannot start: %v", n.id, err)
	}
	n.disk.dying = true
	if n.disk.damaged {
		n.lose()
		return
	}
	n.fall()
}

// lose ends the node for good; another takes its place, with an empty disk.
func (n *node) lose() {
	w := n.w
	n.gone, n.lostAt = true, w.now
	if n.up {
		n.disk.dying = true
		n.fall()
	}
	n.disk.forget()
	w.result.Counts["wipe"]++
	place := n.place
	fresh := w.newNode(place)
	w.after(time.Duration(w.about(w.plan.pace)), fresh.start)
	if w.fleet != nil {
		return // it finds out by itself
	}
	w.after(time.Duration(w.about(w.plan.pace)), func() {
		for _, g := range w.groups {
			if !g.removed {
				g.replaceLost()
			}
		}
	})
}
