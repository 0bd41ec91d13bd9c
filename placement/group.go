package placement

import "github.com/raftfleet/raftfleet/internal/ident"

// MaxCost is the largest cost of a group; greater ones are taken as it.
const MaxCost = 1000

// Group is one group with what it should have had so far.
type Group struct {
	ID       ident.GroupID
	Name     string         // what rendezvous hashes
	Replicas int            // members wanted; less than 1 is taken as 1
	Members  []ident.NodeID // committed target; empty for a group that is new
	Leader   ident.NodeID   // committed preferred leader, 0 if none
	Cost     int            // load of one member; less than 1 is taken as 1
	// Voters are the nodes of the members that vote now, as far as known. A
	// quorum is judged by them. Empty means the same as Members.
	Voters []ident.NodeID
}

func (g Group) cost() int64   { return int64(min(max(g.Cost, 1), MaxCost)) }
func (g Group) replicas() int { return max(g.Replicas, 1) }

// Target is what a group should have from now on.
type Target struct {
	Group   ident.GroupID
	Members []ident.NodeID // by identifier
	Leader  ident.NodeID   // preferred leader, one of Members; 0 if none of them may lead
	Reason  Reason         // the most urgent cause of the change
}
