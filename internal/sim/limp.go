package sim

import (
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// limp ends all faults but one: as many nodes stay down as every group can spare,
// most often with a leader among them. The others must find leaders; and when the
// rest come back they must not disturb these.
func (w *world) limp() {
	down := w.spared()
	if len(down) == 0 {
		return
	}
	w.limping = true
	defer func() { w.limping = false }()
	for _, n := range down {
		n.away = true
		if n.up {
			n.fall()
		}
	}
	w.endFaults()
	w.result.Counts["limps"]++
	if !w.runUntil(w.now+int64(40*time.Second), w.allUp) {
		w.unhealed("not all nodes that are to be up are: %s", w.describeNodes())
		return
	}
	// A silent node is noticed after a second; asleep nobody looks before.
	patience := int64(10*w.plan.config.ElectionTimeout) + int64(2*time.Second)
	if !w.runUntil(w.now+patience, w.allLed) {
		w.unhealed("a majority is up and finds no leader within five election timeouts: %s", w.describeGroups())
		return
	}
	rest := int64(4 * w.plan.config.ElectionTimeout)
	w.runUntil(w.now+rest, never)
	leads := make(map[*replicated]reign)
	for _, g := range w.groups {
		if n := g.leader(); n != nil && !g.removed {
			info, _ := n.host.Info(g.id)
			leads[g] = reign{n, info.Member, n.boot, info.Term}
		}
	}
	for _, n := range down {
		n.away = false
		n.start()
		w.noteTerms(n)
	}
	if w.failure == nil {
		w.runUntil(w.now+rest, never)
	}
	for _, g := range w.groups {
		if r, ok := leads[g]; ok && w.failure == nil && w.prompt() && !r.goesOn(g, down) {
			w.violate(Heals, "group %d: node %d led term %d, and does no more when others are back: %s", g.id, r.by.id, r.term, w.describeGroups())
		}
	}
}

func never() bool { return false }

// noteTerms notes what a node that comes back brings with it: also a term that was
// on its way to the disk when it fell.
func (w *world) noteTerms(n *node) {
	for _, l := range n.disk.durable {
		l.came = l.state.Term
	}
}

// reign is a leadership that nothing should end.
type reign struct {
	by     *node
	member ident.MemberID
	boot   uint64
	term   uint64
}

// goesOn tells whether it was not ended, or for a good reason: the leader's process
// was started anew, one who came back has seen a newer term, or a change that had begun
// takes the leader's vote.
func (r reign) goesOn(g *replicated, back []*node) bool {
	if !r.by.up || r.by.boot != r.boot {
		return true
	}
	for _, n := range back {
		for _, l := range g.logs {
			if l.n == n && !l.lost && l.came > r.term {
				return true
			}
		}
	}
	if !g.configs[len(g.configs)-1].config.IsVoter(consensus.MemberID(r.member)) {
		return true
	}
	core := r.by.host.Core(g.id)
	return core == nil || core.Role() == consensus.Leader && core.Term() == r.term
}

// spared chooses nodes that every group can spare for a while, whatever of its
// changes is in force on some member.
func (w *world) spared() []*node {
	for _, g := range w.groups {
		if a := g.asked; !g.removed && a != nil && a.up && a.boot == g.askedBoot {
			return nil // there may be a change that nobody knows of yet
		}
	}
	order := w.someNodes(len(w.nodes))
	if n := w.anyGroup().leader(); n != nil && w.chance(80) {
		order = append([]*node{n}, order...)
	}
	down := make(map[*node]bool)
	var chosen []*node
	for _, n := range order {
		if down[n] || w.chance(20) {
			continue
		}
		down[n] = true
		if !w.canDoWithout(down) {
			delete(down, n)
			continue
		}
		chosen = append(chosen, n)
	}
	return chosen
}

func (w *world) canDoWithout(down map[*node]bool) bool {
	for _, g := range w.groups {
		if g.removed {
			continue
		}
		configs := []*consensus.Configuration{&g.configs[len(g.configs)-1].config}
		for _, l := range g.logs {
			for i := range l.configs {
				configs = append(configs, &l.configs[i].config)
			}
		}
		for _, n := range w.nodes {
			if n.host != nil {
				if core := n.host.Core(g.id); core != nil {
					configs = append(configs, core.Configuration())
				}
			} else if c := n.left[g.id]; c != nil {
				configs = append(configs, c)
			}
		}
		for _, c := range configs {
			if !w.majorityUp(c.Voters, down) || len(c.Outgoing) > 0 && !w.majorityUp(c.Outgoing, down) {
				return false
			}
		}
	}
	return true
}

func (w *world) majorityUp(half []consensus.Member, down map[*node]bool) bool {
	up := 0
	for i := range half {
		if n := w.byID[ident.NodeID(half[i].Node)]; !n.gone && !n.disk.damaged && !down[n] {
			up++
		}
	}
	return up > len(half)/2
}
