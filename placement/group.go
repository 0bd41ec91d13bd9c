package placement

import (
	"cmp"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// MaxCost is the largest cost of a group; greater ones are taken as it.
const MaxCost = 1000

// Group is one group with what it should have had so far.
type Group struct {
	ID       ident.GroupID  `json:"group"`
	Name     string         `json:"name"`     // what rendezvous hashes
	Replicas int            `json:"replicas"` // members wanted; less than 1 is taken as 1
	Epoch    uint64         `json:"epoch"`    // of the committed target; plans only pass it on
	Members  []ident.NodeID `json:"members"`  // committed target; empty for a group that is new
	Leader   ident.NodeID   `json:"leader"`   // committed preferred leader, 0 if none
	Cost     int            `json:"cost"`     // load of one member; less than 1 is taken as 1
	// Voters are the nodes of the members that vote now, as far as known. A
	// quorum is judged by them. Empty means the same as Members.
	Voters []ident.NodeID `json:"voters,omitempty"`
	// Resting groups moved a short while ago: none of their members moves for balance,
	// others do instead. Whatever is more urgent than balance moves them all the same.
	Resting bool `json:"resting,omitempty"`
}

func (g *Group) cost() int64   { return int64(min(max(g.Cost, 1), MaxCost)) }
func (g *Group) replicas() int { return max(g.Replicas, 1) }

// equal tells whether nothing but the epoch differs.
func (g *Group) equal(o *Group) bool {
	return g.ID == o.ID && g.Name == o.Name && g.Replicas == o.Replicas && g.Leader == o.Leader && g.Cost == o.Cost && g.Resting == o.Resting &&
		slices.Equal(g.Members, o.Members) && slices.Equal(g.Voters, o.Voters)
}

// compareRecords puts groups in the order of their identifiers. The other fields
// only decide which of two records of one group counts, whatever order they came in.
func compareRecords(a, b Group) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(b.Epoch, a.Epoch), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Replicas, b.Replicas), cmp.Compare(a.Leader, b.Leader), cmp.Compare(a.Cost, b.Cost),
		slices.Compare(a.Members, b.Members), slices.Compare(a.Voters, b.Voters), compareBools(a.Resting, b.Resting))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// canonicalGroups returns the records by identifier, each once.
func canonicalGroups(groups []Group) []Group {
	sorted := groups
	if !slices.IsSortedFunc(groups, compareRecords) {
		sorted = slices.SortedFunc(slices.Values(groups), compareRecords)
	}
	for i := 1; i < len(sorted); i++ {
		if sorted[i].ID == sorted[i-1].ID {
			return slices.CompactFunc(slices.Clone(sorted), func(a, b Group) bool { return a.ID == b.ID })
		}
	}
	return sorted
}

// Target is what a group should have from now on.
type Target struct {
	Group   ident.GroupID  `json:"group"`
	Epoch   uint64         `json:"epoch"`   // the number of this target, if it is committed: one more than the present one's
	Members []ident.NodeID `json:"members"` // by identifier
	Leader  ident.NodeID   `json:"leader"`  // preferred leader, one of Members; 0 if none of them may lead
	Reason  Reason         `json:"reason"`  // the most urgent cause of the change
}
