package catalogue

import (
	"github.com/raftfleet/raftfleet/internal/ident"
)

// RecoverGroup replaces a group that lost its quorum by another of its name, type,
// configuration and replicas, which begins with State: both or neither, so that no
// crash leaves the name without a group. Whoever hosts a member of the old one
// deletes it. What is archived under the name stays.
//
// IfID must be the group that bears the name. Text says who did it and from what; it
// stays with the new group as Recovered, and is the Cause of its first target.
// Refused with ErrInvalid, ErrNoGroup and ErrNoNode.
type RecoverGroup struct {
	Name      string
	IfID      ident.GroupID
	State     []byte
	Members   []ident.NodeID // of the new group
	Preferred ident.NodeID
	Text      string
}

func (r *RecoverGroup) kind() kind { return kindRecoverGroup }

func (r *RecoverGroup) fields(c *coder) {
	c.string(&r.Name, MaxName)
	id(c, &r.IfID)
	c.bytes(&r.State, MaxState)
	list(c, &r.Members, MaxReplicas, id[ident.NodeID])
	id(c, &r.Preferred)
	c.string(&r.Text, MaxReason)
}

func (r *RecoverGroup) check() error {
	return firstError(checkName("name", r.Name), checkID("group", r.IfID), checkNodes(r.Members, r.Preferred),
		checkSize("state", r.State, MaxState), checkText("text", r.Text, MaxReason))
}

func (r *RecoverGroup) apply(m *Machine, at moment) (func(*coder), error) {
	old, err := m.groupIf(r.Name, r.IfID)
	if err != nil {
		return nil, err
	}
	if err := m.nodesKnown(r.Members); err != nil {
		return nil, err
	}
	m.dropGroup(old)
	g := &Group{Name: old.Name, Type: old.Type, Config: old.Config, Initial: r.State, Replicas: old.Replicas,
		Preferred: r.Preferred, Cause: Cause{Text: r.Text}, Recovered: r.Text}
	m.beginGroup(g, r.Members, at)
	return groupResult(g), nil
}

// Result is the new group, without Config and Initial.
func (r *RecoverGroup) Result(result []byte) (*Group, error) { return decodeGroup(result) }
