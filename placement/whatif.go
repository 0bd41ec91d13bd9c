package placement

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Change is what might happen to a fleet, all at once. A node that fails does so
// although it is set too.
type Change struct {
	// Set are nodes that are added, or have another zone, weight or state. A node
	// that is to be drained is set with the state Draining.
	Set []Node `json:"set,omitempty"`
	// Remove are nodes that fail and do not return.
	Remove []ident.NodeID `json:"remove,omitempty"`
	// ZonesDown are zones of which all nodes fail and do not return.
	ZonesDown []string `json:"zones_down,omitempty"`
}

// Outcome is what would follow from a change.
type Outcome struct {
	Moves         []Move `json:"moves"` // in the order in which to make them
	MembersMoved  int    `json:"members_moved"`
	LeadersMoved  int    `json:"leaders_moved"`
	MembersLost   int    `json:"members_lost"` // given up: nobody can take their place
	GroupsChanged int    `json:"groups_changed"`

	Before Skew `json:"before"`
	After  Skew `json:"after"` // when all moves are made

	LosesQuorum GroupList `json:"loses_quorum"` // at once: they are left as they are
	LosesSpread GroupList `json:"loses_spread"` // in fewer zones than before when all moves are made

	// Unknown are nodes and zones that the change names and the fleet does not have.
	UnknownNodes []ident.NodeID `json:"unknown_nodes,omitempty"`
	UnknownZones []string       `json:"unknown_zones,omitempty"`
}

// WhatIf says what would follow from a change. It plans on a copy, which costs
// as much as telling a new planner everything.
func (p *Planner) WhatIf(c Change) Outcome {
	in := p.Input()
	o := Outcome{Before: p.Skew()}
	copied := plannerOf(Input{Nodes: o.apply(in.Nodes, c), Groups: in.Groups, Policy: in.Policy})
	plan := copied.Plan()
	o.Moves, o.GroupsChanged = plan.Moves, len(plan.Targets)
	for _, m := range plan.Moves {
		switch {
		case m.Kind == Lead:
			o.LeadersMoved++
		case m.To != 0:
			o.MembersMoved++
		default:
			o.MembersLost++
		}
	}
	lost := copied.ledger.lostQuorum(p.ledger)
	for _, t := range plan.Targets {
		copied.carryOut(t)
	}
	o.After = copied.Skew()
	o.LosesQuorum, o.LosesSpread = listGroups(lost), listGroups(copied.ledger.lostSpread(p.ledger))
	return o
}

// plannerOf is a planner that was told all of an input.
func plannerOf(in Input) *Planner { return &Planner{ledger: ledgerOf(in)} }

// carryOut commits a target.
func (p *Planner) carryOut(t Target) {
	g := p.ledger.groups[p.ledger.groupByID[t.Group]].Group
	g.Members, g.Leader, g.Epoch, g.Voters = t.Members, t.Leader, t.Epoch, nil
	p.SetGroup(g)
}

// apply returns the nodes after the change.
func (o *Outcome) apply(nodes []Node, c Change) []Node {
	nodes = slices.Clone(nodes)
	find := func(id ident.NodeID) int { return slices.IndexFunc(nodes, func(n Node) bool { return n.ID == id }) }
	for _, id := range c.Remove { // only who is there can fail
		if find(id) < 0 {
			o.UnknownNodes = append(o.UnknownNodes, id)
		}
	}
	for _, n := range c.Set {
		if at := find(n.ID); at >= 0 {
			nodes[at] = n
		} else {
			nodes = append(nodes, n)
		}
	}
	// What fails does so last, whatever else is asked of it.
	zones := make(map[string]bool)
	for i := range nodes {
		zones[nodes[i].Zone] = true
		if slices.Contains(c.ZonesDown, nodes[i].Zone) || slices.Contains(c.Remove, nodes[i].ID) {
			nodes[i].State = Dead
		}
	}
	for _, zone := range c.ZonesDown {
		if !zones[zone] {
			o.UnknownZones = append(o.UnknownZones, zone)
		}
	}
	return nodes
}

// lostQuorum are the groups that have no quorum here and had one before.
func (l *ledger) lostQuorum(before *ledger) []ident.GroupID {
	var lost []ident.GroupID
	for _, g := range l.frozen.slots {
		id := l.groups[g].ID
		if was, ok := before.groupByID[id]; ok && !before.groups[was].frozen {
			lost = append(lost, id)
		}
	}
	return lost
}

// lostSpread are the groups that are in fewer zones here than before.
func (l *ledger) lostSpread(before *ledger) []ident.GroupID {
	members, leaders := make([]int64, len(l.nodes)), make([]int64, len(l.nodes))
	membersBefore, leadersBefore := make([]int64, len(before.nodes)), make([]int64, len(before.nodes))
	var lost []ident.GroupID
	for id, g := range l.groupByID {
		was, ok := before.groupByID[id]
		if !ok {
			continue
		}
		_, zones := l.countRecord(&l.groups[g], members, leaders)
		if _, had := before.countRecord(&before.groups[was], membersBefore, leadersBefore); zones < had {
			lost = append(lost, id)
		}
	}
	return lost
}
