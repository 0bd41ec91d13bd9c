// Package view holds what a node tells about its fleet: the results of the
// inspecting calls of package fleet, which are also, field by field, the JSON of
// the admin API and of `fleetctl -o json`. The JSON names are stable: fields are
// added, never renamed or given another meaning.
//
// Nodes are named by their name; where two nodes of the fleet bear the same name,
// both are named by their id. Every call that takes a node takes either.
package view

import (
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Status is the state of the whole fleet as one node sees it.
type Status struct {
	FleetID             ident.FleetID `json:"fleet_id"`
	Node                string        `json:"node"` // the node that answers
	Nodes               []Node        `json:"nodes"`
	Groups              int           `json:"groups"`
	GroupsWithoutLeader int           `json:"groups_without_leader"`
	Members             int           `json:"members"`
	MovesInFlight       int           `json:"moves_in_flight"`
	Catalogue           Catalogue     `json:"catalogue"`
	Problems            []Problem     `json:"problems"`
	// Joining is set when the node has not joined a fleet and reaches none: it tells of
	// itself, and everything but Node, FleetID and Problems is empty.
	Joining *Joining `json:"joining,omitempty"`
}

// The states of a node that has not joined, as Joining.State has them.
const (
	JoiningOpens        = "opening"       // it reads its log and starts its members
	JoiningNotActivated = "not activated" // it was not told to take part
	JoiningSearches     = "joining"       // it looks for a fleet, or for others to found one with
	JoiningEnters       = "entering"      // it is of a fleet, and has no copy of the catalogue yet
)

// Joining tells how far a node is on its way into a fleet.
type Joining struct {
	State          string      `json:"state"` // opening, not activated, joining, entering
	Zone           string      `json:"zone,omitempty"`
	Join           []string    `json:"join"`            // the addresses that it was given
	FoundersSeen   int         `json:"founders_seen"`   // nodes that would found a fleet together, itself included
	FoundersWanted int         `json:"founders_wanted"` // how many must see each other; 0: it founds none with others
	Errors         []JoinError `json:"errors"`          // addresses that could not be joined
}

// JoinError is why an address could not be joined when it was tried last.
type JoinError struct {
	Addr   string    `json:"addr"`
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
}

// Catalogue tells who holds the fleet's own state.
type Catalogue struct {
	Leader string   `json:"leader"` // empty while there is none
	Term   uint64   `json:"term"`
	Voters []string `json:"voters"`
}

// The states of a node, as Node.State has them.
const (
	StateJoining  = "joining"  // known, and not yet trusted with anything
	StateActive   = "active"   // a place for members
	StateSuspect  = "suspect"  // not heard: it keeps what it has and gets nothing
	StateDraining = "draining" // its members leave
	StateInactive = "inactive" // hosts nothing
	StateDead     = "dead"     // given up: its members are replaced
)

// Node is one node of the fleet.
type Node struct {
	ID      ident.NodeID `json:"id"`
	Name    string       `json:"name"`
	Zone    string       `json:"zone"`
	State   string       `json:"state"` // joining, active, suspect, draining, inactive, dead
	Alive   bool         `json:"alive"` // gossip hears it
	Members int          `json:"members"`
	Leaders int          `json:"leaders"`
	Weight  int          `json:"weight"`
	Since   time.Time    `json:"since"`            // when it entered State
	Reason  string       `json:"reason,omitempty"` // why it is in State, where somebody or something decided so
	Addr    string       `json:"addr"`             // where other nodes reach it
	Admin   string       `json:"admin,omitempty"`  // its admin API
}

// NodeDetail is one node with what it hosts.
type NodeDetail struct {
	Node
	Groups   []HostedMember `json:"groups"`
	Problems []Problem      `json:"problems"`
}

// HostedMember is a member of a group seen from its node.
type HostedMember struct {
	Group  string `json:"group"`
	Role   string `json:"role"` // leader, follower, candidate, learner, or unknown where only the leader could tell
	Target bool   `json:"target"`
}

// NodeCheck tells what would happen to groups if a node stopped now.
type NodeCheck struct {
	Node          string        `json:"node"`
	Critical      bool          `json:"critical"`       // some group would lose its quorum
	AtRisk        int           `json:"at_risk"`        // how many would
	Groups        []GroupAtRisk `json:"groups"`         // which, by name; the first hundred
	WithoutQuorum int           `json:"without_quorum"` // of its groups, and the catalogue, have none as it is
	Leaders       int           `json:"leaders"`        // how many groups would have to elect another leader
}

// GroupAtRisk is a group that would lose its quorum.
type GroupAtRisk struct {
	Group  string `json:"group"`
	Reason string `json:"reason"`
}

// GossipMember is a node as the gossip of the answering node knows it.
type GossipMember struct {
	ID          ident.NodeID  `json:"id"`
	Name        string        `json:"name"`
	Zone        string        `json:"zone"`
	FleetID     ident.FleetID `json:"fleet_id"` // zero while it is in none
	Health      string        `json:"health"`   // alive, suspect, dead, or left: dead, and it said so beforehand
	Says        string        `json:"says"`     // what it says it is: inactive, active, draining, leaving
	Since       time.Time     `json:"since"`    // when it began or ceased to be heard, by the clock of the answering node
	Gossip      string        `json:"gossip"`   // where its gossip is reached
	Addr        string        `json:"addr"`     // where other nodes reach it
	Admin       string        `json:"admin,omitempty"`
	ProtocolMin uint16        `json:"protocol_min"` // what it speaks to other nodes
	ProtocolMax uint16        `json:"protocol_max"`
}

// Group is one line of the list of groups.
type Group struct {
	Name     string        `json:"name"`
	GroupID  ident.GroupID `json:"group_id"`
	Type     string        `json:"type"`
	Replicas int           `json:"replicas"`
	Leader   string        `json:"leader"` // empty while none is known
	Members  []string      `json:"members"`
	Target   []string      `json:"target"`
}

// GroupStatus is one group as its leader sees it or, where it has none, as far as
// the answering node can tell.
type GroupStatus struct {
	Name         string        `json:"name"`
	GroupID      ident.GroupID `json:"group_id"`
	Type         string        `json:"type"`
	Replicas     int           `json:"replicas"`
	Leader       string        `json:"leader"`
	Term         uint64        `json:"term"`
	Commit       uint64        `json:"commit"`
	LogBytes     uint64        `json:"log_bytes"`
	SnapshotSize int64         `json:"snapshot_size"`
	Asleep       bool          `json:"asleep"`
	Members      []Member      `json:"members"`
	Target       []string      `json:"target"`
	Preferred    string        `json:"preferred"`           // who should lead
	Recovered    string        `json:"recovered,omitempty"` // when, through whom and from what, where a recovery made it
	Problems     []Problem     `json:"problems"`
}

// Member is one replica of a group.
type Member struct {
	Node         string         `json:"node"`
	Zone         string         `json:"zone"`
	MemberID     ident.MemberID `json:"member_id"`
	Role         string         `json:"role"` // leader, voter, learner, outgoing
	Applied      uint64         `json:"applied"`
	Lag          uint64         `json:"lag"` // entries behind the leader's last
	Unresponsive bool           `json:"unresponsive"`
	Failed       string         `json:"failed,omitempty"` // why the member was stopped, if it was
}

// Problem is something an operator would want to know, with what to do about it.
type Problem struct {
	Kind   string    `json:"kind"`  // no_leader, no_quorum, too_few_members, member_failed, node_unreachable, node_dead, repair_held, catalogue_no_leader, disk_full, disk_slow, infeasible, not_joined, other_fleet
	Thing  string    `json:"thing"` // the group or node concerned
	Reason string    `json:"reason"`
	Remedy string    `json:"remedy,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// Event is one thing that happened, as the answering node saw it.
type Event struct {
	Seq    uint64    `json:"seq"` // ascending on one node; resume after it
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind"` // node_joined, node_left, node_suspect, node_dead, group_added, group_removed, leader_changed, move_started, move_step, move_done, move_failed, member_failed, problem, ...
	Node   string    `json:"node,omitempty"`
	Group  string    `json:"group,omitempty"`
	Detail string    `json:"detail"`
}

// Archive is the state that was kept of a removed group, for a group of its name to
// begin with.
type Archive struct {
	Name    string        `json:"name"`
	Type    string        `json:"type"`
	GroupID ident.GroupID `json:"group_id"` // the group that it was
	Bytes   int           `json:"bytes"`    // size of the state
	Term    uint64        `json:"term"`     // of the last entry that the state contains
	Index   uint64        `json:"index"`    // the same
	Removed time.Time     `json:"removed"`  // when the group was
}

// DrainProgress tells how far a drain is. Moved counts the members that left, as far as
// the answering node saw it.
type DrainProgress struct {
	Members int      `json:"members"` // still to leave
	Leaders int      `json:"leaders"` // still to leave
	Moved   int      `json:"moved"`
	Stuck   int      `json:"stuck"`             // of Members: those that cannot leave as things are
	Later   []string `json:"later,omitempty"`   // groups that leave later, with the reason
	Blocked []string `json:"blocked,omitempty"` // groups that cannot leave, with the reason
	Votes   bool     `json:"votes,omitempty"`   // nothing else is left, and the catalogue needs its vote until others have it
	Done    bool     `json:"done"`
}
