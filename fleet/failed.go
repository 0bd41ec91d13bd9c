package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
	"github.com/raftfleet/raftfleet/placement"
)

// A member whose data is damaged never serves again. The planner asks the nodes for
// such members and gives their groups a target with another node in the place of the
// damaged one's. The group's leader then goes there by its usual steps, so nothing is
// removed before the new member has caught up and a majority without the damaged one
// answers. A member that failed for another reason, as a machine that panics, is left
// alone: its replacement would fail as well.

// damagedEvery is how often the planner asks for damaged members.
const damagedEvery = 10 * time.Second

// damagedHere lists the members whose data is damaged: group and member, sixteen
// bytes each.
func (n *Node) damagedHere() []byte {
	var b []byte
	for _, info := range n.host.Infos() {
		if info.Group != ident.Catalogue && damaged(info.Failed) {
			b = binary.LittleEndian.AppendUint64(b, uint64(info.Group))
			b = binary.LittleEndian.AppendUint64(b, uint64(info.Member))
		}
	}
	return b
}

func damaged(err error) bool {
	return errors.Is(err, store.ErrCorrupt) || errors.Is(err, wal.ErrCorrupt)
}

// replaceDamaged commits targets without the damaged members, of at most as many
// groups as may still move.
func (p *planRun) replaceDamaged(ctx context.Context, c *catalogue.Machine, nodes []catalogue.Node, now time.Time) {
	if now.Sub(p.damagedLook) < damagedEvery {
		return
	}
	p.damagedLook = now
	n := p.n
	batch := p.replacements(c, nodes, n.damagedMembers(ctx), now)
	if len(batch) == 0 {
		return
	}
	for _, t := range batch {
		g, ok := c.GroupByID(t.Group)
		if !ok {
			continue
		}
		for _, m := range g.Target {
			if !slices.Contains(t.Members, m.Node) {
				n.events.add(view.Event{Kind: "move_started", Group: g.Name, Detail: "the data of its member on node " + m.Node.String() + " is damaged"})
			}
		}
	}
	if _, err := n.propose(ctx, &catalogue.SetTargets{Targets: batch}); err != nil {
		n.log.Warn("damaged members could not be replaced", "groups", len(batch), "error", err)
	}
}

// replacements are the targets without damaged members that may be committed now.
func (p *planRun) replacements(c *catalogue.Machine, nodes []catalogue.Node, bad map[ident.GroupID][]catalogue.Member, now time.Time) []catalogue.Target {
	if len(bad) == 0 {
		return nil
	}
	var batch []catalogue.Target
	room := moveLimit(len(nodes))
	for _, g := range c.Groups("", c.NumGroups()) {
		if g.Settled != g.Epoch {
			room--
		}
	}
	for _, id := range slices.Sorted(maps.Keys(bad)) {
		if room <= 0 {
			break
		}
		members := bad[id]
		g, ok := c.GroupByID(id)
		switch {
		case !ok || g.Settled != g.Epoch || p.rests(id, now):
			continue // gone, or on the move
		case 2*len(members) >= len(g.Configured):
			continue // without a majority it cannot change its members
		}
		at := slices.IndexFunc(members, func(m catalogue.Member) bool { return slices.Contains(g.Target, m) })
		if at < 0 {
			continue // it left
		}
		t, ok := without(g, members[at].Node, nodes)
		if !ok {
			continue // there is no other node for it
		}
		batch = append(batch, t)
		room--
	}
	return batch
}

// damagedMembers asks all nodes that are heard for their damaged members.
func (n *Node) damagedMembers(ctx context.Context) map[ident.GroupID][]catalogue.Member {
	var mu sync.Mutex
	bad := make(map[ident.GroupID][]catalogue.Member)
	add := func(node ident.NodeID, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		for ; len(b) >= 16; b = b[16:] {
			g := ident.GroupID(leUint64(b))
			bad[g] = append(bad[g], catalogue.Member{ID: ident.MemberID(leUint64(b[8:])), Node: node})
		}
	}
	add(n.id, n.damagedHere())
	nodes := n.activeNodes()
	_ = n.each(len(nodes), len(nodes), func(i int) error { // at once: the planner waits
		if b, err := n.askFor(ctx, nodes[i], []byte{byte(opDamaged)}, leadersTimeout); err == nil {
			add(nodes[i], b) // others are asked again
		}
		return nil
	})
	return bad
}

// without is a group's target with another node in the place of one; false where
// there is none, since a group is not made smaller.
func without(g *catalogue.Group, node ident.NodeID, nodes []catalogue.Node) (catalogue.Target, bool) {
	in := placement.Input{Groups: []placement.Group{{
		ID: g.ID, Name: g.Name, Replicas: g.Replicas, Leader: g.Preferred, Cost: 1, Members: g.TargetNodes(), Voters: g.ConfiguredNodes(),
	}}}
	for _, known := range nodes {
		state := known.State
		if known.ID == node {
			state = placement.Dead // for this group
		}
		in.Nodes = append(in.Nodes, placement.Node{ID: known.ID, Zone: known.Zone, Weight: known.Weight, State: state})
	}
	for _, t := range placement.Plan(in).Targets {
		if t.Group == g.ID && len(t.Members) >= len(g.Target) && !slices.Contains(t.Members, node) {
			return catalogue.Target{Group: g.ID, IfEpoch: g.Epoch, Members: t.Members, Preferred: t.Leader}, true
		}
	}
	return catalogue.Target{}, false
}
