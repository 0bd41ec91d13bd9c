package planner

import (
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// book is the catalogue as far as it was followed: the groups that are on the move,
// and what placement would change. Between two looks only what changed is read anew.
type book struct {
	of     *catalogue.Machine
	index  uint64
	groups map[ident.GroupID]*catalogue.Group
	moving map[ident.GroupID]*catalogue.Group // whose target is not reached

	planned string // what the plan was made from
	plan    placement.Result

	done int // moves of members that ended well since doneLog looked
}

// follow reads what changed.
func (b *book) follow(c *catalogue.Machine) {
	groups, _, index, complete := c.Changes(b.index)
	if c != b.of || !complete {
		b.of, b.groups, b.moving = c, make(map[ident.GroupID]*catalogue.Group), make(map[ident.GroupID]*catalogue.Group)
		for _, g := range c.Groups("", 0) {
			b.enter(g.ID, g)
		}
		b.index, b.planned = index, ""
		return
	}
	for _, id := range groups {
		g, _ := c.GroupByID(id)
		b.enter(id, g)
	}
	if len(groups) > 0 {
		b.planned = ""
	}
	b.index = index
}

// enter takes a group in, or out where it is gone.
func (b *book) enter(id ident.GroupID, g *catalogue.Group) {
	if g == nil {
		delete(b.groups, id)
		delete(b.moving, id)
		return
	}
	if was := b.moving[id]; was != nil && was.Epoch == g.Epoch && g.Settled == g.Epoch && !g.Back && g.Cause.Kind != placement.Lead {
		b.done++
	}
	b.groups[id] = g
	if g.Settled != g.Epoch {
		b.moving[id] = g
	} else {
		delete(b.moving, id)
	}
}

// best is what placement would change now.
func (b *book) best(nodes []catalogue.Node, policy placement.Policy, fingerprint string) *placement.Result {
	if b.planned == fingerprint {
		return &b.plan
	}
	in := placement.Input{Nodes: placementNodes(nodes), Groups: make([]placement.Group, 0, len(b.groups)), Policy: policy}
	for _, g := range b.groups {
		in.Groups = append(in.Groups, placementGroup(g))
	}
	b.plan, b.planned = placement.Plan(in), fingerprint
	return &b.plan
}

// Input is the catalogue as placement sees it, with the limits of its settings.
func Input(c *catalogue.Machine, given Limits) placement.Input {
	limits, _ := FromSettings(c.Settings(), given)
	groups := c.Groups("", 0)
	in := placement.Input{Nodes: placementNodes(c.Nodes()), Groups: make([]placement.Group, len(groups)), Policy: limits.policy()}
	for i, g := range groups {
		in.Groups[i] = placementGroup(g)
	}
	return in
}

func placementNodes(nodes []catalogue.Node) []placement.Node {
	out := make([]placement.Node, 0, len(nodes))
	for i := range nodes {
		out = append(out, placement.Node{ID: nodes[i].ID, Zone: nodes[i].Zone, Weight: nodes[i].Weight, State: nodes[i].State})
	}
	return out
}

func placementGroup(g *catalogue.Group) placement.Group {
	return placement.Group{ID: g.ID, Name: g.Name, Replicas: g.Replicas, Leader: g.Preferred, Cost: 1,
		Members: g.TargetNodes(), Voters: g.ConfiguredNodes()}
}
