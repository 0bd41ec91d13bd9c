package consensus

import (
	"fmt"
	"slices"
	"strings"
)

// Configuration says who belongs to a group and who counts for its quorum.
// It is joint (thesis 4.3) while Outgoing is not empty: then a decision needs a
// majority of Voters, which is the incoming set, and a majority of Outgoing.
// All slices are sorted by identifier. The zero value has nobody in it.
type Configuration struct {
	Voters, Outgoing, Learners []Member
	// LearnersNext are the outgoing voters that become learners when the joint
	// configuration is left; the other outgoing voters that are not in Voters go.
	LearnersNext []MemberID
}

// Joint reports whether decisions need two majorities.
func (c *Configuration) Joint() bool { return len(c.Outgoing) > 0 }

// IsVoter reports whether the member counts for a quorum, of either half while joint.
func (c *Configuration) IsVoter(id MemberID) bool {
	return hasMember(c.Voters, id) || hasMember(c.Outgoing, id)
}

// IsLearner reports whether the member receives the log without counting.
func (c *Configuration) IsLearner(id MemberID) bool { return hasMember(c.Learners, id) }

// Contains reports whether the member has any part in the group.
func (c *Configuration) Contains(id MemberID) bool {
	return c.IsVoter(id) || c.IsLearner(id)
}

// Member finds a member of any kind.
func (c *Configuration) Member(id MemberID) (Member, bool) {
	for _, set := range [...][]Member{c.Voters, c.Outgoing, c.Learners} {
		if m, ok := findMember(set, id); ok {
			return m, true
		}
	}
	return Member{}, false
}

// All returns every member once, sorted, in a new slice.
func (c *Configuration) All() []Member {
	all := make([]Member, 0, len(c.Voters)+len(c.Outgoing)+len(c.Learners))
	all = append(all, c.Voters...)
	for _, m := range c.Outgoing {
		if !hasMember(c.Voters, m.ID) {
			all = append(all, m)
		}
	}
	all = append(all, c.Learners...)
	slices.SortFunc(all, compareMembers)
	return all
}

// Clone returns a copy that shares nothing with the original.
func (c *Configuration) Clone() Configuration {
	return Configuration{
		Voters:       slices.Clone(c.Voters),
		Outgoing:     slices.Clone(c.Outgoing),
		Learners:     slices.Clone(c.Learners),
		LearnersNext: slices.Clone(c.LearnersNext),
	}
}

// Equal reports whether both say the same, members' nodes included.
func (c *Configuration) Equal(o *Configuration) bool {
	return slices.Equal(c.Voters, o.Voters) && slices.Equal(c.Outgoing, o.Outgoing) &&
		slices.Equal(c.Learners, o.Learners) && slices.Equal(c.LearnersNext, o.LearnersNext)
}

// Validate reports what is wrong with a configuration: every set sorted and
// without double members, learners not voters, a member on one node only,
// LearnersNext leaving the voters, and nothing without a voter. The zero
// configuration is valid.
func (c *Configuration) Validate() error {
	sets := [...]struct {
		name    string
		members []Member
	}{{"voters", c.Voters}, {"outgoing voters", c.Outgoing}, {"learners", c.Learners}}
	for _, set := range sets {
		for i, m := range set.members {
			if m.ID == 0 {
				return fmt.Errorf("consensus: configuration: member 0 among the %s", set.name)
			}
			if i > 0 && set.members[i-1].ID >= m.ID {
				return fmt.Errorf("consensus: configuration: %s not in ascending order at member %v", set.name, m.ID)
			}
		}
	}
	if len(c.Voters) == 0 && (len(c.Outgoing) > 0 || len(c.Learners) > 0 || len(c.LearnersNext) > 0) {
		return fmt.Errorf("consensus: configuration without voters: %v", c)
	}
	for _, m := range c.Learners {
		if c.IsVoter(m.ID) {
			return fmt.Errorf("consensus: configuration: member %v is both voter and learner", m.ID)
		}
	}
	for _, m := range c.Outgoing {
		if v, ok := findMember(c.Voters, m.ID); ok && v.Node != m.Node {
			return fmt.Errorf("consensus: configuration: member %v on two nodes, %d and %d", m.ID, m.Node, v.Node)
		}
	}
	for i, id := range c.LearnersNext {
		if i > 0 && c.LearnersNext[i-1] >= id {
			return fmt.Errorf("consensus: configuration: next learners not in ascending order at member %v", id)
		}
		if !hasMember(c.Outgoing, id) || hasMember(c.Voters, id) {
			return fmt.Errorf("consensus: configuration: next learner %v is not leaving the voters", id)
		}
	}
	return nil
}

// String gives the configuration on one line, like "(1 2 4)&(1 2 3) learners (5) next (3)".
func (c Configuration) String() string {
	var b strings.Builder
	writeMembers(&b, c.Voters)
	if c.Joint() {
		b.WriteByte('&')
		writeMembers(&b, c.Outgoing)
	}
	if len(c.Learners) > 0 {
		b.WriteString(" learners ")
		writeMembers(&b, c.Learners)
	}
	if len(c.LearnersNext) > 0 {
		fmt.Fprintf(&b, " next %v", c.LearnersNext)
	}
	return b.String()
}

func writeMembers(b *strings.Builder, members []Member) {
	b.WriteByte('(')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(m.ID.String())
	}
	b.WriteByte(')')
}
