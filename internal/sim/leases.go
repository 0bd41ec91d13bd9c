package sim

import (
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// temptLease brings about what a lease must withstand. Whoever asks its holder
// meanwhile must not hear what is old.
func (w *world) temptLease() {
	if len(w.groups) == 0 {
		return // nobody founded the fleet yet
	}
	g := w.anyGroup()
	leader := g.leader()
	if g.removed || leader == nil {
		return
	}
	w.result.Counts["tempted lease"]++
	timeout := w.plan.config.ElectionTimeout
	switch w.random.IntN(5) {
	case 0:
		w.cutOff(leader)
	case 1:
		// It stands still, and when it goes on, it has heard of nothing.
		long := timeout + time.Duration(w.random.Int64N(int64(2*timeout)))
		leader.pausedUntil = max(leader.pausedUntil, w.now+int64(long))
		w.cutOffFor(leader, long+timeout)
	case 2:
		w.forgetPromises(g, leader)
	case 3:
		// What it is answered comes late, and then it is heard no more.
		late := time.Duration(w.random.Int64N(int64(timeout)))
		for _, n := range w.nodes {
			if n != leader {
				w.slowLink(n, leader, late, 4*timeout)
			}
		}
		w.at(w.now+int64(timeout+time.Duration(w.about(timeout))), leader, func() {
			for _, n := range w.nodes {
				if n != leader && !w.healing {
					w.cutFor([][2]ident.NodeID{{leader.id, n.id}}, 3*timeout)
				}
			}
		})
	case 4:
		// The one that is to lead hears of it late, and is heard late.
		if to := g.another(leader); to != nil {
			late := timeout/30 + time.Duration(w.random.Int64N(int64(timeout/4)))
			w.slowLink(leader, to, late, 2*timeout)
			w.slowLink(to, leader, late, 2*timeout)
			leader.host.Transfer(g.id, to.id, func(error) {})
			leader.busy()
		}
	}
}

// forgetPromises lets one member campaign that hears nothing from its leader, while
// those that do are started anew.
func (w *world) forgetPromises(g *replicated, leader *node) {
	alone := g.another(leader)
	if alone == nil {
		return
	}
	timeout := w.plan.config.ElectionTimeout
	w.cutFor([][2]ident.NodeID{{leader.id, alone.id}}, 5*timeout)
	c := &g.configs[len(g.configs)-1].config
	for _, s := range g.seats {
		n := s.node
		if s.removed || n == leader || n == alone || !c.IsVoter(consensus.MemberID(s.member)) {
			continue
		}
		for i := range 4 {
			at := timeout + time.Duration(i)*timeout + time.Duration(w.random.Int64N(int64(timeout)))
			w.after(at, func() {
				if !n.up || !alone.up || alone.host == nil || w.healing {
					return
				}
				n.fall()
				n.start()
				w.at(w.now+w.random.Int64N(int64(tick)), alone, func() {
					if alone.host == nil {
						return
					}
					alone.host.Campaign(g.id)
					alone.busy()
				})
			})
		}
	}
}

// slowLink has messages from one node to another take longer for a while.
func (w *world) slowLink(from, to *node, by, long time.Duration) {
	link := [2]ident.NodeID{from.id, to.id}
	w.net.slow[link] = by
	w.after(long, func() { delete(w.net.slow, link) })
}
