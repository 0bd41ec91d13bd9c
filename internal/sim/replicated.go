package sim

import (
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// replicated is one group of the run, and all that is known of it: who should be
// its members, what is committed, and what was applied.
type replicated struct {
	w         *world
	id        ident.GroupID
	ordinal   int // its type's number
	name      string
	removed   bool
	kind      string // of a fleet's group: its type,
	initial   uint64 // and a hash of the state it began with
	first     []group.Peer
	seats     []*seat
	nextID    ident.MemberID
	moving    bool   // a step of its mover is under way
	asked     *node  // whom it asked last for a change, until there is an answer,
	askedBoot uint64 // and in which of its lives
	preVotes  int64  // how often somebody asked for an election
	changed   int64  // when a change was last asked for

	logs      []*memberLog
	committed uint64
	entries   []logEntry // of committed indexes, from 1
	knownIn   []uint64   // the newest term that had a leader when each was known to be committed
	newest    uint64     // the newest term that had a leader
	ledSince  int64      // when a leader was seen last that led no term before
	configs   []configEntry
	seen      [][]logEntry // by index: what ever was durable anywhere
	leaders   map[uint64]ident.MemberID
	votes     map[vote]uint64
	snapshots map[uint64]uint64

	values   []applied // by count of commands, from 1
	commands map[uint64]*command
	floor    uint64 // the highest count that somebody was told
}

type vote struct {
	by   ident.MemberID
	term uint64
}

// seat is a place in the group that the run gave to a node.
type seat struct {
	member  ident.MemberID
	node    *node
	voter   bool
	wanted  bool
	removed bool // the group has given it up: what is left of it is to be deleted
}

// applied is one command's place in the group's history.
type applied struct {
	index, op, hash uint64
}

func (w *world) groupOf(id ident.GroupID) *replicated {
	if w.fleet != nil {
		return w.fleet.byGroup[id]
	}
	for _, g := range w.groups {
		if g.id == id {
			return g
		}
	}
	return nil
}

func (g *replicated) at(index uint64) logEntry { return g.entries[index-1] }

func (g *replicated) logOf(id ident.MemberID) *memberLog {
	for _, l := range g.logs {
		if l.id == id {
			return l
		}
	}
	return nil
}

// note remembers an entry that became durable somewhere; index and term mean one
// and the same log up to there. It reports whether it is the first of its kind.
func (g *replicated) note(index uint64, e logEntry, l *memberLog) bool {
	for uint64(len(g.seen)) <= index {
		g.seen = append(g.seen, nil)
	}
	for _, other := range g.seen[index] {
		if other.term == e.term {
			if other.chain != e.chain {
				g.w.violate(Matching, "group %d: member %d has another log at %d of term %d than others", g.id, l.id, index, e.term)
			}
			return false
		}
	}
	g.seen[index] = append(g.seen[index], e)
	return true
}

func (g *replicated) vote(by ident.MemberID, term, for_ uint64) {
	key := vote{by, term}
	other, ok := g.votes[key]
	if ok && other != for_ {
		g.w.violate(OneVote, "group %d: member %d voted for %d and %d in term %d", g.id, by, other, for_, term)
	}
	if !ok {
		g.votes[key] = for_
	}
}

// leads takes note of who leads a term. A new leader must have everything.
func (g *replicated) leads(by *node, id ident.MemberID, term uint64) {
	if other, ok := g.leaders[term]; ok {
		if other != id {
			g.w.violate(OneLeader, "group %d: %d and %d both lead term %d", g.id, other, id, term)
		}
		return
	}
	g.leaders[term] = id
	g.newest, g.ledSince = max(g.newest, term), g.w.now
	g.w.result.Counts["elections"]++
	g.elected(by, id, term)
	// What was committed in its own or a later term it need not have: it may have been
	// elected before, and have heard of it after a pause.
	must := g.committed
	for must > 1 && g.knownIn[must-1] >= term {
		must--
	}
	if l := g.logOf(id); l == nil || !l.holds(must, g.at(must).chain) {
		g.w.violate(Completeness, "group %d: member %d leads term %d without entry %d; on disks: %s", g.id, id, term, must, g.onDisks())
	}
}

// commitTo takes note that somebody knows an index to be committed: then it must be
// on the disks of a quorum.
func (g *replicated) commitTo(index uint64, by *node) {
	if index <= g.committed {
		return
	}
	var tried [8]uint64
	n := 0
	for _, l := range g.logs {
		e, ok := l.at(index)
		if !ok || l.base > g.committed || slices.Contains(tried[:n], e.chain) || n == len(tried) {
			continue
		}
		tried[n] = e.chain
		n++
		if g.quorumHolds(l, index, e.chain) {
			g.extend(l, index)
			return
		}
	}
	g.w.violate(Durable, "group %d: node %d takes entry %d for committed, %d is; on disks: %s", g.id, by.id, index, g.committed, g.onDisks())
}

// quorumHolds tells whether an entry, which log l has, is on the disks of a
// majority of the configuration at that index, or of one behind it by which it
// may have been committed.
func (g *replicated) quorumHolds(l *memberLog, index, chain uint64) bool {
	if c := g.configAt(l, index); c != nil && (g.majorities(&c.config, index, chain) || g.settles(l, c, index, chain)) {
		return true
	}
	for _, other := range g.logs {
		if !other.holds(index, chain) {
			continue
		}
		for i := range other.configs {
			if c := &other.configs[i]; c.index > index && (g.majorities(&c.config, index, chain) || g.settles(other, c, index, chain)) {
				return true
			}
		}
	}
	return false
}

// configAt finds the configuration at an index of a log that goes on from what is
// committed; without a log, of what is committed.
func (g *replicated) configAt(l *memberLog, index uint64) *configEntry {
	if l != nil {
		for i := len(l.configs) - 1; i >= 0; i-- {
			if c := &l.configs[i]; c.index <= index && c.index > g.committed {
				return c
			}
		}
	}
	for i := len(g.configs) - 1; i >= 0; i-- {
		if c := &g.configs[i]; c.index <= index {
			return c
		}
	}
	return nil
}

func (g *replicated) majorities(c *consensus.Configuration, index, chain uint64) bool {
	return g.majority(c.Voters, index, chain) && (len(c.Outgoing) == 0 || g.majority(c.Outgoing, index, chain))
}

// settles tells whether a joint configuration is on the disks that commit it. From
// then on a leader may count by its incoming half alone, as soon as it has appended
// the configuration that leaves it, durable or not: whoever is elected needs that
// half, under the one configuration as under the other.
func (g *replicated) settles(l *memberLog, c *configEntry, index, chain uint64) bool {
	if !c.config.Joint() {
		return false
	}
	e, ok := l.at(c.index)
	return ok && g.majorities(&c.config, c.index, e.chain) && g.majority(c.config.Voters, index, chain)
}

func (g *replicated) majority(half []consensus.Member, index, chain uint64) bool {
	have := 0
	for i := range half {
		if l := g.logOf(ident.MemberID(half[i].ID)); l != nil && l.holds(index, chain) {
			have++
		}
	}
	return have > len(half)/2
}

// extend moves what is committed forward along a log.
func (g *replicated) extend(l *memberLog, index uint64) {
	for i := range l.configs {
		if c := &l.configs[i]; c.index > g.committed && c.index <= index {
			g.configs = append(g.configs, *c)
		}
	}
	for i := g.committed + 1; i <= index; i++ {
		e, _ := l.at(i)
		g.entries = append(g.entries, e)
		g.knownIn = append(g.knownIn, g.newest)
	}
	g.committed = index
	g.w.result.Checked++
}

// checkChange looks at a configuration that was never seen before.
func (g *replicated) checkChange(l *memberLog, index uint64, c *consensus.Configuration) {
	var before *configEntry
	if n := len(l.configs); n > 0 {
		before = &l.configs[n-1]
	} else {
		for i := len(g.configs) - 1; i >= 0 && before == nil; i-- {
			if g.configs[i].index <= l.base {
				before = &g.configs[i]
			}
		}
	}
	if before == nil {
		return
	}
	if g.w.fleet != nil && c.Joint() {
		g.checkMove(index, c)
	}
	old := &before.config
	bad := func(what string) {
		g.w.violate(Overlap, "group %d: configuration %v at %d behind %v at %d: %s", g.id, c, index, old, before.index, what)
	}
	switch {
	case before.index > g.committed:
		bad("the one before is not committed")
	case old.Joint() && (c.Joint() || !sameMembers(c.Voters, old.Voters)):
		bad("a joint one is left for something else than its incoming half")
	case !old.Joint() && c.Joint() && !sameMembers(c.Outgoing, old.Voters):
		bad("its outgoing half is another")
	case !old.Joint() && !c.Joint() && !sameMembers(c.Voters, old.Voters):
		bad("voters changed without a joint one")
	}
}

func sameMembers(a, b []consensus.Member) bool {
	return slices.EqualFunc(a, b, func(x, y consensus.Member) bool { return x.ID == y.ID })
}

func (g *replicated) onDisks() string {
	s := ""
	for _, l := range g.logs {
		s += " " + l.describe()
		for i := range l.configs {
			s += fmt.Sprintf("%d:%v", l.configs[i].index, l.configs[i].config)
		}
	}
	c := &g.configs[len(g.configs)-1]
	return s + fmt.Sprintf("; committed at %d: %v", c.index, c.config)
}
