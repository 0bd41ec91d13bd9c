package fleet

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// drainOf counts the members that are still to leave a node and says which of them
// cannot as things are, and which will later, each with its reason.
func (n *Node) drainOf(c *catalogue.Machine, node catalogue.Node) view.DrainProgress {
	var p view.DrainProgress
	ns, holder := namesOf(c.Nodes()), planner.HolderOf(c, n.cfg.limits(), n.exec.Now(), n.hears)
	paused, unnamed := 0, 0
	stuck := func(g *catalogue.Group, why string) {
		if p.Stuck++; len(p.Blocked) < mostProblems {
			p.Blocked = append(p.Blocked, g.Name+": "+why)
		} else {
			unnamed++
		}
	}
	for _, g := range c.HostedBy(node.ID) {
		if _, ok := memberOn(g.Configured, node.ID); !ok {
			continue
		}
		p.Members++
		gone := n.goneMembers(g)
		_, stays := memberOn(g.Target, node.ID)
		hold, until := planner.Hold(""), time.Time{}
		if stays {
			hold, until = holder.Hold(g, placement.Drain)
		}
		switch {
		case 2*len(gone) >= len(g.Configured):
			stuck(g, fmt.Sprintf("%d of its %d members are on nodes that are gone: %s", len(gone), len(g.Configured), strings.Join(ns.allOf(gone), ", ")))
		case !stays: // it is on its way
		case !canReplace(c, g, node.ID):
			stuck(g, "no other active node can take its member")
		case hold == planner.HeldPaused:
			p.Stuck++
			paused++
		case hold == planner.HeldResting && len(p.Later) < mostProblems:
			p.Later = append(p.Later, fmt.Sprintf("%s: its move failed (%s so far); it is tried again at %s", g.Name, count(g.Failures, "time"), until.UTC().Format(time.DateTime)))
		}
	}
	if unnamed > 0 {
		p.Blocked = append(p.Blocked, "and "+count(unnamed, "more group"))
	}
	if paused > 0 {
		p.Blocked = append(p.Blocked, count(paused, "group")+": "+byline("moves are paused", holder.Pause.By, holder.Pause.Reason))
	}
	p.Moved = n.drains.moved(node, p.Members)
	return p
}

// goneMembers are the nodes of a group that are not heard.
func (n *Node) goneMembers(g *catalogue.Group) []ident.NodeID {
	var gone []ident.NodeID
	for _, m := range g.Configured {
		if !n.hears(m.Node) {
			gone = append(gone, m.Node)
		}
	}
	return gone
}

// drains remembers how many members the nodes had that are drained, as far as this node
// was asked: the catalogue says only how many they have.
type drains struct {
	mu   sync.Mutex
	most map[ident.NodeID]drainSeen
}

type drainSeen struct {
	since   int64 // when the drain began, of the catalogue; 0 where that is not known yet
	members int   // at most
}

// begin notes how many members a node has that is about to be drained.
func (d *drains) begin(c *catalogue.Machine, node ident.NodeID) {
	members := 0
	for _, g := range c.HostedBy(node) {
		if _, ok := memberOn(g.Configured, node); ok {
			members++
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.most == nil {
		d.most = make(map[ident.NodeID]drainSeen)
	}
	d.most[node] = drainSeen{members: members}
}

// moved tells how many members left a node, of those that it had when it was looked at
// first; members are those that it still has.
func (d *drains) moved(node catalogue.Node, members int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen, known := d.most[node.ID]
	switch {
	case node.State == placement.Inactive:
		return max(seen.members-members, 0)
	case node.State != placement.Draining: // it is not drained, or not any more
		if seen.since != 0 {
			delete(d.most, node.ID)
		}
		return 0
	case !known || seen.since != 0 && seen.since != node.Since:
		seen = drainSeen{}
	}
	if d.most == nil {
		d.most = make(map[ident.NodeID]drainSeen)
	}
	seen.since, seen.members = node.Since, max(seen.members, members)
	d.most[node.ID] = seen
	return seen.members - members
}
