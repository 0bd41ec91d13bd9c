package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Here what the catalogue decides is held against what it decided before, and
// against the disks.

// decided is what the run knows of the last decision, to compare the next one with.
type decided struct {
	groups   map[ident.GroupID]*catalogue.Group
	archives map[string]*catalogue.Archive
	lost     map[ident.NodeID]int64 // since when a node that was listed is not, or is dead
	highest  ident.GroupID
}

func newDecided() decided {
	return decided{make(map[ident.GroupID]*catalogue.Group), make(map[string]*catalogue.Archive), make(map[ident.NodeID]int64), 0}
}

// groupDecided takes note of a group that a decision changed.
func (l *ledgerOfFleet) groupDecided(id ident.GroupID) {
	f, was := l.f, l.before.groups[id]
	g, ok := l.machine.GroupByID(id)
	f.result.Checked++
	switch {
	case !ok:
		delete(l.before.groups, id)
		f.goneGroup(id)
		return
	case was == nil && id <= l.before.highest:
		f.violate(Apart, "group %d (%s) is added after group %d", id, g.Name, l.before.highest)
	case was == nil:
		l.before.highest = id
		f.addedGroup(g)
		l.restored(g)
	default:
		if g.NextMember < was.NextMember || g.Epoch < was.Epoch || g.Settled < was.Settled || g.ConfiguredIndex < was.ConfiguredIndex {
			f.violate(Forward, "group %d: the catalogue goes from %+v back to %+v", id, was, g)
		}
		if g.Epoch != was.Epoch {
			l.retargeted(was, g)
			l.begun(was, g, l.log)
		}
		if g.Settled != was.Settled && g.Settled == g.Epoch {
			f.settledAt(g)
		}
	}
	l.before.groups[id] = g
}

// lostFor is how long a node must be known to be lost before its groups may not be
// given targets as if it were not: a decision may have been on its way.
const lostFor = 5 * time.Second

// retargeted checks a new target: a group that has lost its quorum is left as it is,
// for nobody can tell what it had acknowledged.
func (l *ledgerOfFleet) retargeted(was, g *catalogue.Group) {
	f, lost := l.f, 0
	for _, m := range was.Configured {
		if since, ok := l.before.lost[m.Node]; ok && f.now-since > int64(lostFor) {
			lost++
		}
	}
	// Who should lead may be set all the same, as an operator does who hands leadership over.
	if 2*lost > len(was.Configured) && !slices.Equal(g.Target, was.Target) {
		f.violate(Overlap, "group %d, of whose members %v %d are lost, is to have %v", g.ID, was.Configured, lost, g.Target)
	}
	for _, m := range g.Target {
		if k := slices.IndexFunc(was.Configured, func(c catalogue.Member) bool { return c.Node == m.Node }); k >= 0 && was.Configured[k].ID != m.ID {
			f.violate(Apart, "group %d: node %d has member %d, its target says %d", g.ID, m.Node, was.Configured[k].ID, m.ID)
		}
	}
}

// settledAt checks the report that a target is reached: that is its configuration,
// and it is committed.
func (f *fleetRun) settledAt(g *catalogue.Group) {
	r := f.groupOf(g.ID)
	config := r.configWith(g.ConfiguredIndex)
	if config == nil {
		f.violate(OneCatalogue, "group %d: its target of epoch %d is reported as reached at %d, where no disk has a configuration; on disks:%s", g.ID, g.Epoch, g.ConfiguredIndex, r.onDisks())
		return
	}
	same := !config.Joint() && len(config.Learners) == 0 && len(config.Voters) == len(g.Target)
	for _, m := range g.Target {
		same = same && config.IsVoter(consensus.MemberID(m.ID))
	}
	if !same {
		f.violate(OneCatalogue, "group %d: its target %v is reported as reached with the configuration %v", g.ID, g.Target, config)
	}
}

// configWith finds the configuration of an index that is committed, or else one
// that some disk has there.
func (g *replicated) configWith(index uint64) *consensus.Configuration {
	for i := range g.configs {
		if c := &g.configs[i]; c.index == index {
			return &c.config
		}
	}
	for _, l := range g.logs {
		for i := range l.configs {
			if c := &l.configs[i]; c.index == index {
				return &c.config
			}
		}
	}
	return nil
}

// nodeDecided takes note of a node that a decision changed.
func (l *ledgerOfFleet) nodeDecided(id ident.NodeID) {
	n, listed := l.machine.Node(id)
	if listed && n.State != placement.Dead {
		delete(l.before.lost, id)
	} else if _, known := l.before.lost[id]; !known {
		l.before.lost[id] = l.f.now
	}
}

// keptStates checks the archives: each has all that its group acknowledged, and stays
// until a group is made of it or another takes its place.
func (l *ledgerOfFleet) keptStates() {
	f := l.f
	for _, a := range l.machine.Archives() {
		if l.before.archives[a.Name] == a {
			continue
		}
		l.before.archives[a.Name] = a
		f.result.Counts["archived"]++
		f.completeState(a.Type, a.State, "the archive of "+a.Name)
	}
	for name, was := range l.before.archives {
		if _, ok := l.machine.Archive(name); ok {
			continue
		}
		delete(l.before.archives, name)
		if g, ok := l.machine.Group(name); !ok || g.Type != was.Type || g.ID <= was.Group {
			f.violate(Kept, "the archive of %s is gone", name)
		}
	}
}

// restored checks a group that begins with a state.
func (l *ledgerOfFleet) restored(g *catalogue.Group) {
	if was := l.before.archives[g.Name]; was != nil && g.Type == was.Type {
		l.f.result.Counts["restored"]++
		l.f.completeState(g.Type, g.Initial, "the initial state of "+g.Name)
	}
}

// completeState checks that a kept state has everything that somebody was told.
func (f *fleetRun) completeState(kind string, b []byte, what string) {
	l := f.lineageOf(kind)
	if l == nil || len(b) != 32 || binary.LittleEndian.Uint64(b) != uint64(l.ordinal) {
		f.violate(Alike, "%s, of %d bytes, is not one of %s", what, len(b), kind)
		return
	}
	count, hash := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	switch {
	case !l.was(count, hash):
		f.violate(Alike, "%s has %d commands and never was so", what, count)
	case count < l.floor:
		f.violate(Kept, "%s has %d commands of ledger %d, %d are known", what, count, l.ordinal, l.floor)
	}
}

// checkMove looks at a joint configuration of a fleet's group that was never seen
// before: who is promoted has caught up, and the group does not come to depend on
// disks that are long lost.
func (g *replicated) checkMove(index uint64, c *consensus.Configuration) {
	const slack = 1000 // entries that came since the leader looked
	for i := range c.Voters {
		m := &c.Voters[i]
		if slices.ContainsFunc(c.Outgoing, func(o consensus.Member) bool { return o.ID == m.ID }) {
			continue
		}
		if l := g.logOf(ident.MemberID(m.ID)); l == nil || l.reach()+slack < index {
			g.w.violate(Overlap, "group %d: member %d is promoted at %d, on its disk is %s", g.id, m.ID, index, describe(l))
		}
	}
	if lost := g.longLost(c.Voters); 2*lost >= len(c.Voters) && 2*g.longLost(c.Outgoing) < len(c.Outgoing) {
		g.w.violate(Overlap, "group %d goes from %v to %v, of which %d disks are lost", g.id, c.Outgoing, c.Voters, lost)
	}
}

// longLost counts the members whose disks are lost for so long that a leader cannot
// take them for alive, though its process stood still.
func (g *replicated) longLost(half []consensus.Member) (lost int) {
	for i := range half {
		if n := g.w.byID[ident.NodeID(half[i].Node)]; n != nil && n.gone && g.w.now-n.lostAt > int64(30*time.Second) {
			lost++
		}
	}
	return lost
}
