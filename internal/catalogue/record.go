package catalogue

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Node is what the fleet knows of a node.
type Node struct {
	ID          ident.NodeID
	Name, Zone  string
	Weight      int // capacity relative to the others, at least 1
	State       placement.State
	Since       int64 // log time of the last change of State, in ns since 1970
	Wire, Admin string
	Member      ident.MemberID // its member of the catalogue's own group
	Reason      string         // why it is in its state
	// Returned is the log time when its process began again after the node had taken part,
	// in ns since 1970; 0 if it never did, or not since it was drained. Results of commands
	// do not have it.
	Returned int64
}

// Member is a replica of a group and the node where it lives.
type Member struct {
	ID   ident.MemberID
	Node ident.NodeID
}

// Cause is why a target was set. The catalogue keeps it and does not look at it.
type Cause struct {
	Kind placement.Kind // 0: with the group itself
	Text string         // for people; may be empty
}

// Group is what the fleet knows of a group.
type Group struct {
	ID          ident.GroupID
	Name, Type  string
	Replicas    int      // members wanted
	Config      []byte   // opaque; what UpdateGroup changes
	FirstConfig []byte   // the Config that it was added with; members begin with it
	Initial     []byte   // state before the first command; may be nil
	First       []Member // the initial voters; never changes

	Target    []Member     // what it should have, by node
	Preferred ident.NodeID // which of them should lead, 0 if none
	Epoch     uint64       // +1 with every change of Target or Preferred, 1 at first
	Cause     Cause        // why it has this target
	Since     int64        // log time when Epoch began, in ns since 1970
	Back      bool         // this target takes back a move that failed
	Failures  int          // moves that failed one after another
	RestUntil int64        // log time before which nothing that can wait gives it another target; 0 if none

	Configured      []Member // all members as its leader last reported them, by node
	ConfiguredIndex uint64   // index of that configuration in the group's log
	Named           []Member // named for nodes since Settled by targets that were replaced, and in none of the lists now
	Settled         uint64   // the newest Epoch whose target its leader reported as reached
	SettledNext     uint64   // NextMember when Settled was reported: members below it were all accounted for then
	NextMember      uint64   // the MemberID that a new member will get
	Created         int64    // log time, in ns since 1970
}

// TargetNodes lists the nodes of the target, by identifier.
func (g *Group) TargetNodes() []ident.NodeID { return nodesOf(g.Target) }

// ConfiguredNodes lists the nodes of the members last reported, by identifier.
func (g *Group) ConfiguredNodes() []ident.NodeID { return nodesOf(g.Configured) }

// MemberOn returns the member that a node holds or should hold: that of the
// target if there is one, else that last reported, else one that was named and may have
// begun there.
func (g *Group) MemberOn(node ident.NodeID) (Member, bool) {
	for _, members := range [3][]Member{g.Target, g.Configured, g.Named} {
		if at := slices.IndexFunc(members, func(m Member) bool { return m.Node == node }); at >= 0 {
			return members[at], true
		}
	}
	return Member{}, false
}

// hosts lists the nodes that hold or should hold a member.
func (g *Group) hosts() []ident.NodeID {
	nodes := append(nodesOf(g.Target), nodesOf(g.Configured)...)
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

func nodesOf(members []Member) []ident.NodeID {
	nodes := make([]ident.NodeID, len(members))
	for i, m := range members {
		nodes[i] = m.Node
	}
	return nodes
}

// Archive is the last state of a group that was removed and kept.
type Archive struct {
	Name, Type    string
	Config, State []byte
	Group         ident.GroupID // the group that it was
	Term, Index   uint64        // of the last entry that State contains
	Removed       int64         // log time, in ns since 1970
}
