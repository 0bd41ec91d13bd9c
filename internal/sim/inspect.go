package sim

import (
	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// view is what was last seen of a member's core, to compare it with what a turn made
// of it.
type view struct {
	core                  *consensus.Core
	role                  consensus.Role
	term, commit, applied uint64
	config                *consensus.Configuration
	configIndex           uint64
	lease                 int64
}

// inspect looks into the cores of a node after its lanes had a turn.
func (n *node) inspect() {
	w := n.w
	if err := n.host.CheckLanes(); err != nil {
		w.violate(Bounded, "node %d: %v", n.id, err)
	}
	for _, g := range w.groups {
		if g.removed {
			continue
		}
		core := n.host.Core(g.id)
		if core == nil {
			continue
		}
		if err := core.Check(); err != nil {
			w.violate(Within, "node %d, group %d: %v", n.id, g.id, err)
		}
		for len(n.views) <= g.ordinal {
			n.views = append(n.views, view{})
		}
		before := &n.views[g.ordinal]
		after := view{
			core: core, role: core.Role(), term: core.Term(), commit: core.Commit(), applied: core.AppliedIndex(),
			config: core.Configuration(), configIndex: core.ConfigIndex(), lease: core.LeaseUntil(),
		}
		if before.core == core {
			n.compare(g, before, &after)
		}
		if after.lease > 0 && after.term < g.newest {
			g.checkLease(n, core)
		}
		*before = after
	}
}

// compare checks what a turn did to a core.
func (n *node) compare(g *replicated, before, after *view) {
	w := n.w
	if after.term < before.term || after.commit < before.commit || after.applied < before.applied {
		w.violate(Forward, "node %d, group %d: term %d, commit %d, applied %d after %d, %d, %d", n.id, g.id,
			after.term, after.commit, after.applied, before.term, before.commit, before.applied)
	}
	if after.commit > before.commit {
		g.commitTo(after.commit, n)
		if term, ok := after.core.TermOf(after.commit); ok && after.commit <= g.committed && term != g.at(after.commit).term {
			w.violate(Agreement, "group %d: node %d takes entry %d of term %d for committed, committed is one of term %d", g.id, n.id,
				after.commit, term, g.at(after.commit).term)
		}
	}
	if after.role != consensus.Leader || before.role != consensus.Leader || after.term != before.term {
		return
	}
	if after.commit > before.commit && after.commit <= g.committed && !g.committedBy(before, after) {
		w.violate(Durable, "group %d: node %d leads term %d and commits %d by %v of index %d; on disks: %s", g.id, n.id, after.term,
			after.commit, before.config, before.configIndex, g.onDisks())
	}
	if after.commit > before.commit && after.core.LeaseIndex() == 0 {
		w.violate(Durable, "group %d: node %d leads term %d and commits %d, of an earlier term, by counting", g.id, n.id, after.term, after.commit)
	}
	// Nobody has answered in one turn what was asked in it.
	if after.configIndex != before.configIndex && after.lease != 0 && after.lease == before.lease && len(after.config.Voters) > 1 {
		w.violate(Leased, "group %d: node %d keeps its lease of configuration %v under %v", g.id, n.id, before.config, after.config)
	}
}

// committedBy tells whether what a leader took for committed in a turn is on the disks
// of a quorum of a configuration that was in force on it meanwhile: the one before the
// turn, the one after it, or one in between.
func (g *replicated) committedBy(before, after *view) bool {
	chain := g.at(after.commit).chain
	for at, c := after.configIndex, after.config; at > before.configIndex; {
		if g.majorities(c, after.commit, chain) {
			return true
		}
		c, at = after.core.ConfigurationAt(at - 1)
	}
	return g.majorities(before.config, after.commit, chain)
}

// elected checks that a member that leads a new term was given the votes of a quorum
// of its configuration, and that nobody answers on a lease of an earlier term.
func (g *replicated) elected(by *node, id ident.MemberID, term uint64) {
	w := g.w
	if by.host == nil {
		return // a fleet's node is looked at from outside
	}
	if core := by.host.Core(g.id); core != nil && core.Role() == consensus.Leader && core.Term() == term {
		c := core.Configuration()
		if !g.voted(c.Voters, id, term) || len(c.Outgoing) > 0 && !g.voted(c.Outgoing, id, term) {
			w.violate(Elected, "group %d: member %d leads term %d without the votes of a quorum of %v", g.id, id, term, c)
		}
	}
	for _, n := range w.nodes {
		if n == by || !n.up || n.disk.dying || n.host == nil {
			continue
		}
		if core := n.host.Core(g.id); core != nil && core.Role() == consensus.Leader && core.Term() < term {
			g.checkLease(n, core)
		}
	}
}

// voted tells whether a majority has voted for a member in a term.
func (g *replicated) voted(half []consensus.Member, id ident.MemberID, term uint64) bool {
	yes := 0
	for i := range half {
		if g.votes[vote{ident.MemberID(half[i].ID), term}] == uint64(id) {
			yes++
		}
	}
	return yes > len(half)/2
}

// checkLease: who holds a lease is the newest leader.
func (g *replicated) checkLease(n *node, core *consensus.Core) {
	if until, now := core.LeaseUntil(), n.clock.monotonic(g.w.now); until > now {
		g.w.violate(Leased, "group %d: node %d, which leads term %d, holds a lease for %d ns more, term %d has a leader", g.id, n.id, core.Term(), until-now, g.newest)
	}
}
