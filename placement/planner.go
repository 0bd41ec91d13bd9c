package placement

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Planner plans with a memory: it is told of every change of a node or a group
// and keeps who holds what, so that a plan costs what has changed, not what there
// is. What it says is what [Plan] says of all that it was told.
//
// A plan is a proposal. The planner keeps nothing of it; what was committed comes
// back by SetGroup.
//
// A Planner is not safe for concurrent use: reading it writes too.
type Planner struct {
	ledger *ledger
}

// NewPlanner returns a planner that knows no nodes and no groups.
func NewPlanner(policy Policy) *Planner { return &Planner{ledger: newLedger(policy, 0, 0)} }

// SetNode tells of a node that is new, or has another zone, weight or state.
func (p *Planner) SetNode(n Node) { p.ledger.setNode(n) }

// RemoveNode tells that the fleet does not know a node any more. Members there
// are lost, as if it was dead.
func (p *Planner) RemoveNode(id ident.NodeID) { p.ledger.removeNode(id) }

// SetGroup tells of a group that is new, or of what has changed of it: the number
// of members wanted, the target, the voters. The planner keeps g's slices; the
// caller does not change them afterwards.
func (p *Planner) SetGroup(g Group) { p.ledger.setGroup(g) }

// RemoveGroup tells that a group is gone.
func (p *Planner) RemoveGroup(id ident.GroupID) { p.ledger.removeGroup(id) }

// Update tells of everything at once: nodes and groups that the input does not
// have are gone. What has not changed costs a comparison. A policy other than
// before changes what is fair for all, as if all was new.
func (p *Planner) Update(in Input) {
	if in.Policy.withDefaults() != p.ledger.policy {
		p.ledger = ledgerOf(in)
		return
	}
	p.ledger.update(in)
}

// Plan says what should change.
func (p *Planner) Plan() Result {
	l := p.ledger
	l.work()
	defer l.undoPlan()
	return l.result()
}

// Input is all that the planner was told and still holds, in canonical order:
// nodes and groups by identifier.
func (p *Planner) Input() Input {
	l := p.ledger
	l.refresh()
	in := Input{Policy: l.policy, Nodes: make([]Node, 0, len(l.order)), Groups: make([]Group, 0, len(l.groupByID))}
	for _, n := range l.order {
		in.Nodes = append(in.Nodes, l.nodes[n].Node)
	}
	for _, g := range l.groupByID {
		in.Groups = append(in.Groups, l.groups[g].Group)
	}
	slices.SortFunc(in.Groups, compareRecords)
	return in
}
