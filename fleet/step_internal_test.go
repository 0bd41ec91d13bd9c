package fleet

import (
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
)

// A step names nodes: members are numbers that an operator meets nowhere else.
func TestAChangeOfMembersNamesNodes(t *testing.T) {
	cfg := &consensus.Configuration{
		Voters:   []consensus.Member{{ID: 11, Node: 1}, {ID: 12, Node: 2}, {ID: 13, Node: 3}},
		Learners: []consensus.Member{{ID: 14, Node: 4}, {ID: 15, Node: 5}},
	}
	ns := names{1: "a1", 2: "a2", 3: "b1", 4: "b2", 5: "c1"}
	for _, c := range []struct {
		promote, remove, demote []consensus.MemberID
		want                    string
	}{
		{[]consensus.MemberID{14, 15}, []consensus.MemberID{12}, []consensus.MemberID{13}, "promote b2, c1; remove a2; demote b1"},
		{nil, []consensus.MemberID{14}, nil, "remove b2"},
	} {
		if got := ns.in(changeOfMembers(cfg, c.promote, c.remove, c.demote)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
