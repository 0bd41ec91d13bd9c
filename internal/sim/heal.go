package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// heal ends all faults and waits for everything to be well: leaders soon, then all
// calls answered, all members where they should be, all alike, nothing left over.
func (w *world) heal() {
	w.limp()
	if w.failure != nil {
		return
	}
	w.endFaults()
	for _, g := range w.groups {
		if !g.removed {
			g.replaceLost()
		}
	}
	if !w.runUntil(w.now+int64(40*time.Second), w.allUp) {
		w.unhealed("not all nodes are up: %s", w.describeNodes())
		return
	}
	timeout := 2 * w.plan.config.ElectionTimeout
	if !w.runUntil(w.now+int64(5*timeout)+int64(time.Second), w.allLed) {
		w.unhealed("no leader within five election timeouts: %s", w.describeGroups())
		return
	}
	if !w.runUntil(w.now+int64(60*time.Second), w.allWell) {
		w.unhealed("%s", w.whatIsWrong())
		return
	}
	w.tryOut()
	if w.failure == nil && !w.runUntil(w.now+int64(60*time.Second), w.allWell) {
		w.unhealed("%s", w.whatIsWrong())
		return
	}
	if w.failure == nil && !w.runUntil(w.now+int64(15*time.Second), w.allAnswered) {
		w.unhealed("some calls were never answered: %s", w.describeNodes())
		return
	}
	w.checkRest()
	w.checkBounds()
}

// checkBounds asks every member what it still holds, when nothing waits any more:
// what is left then has leaked, and would grow.
func (w *world) checkBounds() {
	asked, answered := 0, 0
	for _, n := range w.nodes {
		for _, g := range w.groups {
			if _, ok := n.host.Info(g.id); !ok {
				continue
			}
			asked++
			n.process.Go(func() {
				s, err := n.host.Status(noContext, g.id)
				answered++
				c := &s.Core
				switch {
				case err != nil:
					w.unhealed("node %d, group %d: it does not say how it is: %v", n.id, g.id, err)
				case c.UncommittedBytes != 0 && c.Commit == c.Last:
					w.violate(Bounded, "node %d, group %d: all is committed and %d bytes are not", n.id, g.id, c.UncommittedBytes)
				case c.PendingReads != 0 && c.Role != consensus.Leader:
					w.violate(Bounded, "node %d, group %d: %d reads wait on a member that does not lead", n.id, g.id, c.PendingReads)
				}
				for _, m := range c.Members {
					if m.Match == c.Last && (m.Inflight != 0 || m.InflightBytes != 0) && c.Commit == c.Last {
						w.violate(Bounded, "node %d, group %d: member %d has all and %d messages of %d bytes are on their way to it", n.id, g.id, m.ID, m.Inflight, m.InflightBytes)
					}
				}
			})
		}
		stats := n.log.Stats()
		if stats.QueuedBytes > 2*w.plan.queued+1<<20 {
			w.violate(Bounded, "node %d: %d bytes wait for the log", n.id, stats.QueuedBytes)
		}
		if stats.Segments > 64 {
			w.violate(Bounded, "node %d: the log has %d segments for %d live bytes", n.id, stats.Segments, stats.LiveBytes)
		}
	}
	if !w.runUntil(w.now+int64(5*time.Second), func() bool { return answered == asked }) && asked > 0 {
		w.unhealed("%d of %d members say how they are", answered, asked)
	}
}

// endFaults ends all faults of the network, of time and of disks.
func (w *world) endFaults() {
	w.healing = true
	w.plan.pace = 100 * time.Millisecond
	clear(w.net.cut)
	clear(w.net.slow)
	clear(w.net.last) // what is late comes late, and holds up nothing any more
	w.net.loss, w.net.delay, w.idleUntil = 0, 0, 0
	for _, n := range w.nodes {
		d := n.disk
		d.ops, d.failIn, d.stallFor, d.powerLost = -1, -1, 0, false
		d.hasRoom()
		n.clock.drift(w.now, trueRate)
		n.start()
	}
}

func (w *world) unhealed(format string, args ...any) { w.violate(Heals, format, args...) }

func (w *world) allUp() bool {
	for _, n := range w.nodes {
		if n.away {
			continue
		}
		if !n.up || n.inTurn || n.pausedUntil+int64(tick) > w.now {
			return false
		}
		for _, g := range w.groups {
			if info, ok := n.host.Info(g.id); ok && info.Failed != nil {
				return false
			}
		}
	}
	return true
}

func (w *world) allLed() bool {
	for _, g := range w.groups {
		if !g.removed && g.leader() == nil {
			return false
		}
	}
	return true
}

func (w *world) allWell() bool {
	if w.result.Steps%64 != 0 {
		return false // it is not cheap to ask
	}
	return w.whatIsWrong() == ""
}

// replaceLost wants other members in place of those whose disks are gone.
func (g *replicated) replaceLost() {
	lost := false
	for _, s := range g.seats {
		if s.wanted && s.node.gone {
			s.wanted, lost = false, true
		}
	}
	if lost {
		g.seatFor(g.w.anyNode(), true)
	}
	g.needVoter()
}

func (w *world) whatIsWrong() string {
	for _, c := range w.clients {
		if c.open != 0 {
			return fmt.Sprintf("%d calls of group %s are not answered:%s%s", c.open, c.name, w.describeCalls(), w.describeGroups())
		}
	}
	for _, g := range w.groups {
		if wrong := g.wrong(); wrong != "" {
			return fmt.Sprintf("group %d: %s: %s", g.id, wrong, w.describeGroups())
		}
	}
	return ""
}

func (g *replicated) wrong() string {
	g.hear()
	if !g.removed && !g.settled() {
		return "its members are not those it should have"
	}
	for _, n := range g.w.nodes {
		var want ident.MemberID
		for _, s := range g.seats {
			if s.node == n && !s.removed {
				want = s.member
			}
		}
		info, ok := n.host.Info(g.id)
		switch {
		case want == 0 && ok:
			return fmt.Sprintf("node %d has member %d left over", n.id, info.Member)
		case want == 0:
			for m := range n.disk.durable {
				if m.Group == uint64(g.id) {
					return fmt.Sprintf("node %d has the log of member %d left over", n.id, m.ID)
				}
			}
			continue
		case !ok || info.Member != want:
			return fmt.Sprintf("node %d has no member %d", n.id, want)
		case info.Failed != nil:
			return fmt.Sprintf("node %d: member %d failed: %v", n.id, want, info.Failed)
		}
		index, _, err := n.host.Applied(g.id)
		if err != nil || index < g.committed {
			return fmt.Sprintf("node %d has applied %d of %d", n.id, index, g.committed)
		}
	}
	return ""
}

// checkRest looks at what is left when everything is well.
func (w *world) checkRest() {
	for _, n := range w.nodes {
		records, err := n.disk.store.Store.Members()
		if err != nil {
			w.violate(Heals, "node %d: %v", n.id, err)
		}
		for _, r := range records {
			if g := w.groupOf(r.Key.Group); g == nil || !slices.ContainsFunc(g.seats, func(s *seat) bool {
				return s.node == n && s.member == r.Key.Member && !s.removed
			}) {
				w.violate(Heals, "node %d has a record of member %d of group %d left over", n.id, r.Key.Member, r.Key.Group)
			}
		}
	}
	for _, g := range w.groups {
		for op, c := range g.commands {
			if c.state == acknowledged && c.position == 0 {
				w.violate(Kept, "group %d: command %d was acknowledged and never applied", g.id, op)
			}
		}
	}
}

func (w *world) describeNodes() string {
	s := ""
	for _, n := range w.nodes {
		s += fmt.Sprintf(" %d:up=%v,boot=%d,owes=%d", n.id, n.up, n.boot, n.owed)
	}
	return s
}

func (w *world) describeCalls() string {
	s := ""
	for _, g := range w.groups {
		for _, m := range g.commands {
			if m.state == calling {
				s += fmt.Sprintf(" command %d (%v) of group %d, attempt %d", m.op, m.id, g.id, m.attempt)
			}
		}
	}
	return s
}

func (w *world) describeGroups() string {
	s := ""
	for _, g := range w.groups {
		if g.removed {
			continue
		}
		s += fmt.Sprintf("\n  group %d: committed %d, %v; on disks:%s", g.id, g.committed, g.configs[len(g.configs)-1].config, g.onDisks())
		for _, seat := range g.seats {
			if seat.removed {
				continue
			}
			n := seat.node
			s += fmt.Sprintf("\n    member %d on node %d wanted=%v voter=%v gone=%v", seat.member, n.id, seat.wanted, seat.voter, n.gone)
			if n.up {
				if info, ok := n.host.Info(g.id); ok {
					index, _, _ := n.host.Applied(g.id)
					s += fmt.Sprintf(": %v of term %d, leader %d, asleep=%v, applied %d, failed=%v", info.Role, info.Term, info.Leader, info.Asleep, index, info.Failed)
				}
			}
		}
	}
	return s
}
