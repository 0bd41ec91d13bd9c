package placement

// Policy is how evenly, and how widely, members are spread. The zero value is
// the default policy.
type Policy struct {
	// MaxPerZone 0 means strict spread: every group in as many zones as it can
	// be, as evenly as it can be. k > 0 means: at most k members of a group in
	// a zone and otherwise by weight, which suits zones of very different size.
	// Where k leaves no room for all members, k is exceeded as little as needed
	// and the plan says so.
	MaxPerZone int `json:"max_per_zone,omitempty"`
	// EpsilonPermille is how far a node's members and leaders may be from its
	// fair number before anything moves, in thousandths of it. Default 50, which
	// is 5 %; at most 1000. More means fewer moves.
	EpsilonPermille int `json:"epsilon_permille,omitempty"`
	// MemberSlack is the least such distance in members, default 2, and
	// LeaderSlack that in leaders, default 5, so that small numbers do not
	// cause moves. A node with less than half of its fair number always gets
	// some: a new node does not stay empty.
	MemberSlack int `json:"member_slack,omitempty"`
	LeaderSlack int `json:"leader_slack,omitempty"`
}

const (
	defaultEpsilonPermille = 50
	defaultMemberSlack     = 2
	defaultLeaderSlack     = 5
	maxSlack               = 1 << 20
)

func (p Policy) withDefaults() Policy {
	pick := func(v, def, most int) int {
		if v <= 0 {
			return def
		}
		return min(v, most)
	}
	p.MaxPerZone = max(p.MaxPerZone, 0)
	p.EpsilonPermille = pick(p.EpsilonPermille, defaultEpsilonPermille, 1000)
	p.MemberSlack = pick(p.MemberSlack, defaultMemberSlack, maxSlack)
	p.LeaderSlack = pick(p.LeaderSlack, defaultLeaderSlack, maxSlack)
	return p
}
