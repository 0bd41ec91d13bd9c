package sim

import (
	"errors"
	"syscall"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// lossPause is how long the fleet has at least between two disks that are lost: what
// a leader has begun and not written yet may count by then. Where a group moves it
// has longer.
const (
	lossPause     = 3 * time.Second
	lossPauseMove = 20 * time.Second
)

// losable picks a node whose disk may be lost or damaged; nil where there is none.
func (f *fleetRun) losable() *node {
	// A group that is being added may begin on a node of which nobody else knows it yet.
	if f.fleetID == 0 || f.lost != 0 && f.now-f.lost < int64(lossPause) || f.adding > 0 || f.now-f.added < int64(lossPause) {
		return nil
	}
	for _, n := range f.someNodes(len(f.nodes)) {
		if f.canLose(n) {
			f.lost = f.now
			return n
		}
	}
	return nil
}

// canLose tells whether no group loses its quorum, nor anything that it has
// acknowledged, with a node's disk.
func (f *fleetRun) canLose(n *node) bool {
	return !n.gone && !n.disk.damaged && f.canSpare(n)
}

// canSpare is canLose for a node whose disk may have damage already.
func (f *fleetRun) canSpare(n *node) bool {
	for _, g := range f.groups {
		if g.removed || !f.sits(g, n) {
			continue
		}
		if !f.settled(g) && f.lost != 0 && f.now-f.lost < int64(lossPauseMove) || !g.canLose(n) {
			return false
		}
	}
	return true
}

// settled tells whether a group has the members that the catalogue wants.
func (f *fleetRun) settled(g *replicated) bool {
	if g.id == ident.Catalogue {
		return true
	}
	known, ok := f.record.machine.GroupByID(g.id)
	return ok && known.Settled == known.Epoch
}

// sits tells whether a node has a member of the group, or had one, or is to have one.
func (f *fleetRun) sits(g *replicated, n *node) bool {
	for _, s := range g.seats {
		if s.node == n {
			return true
		}
	}
	known, ok := f.record.machine.GroupByID(g.id)
	if !ok {
		return false
	}
	_, placed := known.MemberOn(n.id)
	return placed
}

// flipBit turns a bit on the disk of a node, under its running process or while that
// is gone. Whoever reads it must notice; in the end the node refuses to start, and
// its operator removes the folder and lets it join as another one.
func (f *fleetRun) flipBit() {
	n := f.losable()
	if n == nil || !n.up || n.inTurn || n.log == nil {
		return // a log that is being opened may have been read: nobody could tell what the start says of the bit
	}
	running := f.chance(50)
	if !running {
		n.fall()
	}
	if !n.turnBit() {
		return
	}
	n.disk.damaged = true
	if running {
		f.after(time.Duration(f.about(5*time.Second)), func() { f.restart(n) })
	}
}

// restart has an operator restart a node.
func (f *fleetRun) restart(n *node) {
	if n.up {
		n.fall()
	}
}

// opened is told how the opening of a log went, as soon as that is known. It reads all
// of the log, so where there was damage on the disk either nothing that counts is
// damaged, or the disk is to be given up.
func (f *fleetRun) opened(n *node, err error) {
	switch {
	case !n.disk.damaged || errors.Is(err, syscall.EIO):
	case err == nil:
		n.disk.damaged = false
		f.result.Counts["harmless flip"]++
	case !n.disk.refused:
		n.disk.refused = true
		f.result.Counts["refused to start"]++
		f.after(time.Duration(f.about(2*time.Second)), func() { f.giveUp(n) })
	}
}

// giveUp has an operator do as the refusal says. Since the bit was turned groups may
// have moved, and one may need this disk by now: then what is on it comes back from a
// copy of the disk, and the node starts again.
func (f *fleetRun) giveUp(n *node) {
	if n.gone {
		return
	}
	if f.canSpare(n) {
		n.lose()
		return
	}
	f.result.Counts["restored disk"]++
	n.disk.mend()
}
