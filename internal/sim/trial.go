package sim

import (
	"time"

	"github.com/raftfleet/raftfleet/consensus"
)

// tryOut has well groups do what a well group can always do: hand its leadership
// over, and sleep, and wake without an election.
func (w *world) tryOut() {
	for _, g := range w.groups {
		if !g.removed && w.failure == nil {
			g.tryTransfer()
		}
	}
	if w.plan.Faults&Sleep == 0 || !w.prompt() || w.failure != nil {
		return
	}
	for _, g := range w.groups {
		if !g.removed && w.failure == nil && w.sleeps() {
			g.tryWake()
		}
	}
}

// sleeps waits until all groups sleep, and all nodes have heard of each other.
func (w *world) sleeps() bool {
	w.runUntil(w.now+int64(time.Second), never)
	patience := 3*w.plan.config.SleepAfter + 4*w.plan.config.ElectionTimeout
	if !w.runUntil(w.now+int64(patience), w.allAsleep) {
		w.unhealed("not all groups fall asleep: %s", w.describeGroups())
		return false
	}
	return true
}

// prompt tells whether what is said is heard well within an election timeout, also
// where network and lanes happen to take their time.
func (w *world) prompt() bool {
	return w.plan.config.ElectionTimeout > 2*tick+20*(w.plan.lag+w.plan.latency)
}

// another finds a node with a voter that does not lead.
func (g *replicated) another(leader *node) *node {
	c := &g.configs[len(g.configs)-1].config
	first := g.w.random.IntN(len(g.seats))
	for i := range g.seats {
		s := g.seats[(first+i)%len(g.seats)]
		if !s.removed && s.node != leader && c.IsVoter(consensus.MemberID(s.member)) {
			return s.node
		}
	}
	return nil
}

// tryTransfer hands a leadership over.
func (g *replicated) tryTransfer() {
	w := g.w
	var last error
	for range 3 {
		w.runUntil(w.now+int64(10*w.plan.config.ElectionTimeout), func() bool { return g.leader() != nil })
		from := g.leader()
		if from == nil {
			break
		}
		to := g.another(from)
		if to == nil {
			return // it is alone
		}
		over := false
		from.host.Transfer(g.id, to.id, func(err error) { over, last = true, err })
		from.busy()
		if !w.runUntil(w.now+int64(15*time.Second), func() bool { return over }) {
			w.unhealed("group %d: nobody hears what became of a transfer: %s", g.id, w.describeGroups())
			return
		}
		if last == nil {
			return
		}
		w.runUntil(w.now+int64(4*w.plan.config.ElectionTimeout), never) // another may be under way
	}
	w.unhealed("group %d: a leadership cannot be handed over: %v: %s", g.id, last, w.describeGroups())
}

func (w *world) allAsleep() bool {
	for _, g := range w.groups {
		for _, s := range g.seats {
			if g.removed || s.removed {
				continue
			}
			if core := s.node.host.Core(g.id); core == nil || !core.Asleep() {
				return false
			}
		}
	}
	return true
}

// tryWake has a member believe that its leader's node is gone: it wakes, and hears
// from the leader before it would campaign.
func (g *replicated) tryWake() {
	w := g.w
	leader := g.leader()
	if leader == nil {
		w.unhealed("group %d fell asleep without a leader: %s", g.id, w.describeGroups())
		return
	}
	n := g.another(leader)
	if n == nil {
		return
	}
	asked, core := g.preVotes, leader.host.Core(g.id)
	w.net.mute = [2]*node{leader, n}
	woke := w.runUntil(w.now+int64(1500*time.Millisecond+4*w.plan.config.ElectionTimeout), func() bool {
		return !core.Asleep() || g.preVotes != asked
	})
	w.net.mute = [2]*node{}
	if (!woke || g.preVotes != asked) && w.failure == nil {
		w.unhealed("group %d: node %d did not hear node %d for a while, woke, and asked for an election beside its leader: %s", g.id, n.id, leader.id, w.describeGroups())
	}
}

// allAnswered tells whether each call that was handed to a node's host was answered.
func (w *world) allAnswered() bool {
	for _, n := range w.nodes {
		if n.owed != 0 {
			return false
		}
	}
	return true
}
