package fleet

import (
	"time"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// lookAtAll is how often everything is compared although nothing went wrong: a
// safety net, seldom enough to cost nothing with ten thousand groups.
const lookAtAll = time.Minute

// hosted is what this node hosts, as a group.Host tells it.
type hosted interface {
	Info(ident.GroupID) (group.Info, bool)
	Infos() []group.Info
}

// differences finds what a node must start and remove so that it hosts what its copy
// of the catalogue says. It compares the groups that changed since it looked last,
// and all of them when it does not know which did: at first, after another copy took
// the place of the one it knew, after a restored snapshot, and after a failure.
type differences struct {
	node  ident.NodeID
	host  hosted
	copy  *catalogue.Machine // that it looked at last
	index uint64             // of that copy, up to which all was compared
	allAt time.Time          // when to compare everything next
}

// toDo is what one look found.
type toDo struct {
	start  []group.Spec
	remove []group.Info
	all    bool // everything was compared, not only what changed
}

// look compares. Whoever calls it carries out what it returns, or calls failed.
func (d *differences) look(c *catalogue.Machine, now time.Time) toDo {
	changed, _, index, complete := c.Changes(d.index)
	if c != d.copy || !complete || !now.Before(d.allAt) {
		return d.lookAtAll(c, now)
	}
	var do toDo
	for _, id := range changed {
		g, exists := c.GroupByID(id)
		info, here := d.host.Info(id)
		do.compare(d.node, id, g, exists, info, here)
	}
	d.index = index
	return do
}

func (d *differences) lookAtAll(c *catalogue.Machine, now time.Time) toDo {
	do := toDo{all: true}
	index, unknown := c.Index(), c.NextGroup() // before all looks: what comes after is a change
	for _, g := range c.HostedBy(d.node) {
		if _, here := d.host.Info(g.ID); !here {
			do.compare(d.node, g.ID, g, true, group.Info{}, false)
		}
	}
	for _, info := range d.host.Infos() {
		// A copy that is still replaying has not heard of the newest groups: that it
		// lacks them does not mean that they were removed.
		if info.Group == ident.Catalogue || info.Group >= unknown {
			continue
		}
		g, exists := c.GroupByID(info.Group)
		do.compare(d.node, info.Group, g, exists, info, true)
	}
	d.copy, d.index, d.allAt = c, index, now.Add(lookAtAll)
	return do
}

// failed makes the look at the given time, or the first one later, one at everything.
func (d *differences) failed(next time.Time) {
	if next.Before(d.allAt) {
		d.allAt = next
	}
}

// compare adds what is to be done about one group.
func (do *toDo) compare(node ident.NodeID, id ident.GroupID, g *catalogue.Group, exists bool, info group.Info, here bool) {
	if here && id != ident.Catalogue && (!exists || dispensable(g, info.Member)) {
		do.remove = append(do.remove, info)
		here = false // another member of the group may take its place at once
	}
	if !exists {
		return
	}
	if m, ok := memberOn(g.Target, node); ok {
		if !here || info.Member != m.ID {
			do.start = append(do.start, specOf(g, m))
		}
	} else if m, ok := memberOn(g.Configured, node); ok && !here {
		do.start = append(do.start, specOf(g, m))
	}
}

// dispensable tells whether a member may be deleted: it is in neither the target nor
// the configuration, and a leader has confirmed as much since the member was named.
// An unconfirmed target is not enough, for the member may vote. Nor does a copy that
// is older than the member say anything of it. But the target may have moved on
// since: a node that comes back as another member must let go of the old one first.
func dispensable(g *catalogue.Group, id ident.MemberID) bool {
	if uint64(id) >= g.SettledNext {
		return false
	}
	for _, list := range [][]catalogue.Member{g.Target, g.Configured} {
		for _, m := range list {
			if m.ID == id {
				return false
			}
		}
	}
	return true
}

func memberOn(ms []catalogue.Member, node ident.NodeID) (catalogue.Member, bool) {
	for _, m := range ms {
		if m.Node == node {
			return m, true
		}
	}
	return catalogue.Member{}, false
}

func specOf(g *catalogue.Group, m catalogue.Member) group.Spec {
	s := group.Spec{Group: g.ID, Member: m.ID, Name: g.Name, Type: g.Type, Config: g.FirstConfig, Initial: g.Initial}
	for _, p := range g.First {
		s.First = append(s.First, group.Peer{Member: p.ID, Node: p.Node})
	}
	return s
}
