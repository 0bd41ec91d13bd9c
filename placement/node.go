package placement

import (
	"cmp"
	"fmt"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// State is what the catalogue has decided of a node.
type State uint8

const (
	// Joining nodes are known but not yet trusted: they get nothing, and keep
	// what they held before.
	Joining State = iota
	// Active nodes hold members and get new ones.
	Active
	// Suspect nodes keep what they have and get nothing.
	Suspect
	// Draining nodes give up all they have; they still vote until replaced.
	Draining
	// Dead nodes are replaced. They count as gone for a quorum.
	Dead
	// Inactive nodes have been drained, or never took part. They hold nothing.
	Inactive
)

var stateNames = [...]string{"joining", "active", "suspect", "draining", "dead", "inactive"}

// Valid tells whether s is one of the states above.
func (s State) Valid() bool { return int(s) < len(stateNames) }

func (s State) String() string {
	if !s.Valid() {
		return fmt.Sprintf("state(%d)", uint8(s))
	}
	return stateNames[s]
}

// ParseState reads what State.String wrote.
func ParseState(text string) (State, error) {
	for i, name := range stateNames {
		if name == text {
			return State(i), nil
		}
	}
	return 0, fmt.Errorf("placement: %q is not a node state: want one of %v", text, stateNames)
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("placement: %s is not a node state", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(b []byte) error {
	v, err := ParseState(string(b))
	if err == nil {
		*s = v
	}
	return err
}

// MaxWeight is the largest weight of a node; greater ones are taken as it.
const MaxWeight = 1_000_000

// Node is a place where members may live.
type Node struct {
	ID     ident.NodeID `json:"node"`
	Zone   string       `json:"zone"`   // failure domain; "" is a zone like any other
	Weight int          `json:"weight"` // capacity relative to the others; less than 1 is taken as 1
	State  State        `json:"state"`
	// Returned says that an active node was gone, or its process began again, so short a
	// while ago that nobody knows whether it stays: it keeps what it has of the groups and
	// gets nothing yet, like a suspect one.
	Returned bool `json:"returned,omitempty"`
}

// gets tells whether a node may get members and leaders.
func (n *Node) gets() bool { return n.State == Active && !n.Returned }

// condition is a node's state in a sentence.
func (n *Node) condition() string {
	if n.State == Active && n.Returned {
		return "back for a short while only"
	}
	return n.State.String()
}

func (n Node) weight() uint64 { return uint64(min(max(n.Weight, 1), MaxWeight)) }

// stays tells whether members on a node of this state may stay there.
func (s State) stays() bool { return s == Active || s == Suspect || s == Joining }

// votes tells whether a member on a node of this state counts as alive.
func (s State) votes() bool { return s.stays() || s == Draining || s == Inactive }

// compareNodes orders nodes by identifier. The other fields only decide which
// of two entries with one identifier counts, whatever order they came in.
func compareNodes(a, b Node) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(b.State, a.State),
		cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Weight, b.Weight), compareBools(a.Returned, b.Returned))
}
