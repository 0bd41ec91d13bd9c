package sim

import (
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wal"
)

// acts says what is done, now and then, for the faults that are something done.
var acts = map[Faults]func(*world){
	Drop: func(w *world) {
		w.net.loss = 1 + w.random.IntN(30)
		w.forAWhile(func() { w.net.loss = 0 })
	},
	Delay: func(w *world) {
		w.net.delay = time.Duration(w.random.IntN(300)) * time.Millisecond
		w.forAWhile(func() { w.net.delay = 0 })
	},
	Partition: (*world).partition,
	OneWay:    (*world).oneWay,
	Drift:     (*world).driftClock,
	Jump:      (*world).jumpClock,
	Pause: func(w *world) {
		if n := w.anyNode(); n.up {
			n.pausedUntil = max(n.pausedUntil, w.now+w.about(2*time.Second))
		}
	},
	Crash: func(w *world) {
		for _, n := range w.someNodes(w.few()) {
			if n.up {
				n.fall()
			}
		}
	},
	Power: (*world).cutPower,
	Flip:  (*world).flipBit,
	Failing: func(w *world) {
		if n := w.anyNode(); n.up {
			n.disk.failSoon()
		}
	},
	Full: (*world).fillDisk,
	Stall: func(w *world) {
		w.anyNode().disk.stallFor = w.about(2 * time.Second)
	},
	Wipe: func(w *world) {
		if n := w.losable(); n != nil {
			n.lose()
		}
	},
	Change:   (*world).changeMembers,
	Transfer: (*world).transfer,
	Sleep: func(w *world) {
		w.idleUntil = w.now + int64(3*w.plan.config.SleepAfter) + w.about(2*time.Second)
	},
	Recreate: (*world).recreate,
	Lease:    (*world).temptLease,
	Expire: func(w *world) {
		// Sessions end by the log's time, which follows the wall clock of the leader.
		for _, n := range w.nodes {
			n.clock.shift += int64(70 * time.Second)
		}
	},
}

// rare are the acts after which much begins anew.
const rare = Wipe | Recreate | Expire | Flip

// disturb lets the faults of the plan happen, each at its own times.
func (w *world) disturb() {
	kinds := time.Duration(0)
	w.plan.Faults.each(func(_ int, f Faults) {
		if acts[f] != nil {
			kinds++
		}
	})
	w.plan.Faults.each(func(_ int, f Faults) {
		act := acts[f]
		if act == nil {
			return
		}
		// Many kinds leave each less often, or nothing would ever come about.
		pause := w.plan.pace * max(2, kinds) / 4
		if f&rare != 0 {
			pause *= 4
		}
		if w.plan.hot&f != 0 {
			pause /= 5
		}
		var next func()
		next = func() {
			if w.healing {
				return
			}
			w.result.Faults[f]++
			w.logf("fault: %v", f)
			act(w)
			w.after(time.Duration(w.about(pause)), next)
		}
		w.after(time.Duration(w.about(pause)), next)
	})
}

// forAWhile undoes something later, or when all is healed.
func (w *world) forAWhile(undo func()) {
	w.after(time.Duration(w.about(w.plan.pace)), undo)
}

// anyNode is any, more often than not one that leads: what happens to others does
// less harm.
func (w *world) anyNode() *node {
	if w.chance(40) && w.fleet == nil {
		if n := w.anyGroup().leader(); n != nil {
			return n
		}
	}
	return w.nodes[w.random.IntN(len(w.nodes))]
}

func (w *world) anyGroup() *replicated { return w.groups[w.random.IntN(len(w.groups))] }

// few is mostly one, sometimes more, now and then all.
func (w *world) few() int {
	switch w.random.IntN(8) {
	case 0:
		return len(w.nodes)
	case 1, 2:
		return 1 + w.random.IntN(len(w.nodes))
	}
	return 1
}

func (w *world) cutLinks(links [][2]ident.NodeID) {
	w.cutFor(links, time.Duration(w.about(w.plan.pace)))
}

// cutFor has links carry nothing for so long, or until all is healed.
func (w *world) cutFor(links [][2]ident.NodeID, long time.Duration) {
	for _, l := range links {
		w.net.cut[l]++
	}
	w.after(long, func() {
		for _, l := range links {
			if w.net.cut[l]--; w.net.cut[l] <= 0 {
				delete(w.net.cut, l)
			}
		}
	})
}

func (w *world) partition() {
	if w.fleet == nil && w.chance(40) {
		// Those who ask a leader go on, and what it takes nobody else has.
		timeout := w.plan.config.ElectionTimeout
		w.cutOffFor(w.anyGroup().leader(), timeout+time.Duration(w.about(timeout)))
		return
	}
	side := w.someNodes(1 + w.random.IntN(len(w.nodes)))
	if w.chance(50) {
		side = []*node{w.anyNode()}
	}
	var links [][2]ident.NodeID
	for _, a := range side {
		for _, b := range w.nodes {
			if !slices.Contains(side, b) {
				links = append(links, [2]ident.NodeID{a.id, b.id}, [2]ident.NodeID{b.id, a.id})
			}
		}
	}
	w.cutLinks(links)
}

// oneWay cuts some links in one direction, or leaves a ring or a chain of nodes
// that hear their neighbours only.
func (w *world) oneWay() {
	var links [][2]ident.NodeID
	order := w.someNodes(len(w.nodes))
	ring := w.chance(30)
	if w.chance(30) {
		// One that is heard and hears nothing, or the other way round.
		n, heard := w.anyNode(), w.chance(50)
		for _, other := range w.nodes {
			switch {
			case other == n:
			case heard:
				links = append(links, [2]ident.NodeID{other.id, n.id})
			default:
				links = append(links, [2]ident.NodeID{n.id, other.id})
			}
		}
		w.cutLinks(links)
		return
	}
	for i, a := range order {
		for j, b := range order {
			switch {
			case i == j:
			case ring && (j == (i+1)%len(order) || i == (j+1)%len(order)):
			case ring || w.chance(25):
				links = append(links, [2]ident.NodeID{a.id, b.id})
			}
		}
	}
	w.cutLinks(links)
}

// driftClock lets a clock run faster or slower, within what leases allow for.
func (w *world) driftClock() {
	if w.plan.Broken == WildClocks {
		w.slowLeader()
		return
	}
	const most = int64(trueRate / 20)
	w.anyNode().clock.drift(w.now, trueRate-most+w.random.Int64N(2*most+1))
}

// slowLeader lets time go slowly for a leader and fast for the others, and then cuts
// it off: by its own clock its lease holds on when they have elected another.
func (w *world) slowLeader() {
	leader := w.anyGroup().leader()
	for _, n := range w.nodes {
		switch {
		case leader == nil:
		case n == leader:
			n.clock.drift(w.now, trueRate*4/10)
		default:
			n.clock.drift(w.now, trueRate*16/10)
		}
	}
	w.cutOff(leader)
}

// cutOff separates a node from all others.
func (w *world) cutOff(n *node) { w.cutOffFor(n, time.Duration(w.about(w.plan.pace))) }

func (w *world) cutOffFor(n *node, long time.Duration) {
	var links [][2]ident.NodeID
	for _, other := range w.nodes {
		if n != nil && other != n {
			links = append(links, [2]ident.NodeID{n.id, other.id}, [2]ident.NodeID{other.id, n.id})
		}
	}
	w.cutFor(links, long)
}

func (w *world) jumpClock() {
	n := w.anyNode()
	by := w.about(30 * time.Second)
	if w.chance(50) {
		by = -by
	}
	n.clock.shift += by
}

// cutPower takes the power from some nodes: at once, or at an input or output that
// comes. Of what was not synced any part is lost.
func (w *world) cutPower() {
	for _, n := range w.someNodes(w.few()) {
		if !n.up || n.disk.ops >= 0 {
			continue
		}
		n.disk.cutSoon()
		if w.chance(15) {
			n.fall()
		}
	}
}

// fillDisk leaves a disk with little room.
func (w *world) fillDisk() {
	n := w.anyNode()
	if !n.up {
		return
	}
	room, long := int64(4<<10), 3*w.plan.pace
	if w.chance(25) {
		room, long = 70<<10, w.plan.pace
	}
	n.disk.fill(w.random.Int64N(room))
	w.after(time.Duration(w.about(long)), n.disk.hasRoom)
}

// flipBit turns a bit of a log that a node will read when it starts again.
func (w *world) flipBit() {
	if w.fleet != nil {
		w.fleet.flipBit()
		return
	}
	n := w.losable()
	if n == nil || !n.up {
		return
	}
	n.fall()
	if !n.turnBit() {
		return
	}
	n.disk.damaged = true
	// At once, so that nothing else happens to the group before it is known whether
	// the node is lost: a start reads all of the log.
	n.start()
	n.disk.damaged = false
}

// turnBit turns a bit of a record in the log, if there is one. The last write that is
// durable is spared, and what came later: nobody can tell damage there from a write
// that was cut off by a loss of power.
func (n *node) turnBit() bool {
	type place struct {
		segment uint64
		offset  int64
		round   uint64
	}
	var places []place
	for r, err := range wal.Inspect("wal", wal.Options{FS: n.disk.fs.Durable(), Checkpoints: n.disk.store.Store}) {
		if err != nil {
			return false
		}
		places = append(places, place{r.Segment, r.Offset, r.Round})
	}
	if len(places) == 0 {
		return false
	}
	w := n.w
	last := places[len(places)-1].round
	places = slices.DeleteFunc(places, func(p place) bool { return p.round == last })
	if len(places) == 0 {
		return false
	}
	p := places[w.random.IntN(len(places))]
	w.result.Counts["flip"]++
	return n.disk.turn(turnedBit{segmentFile(p.segment), p.offset + w.random.Int64N(12), uint(w.random.IntN(8))}) == nil
}

// losable picks a node whose disk may be lost; nil where there is none.
func (w *world) losable() *node {
	if w.fleet != nil {
		return w.fleet.losable()
	}
	for _, n := range append([]*node{w.anyNode()}, w.someNodes(len(w.nodes))...) {
		if w.canLose(n) {
			return n
		}
	}
	return nil
}

// canLose tells whether no group loses its quorum, nor anything that it has
// acknowledged, with a node's disk.
func (w *world) canLose(n *node) bool {
	if n.gone || n.disk.damaged {
		return false
	}
	for _, g := range w.groups {
		if g.removed {
			continue
		}
		if slices.ContainsFunc(g.seats, func(s *seat) bool { return s.node == n }) && (!g.settled() || g.moving || w.now-g.changed < int64(3*time.Second)) {
			return false // who counts may be known to nobody but a leader
		}
		if !g.canLose(n) {
			return false
		}
	}
	return true
}

// canLose tells whether all configurations that may count have a majority without a
// node's disk. A learner may be promoted before its leader misses it.
func (g *replicated) canLose(n *node) bool {
	configs := []*consensus.Configuration{&g.configs[len(g.configs)-1].config}
	for _, l := range g.logs {
		for i := range l.configs {
			configs = append(configs, &l.configs[i].config)
		}
	}
	for _, c := range configs {
		if !g.canSpare(c.Voters, n) || len(c.Outgoing) > 0 && !g.canSpare(c.Outgoing, n) {
			return false
		}
	}
	newest := []*consensus.Configuration{configs[0]}
	for _, l := range g.logs {
		if last := len(l.configs) - 1; last >= 0 && !l.lost {
			newest = append(newest, &l.configs[last].config)
		}
	}
	for _, c := range newest {
		for _, m := range c.Learners {
			if g.w.byID[ident.NodeID(m.Node)] == n && !g.canSpare(append(slices.Clone(c.Voters), m), n) {
				return false
			}
		}
	}
	return true
}

func (g *replicated) canSpare(half []consensus.Member, without *node) bool {
	left, concerned := 0, false
	for i := range half {
		n := g.w.byID[ident.NodeID(half[i].Node)]
		switch {
		case n == without:
			concerned = true
		case !n.gone && !n.disk.damaged:
			left++
		}
	}
	return !concerned || left > len(half)/2
}

// changeMembers gives a group other members to have, and may ask whoever believes
// to lead for a step there and then.
func (w *world) changeMembers() {
	g := w.anyGroup()
	if g.removed {
		return
	}
	for _, s := range g.seats {
		s.wanted = s.wanted && !s.node.gone && w.chance(80)
	}
	for _, n := range w.someNodes(w.random.IntN(4)) {
		g.seatFor(n, w.chance(85))
	}
	g.needVoter()
	for _, n := range w.leaders(g) {
		g.ask(n)
	}
}

// leaders are all nodes that believe to lead a group.
func (w *world) leaders(g *replicated) []*node {
	var all []*node
	for _, n := range w.nodes {
		if n.up && !n.disk.dying && n.host != nil {
			if info, ok := n.host.Info(g.id); ok && info.Role == consensus.Leader {
				all = append(all, n)
			}
		}
	}
	return all
}

// needVoter makes sure that somebody is wanted, and tells the nodes.
func (g *replicated) needVoter() {
	w, voters := g.w, 0
	for _, s := range g.seats {
		if s.wanted && s.voter {
			voters++
		}
	}
	if voters == 0 {
		g.seatFor(w.anyNode(), true)
	}
	for _, s := range g.seats {
		w.tell(s.node)
	}
}

// transfer hands a leadership over, or has a member ask for one.
func (w *world) transfer() {
	g := w.anyGroup()
	if g.removed {
		return
	}
	to := w.nodes[w.random.IntN(len(w.nodes))]
	if w.chance(30) {
		if to.up && to.pausedUntil <= w.now {
			to.host.Campaign(g.id)
			to.busy()
		}
		return
	}
	for _, n := range w.leaders(g) {
		n.host.Transfer(g.id, to.id, func(error) {})
		n.busy()
	}
}

// recreate removes a group and gives its name to another.
func (w *world) recreate() {
	if len(w.groups) == maxGroups {
		return
	}
	g := w.anyGroup()
	if g.removed {
		return
	}
	w.removeGroup(g)
	w.addGroup(g.name, w.plan.members)
}
