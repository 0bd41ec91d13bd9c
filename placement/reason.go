package placement

import (
	"fmt"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Kind is why a target changes, or what cannot be met.
type Kind uint8

// Causes of a change, the most urgent first: this is the order of a plan.
const (
	Create  Kind = iota + 1 // a new group gets its first members
	Repair                  // a member is missing or on a dead or unknown node
	Drain                   // a member is on a draining or inactive node
	Resize                  // the wanted number of members changed
	Spread                  // the group was in fewer zones than it could be
	Balance                 // a node had too many members or too few
	Lead                    // only the preferred leader changes
)

// What cannot be met.
const (
	NoQuorum   Kind = iota + 64 // most voters are gone: left alone until an operator recovers it
	FewNodes                    // fewer active nodes than members wanted
	Stranded                    // members cannot leave a node: no other can take them
	ZoneLimit                   // Policy.MaxPerZone leaves too little room and is exceeded
	ZoneSkew                    // spread gives a zone more than its weight would
	Unbalanced                  // a node stays outside the bounds of its members
	LeaderSkew                  // a node stays outside the bounds of its leaders
)

var kindNames = map[Kind]string{
	Create: "create", Repair: "repair", Drain: "drain", Resize: "resize", Spread: "spread",
	Balance: "balance", Lead: "lead", NoQuorum: "no-quorum", FewNodes: "few-nodes", Stranded: "stranded",
	ZoneLimit: "zone-limit", ZoneSkew: "zone-skew", Unbalanced: "unbalanced", LeaderSkew: "leader-skew",
}

func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// MarshalText writes the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(b []byte) error {
	for kind, name := range kindNames {
		if name == string(b) {
			*k = kind
			return nil
		}
	}
	return fmt.Errorf("placement: %q is not a reason", b)
}

// Reason says why, for people and for programs. Fields that do not apply are
// zero.
type Reason struct {
	Kind   Kind          `json:"kind"`
	From   ident.NodeID  `json:"from,omitzero"`   // the first member that moves; for an infeasible node, the node
	To     ident.NodeID  `json:"to,omitzero"`     // where it moves to
	Zone   string        `json:"zone,omitempty"`  // the zone that cannot be helped
	Group  ident.GroupID `json:"group,omitzero"`  // the first group that cannot be helped
	Groups int           `json:"groups,omitzero"` // how many of them
	Text   string        `json:"text"`            // one plain sentence
}

func (r Reason) String() string { return r.Kind.String() + ": " + r.Text }
