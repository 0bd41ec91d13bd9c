package fleet

import (
	"testing"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A group on its way from nodes 1 2 3 to 4 5 6 needs a majority of either.
func TestCheckOfChangingVoters(t *testing.T) {
	g := &catalogue.Group{}
	for _, n := range []ident.NodeID{1, 2, 3} {
		g.Configured = append(g.Configured, catalogue.Member{ID: ident.MemberID(n), Node: n})
	}
	var r memberReport
	for _, m := range []struct {
		node ident.NodeID
		role string
	}{{4, "leader"}, {5, "voter"}, {6, "voter"}, {1, "outgoing"}, {2, "outgoing"}, {3, "outgoing"}} {
		r.Members = append(r.Members, reportedMember{Node: m.node, Role: m.role})
	}
	all := []ident.NodeID{1, 2, 3, 4, 5, 6}
	for _, c := range []struct {
		what                    string
		report                  memberReport
		gone                    []ident.NodeID
		without                 ident.NodeID
		critical, withoutQuorum bool
	}{
		{"all are there", r, nil, 1, false, false},
		{"one of the old is gone", r, []ident.NodeID{1}, 2, true, false},
		{"one of the old is gone, and one of the new goes", r, []ident.NodeID{1}, 4, false, false},
		{"one of the new is gone", r, []ident.NodeID{6}, 5, true, false},
		{"most of the old are gone", r, []ident.NodeID{1, 2}, 3, false, true},
		{"most of the old are gone, and one of the new", r, []ident.NodeID{1, 2, 6}, 5, false, true},
		{"nobody reports", memberReport{}, []ident.NodeID{1}, 2, true, false},
	} {
		q := quorumCheck{without: c.without, answers: make(map[ident.NodeID]bool), names: names{}}
		for _, n := range all {
			q.answers[n] = true
		}
		for _, n := range c.gone {
			q.answers[n] = false
		}
		q.look("g", changingVoters(g, c.report)...)
		if d := q.done(); d.Critical != c.critical || d.WithoutQuorum > 0 != c.withoutQuorum {
			t.Errorf("%s: %+v", c.what, d)
		}
	}
	// Learners do not vote.
	r = memberReport{Members: []reportedMember{{Node: 1, Role: "leader"}, {Node: 2, Role: "learner"}}}
	g.Configured = g.Configured[:2]
	q := quorumCheck{without: 2, answers: map[ident.NodeID]bool{1: true, 2: true}, names: names{}}
	if q.look("g", changingVoters(g, r)...); q.done().Critical {
		t.Errorf("a learner was counted: %+v", q.result)
	}
}
