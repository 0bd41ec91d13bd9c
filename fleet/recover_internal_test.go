package fleet

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// Of two members that are left, the one whose log ends in the later term is taken,
// however long the other's is.
func TestHazard38_RecoveryPrefersTheLaterTerm(t *testing.T) {
	old, late := memberReport{DurableTerm: 3, Durable: 900}, memberReport{DurableTerm: 4, Durable: 20}
	longer := memberReport{DurableTerm: 4, Durable: 21}
	for _, c := range []struct {
		r, than memberReport
		want    bool
	}{{late, old, true}, {old, late, false}, {longer, late, true}, {late, longer, false}, {late, late, false}} {
		if got := c.r.moreComplete(c.than); got != c.want {
			t.Errorf("%d@%d before %d@%d: %t", c.r.Durable, c.r.DurableTerm, c.than.Durable, c.than.DurableTerm, got)
		}
	}
}

// configured makes a configuration of members that live on the nodes of their number.
func configured(voters, outgoing, learners []int) consensus.Configuration {
	list := func(ids []int) (out []consensus.Member) {
		for _, id := range ids {
			out = append(out, consensus.Member{ID: consensus.MemberID(id), Node: uint64(id)})
		}
		return out
	}
	return consensus.Configuration{Voters: list(voters), Outgoing: list(outgoing), Learners: list(learners)}
}

// answering is the member on the node of its number, whose log ends at index of term 2.
func answering(id int, index uint64, c consensus.Configuration) candidate {
	return candidate{node: ident.NodeID(id), is: answers, config: c, report: memberReport{Member: ident.MemberID(id), Durable: index, DurableTerm: 2}}
}

func lacking(id int, is presence) candidate {
	return candidate{node: ident.NodeID(id), is: is, err: errors.New("why it does not answer")}
}

func TestTheSurvivorOfARecovery(t *testing.T) {
	before := configured([]int{1, 2, 3}, nil, nil)
	learns := configured([]int{1, 2, 3}, nil, []int{4})
	joint := configured([]int{1, 2, 4}, []int{1, 2, 3}, nil)
	leaves := configured([]int{1, 2, 4}, nil, []int{3})
	after := configured([]int{1, 2, 4}, nil, nil)
	leads := answering(4, 9, after)
	leads.report.Leader = 4
	follows := answering(4, 9, after)
	follows.report.Leader = 1
	later := answering(1, 3, before)
	later.report.DurableTerm = 3
	older := answering(2, 9, before)
	for name, c := range map[string]struct {
		found   survey
		want    ident.NodeID
		refused string
	}{
		"one of three":                                   {survey{lacking(1, gone), lacking(2, gone), answering(3, 5, before)}, 3, ""},
		"the later term":                                 {survey{later, answering(2, 9, configured([]int{1, 2, 3, 4, 5}, nil, nil)), lacking(3, gone)}, 0, "majority"},
		"the later term of two in five":                  {survey{withConfig(later, configured([]int{1, 2, 3, 4, 5}, nil, nil)), withConfig(older, configured([]int{1, 2, 3, 4, 5}, nil, nil))}, 1, ""},
		"who follows one that is gone":                   {survey{lacking(1, gone), lacking(2, gone), answering(3, 5, learns), follows}, 4, ""},
		"not who left, its log being shorter":            {survey{lacking(1, gone), lacking(2, gone), answering(3, 5, before), answering(4, 9, after)}, 4, ""},
		"not who left and knows it":                      {survey{lacking(1, gone), lacking(2, gone), answering(3, 9, after), answering(4, 7, leaves)}, 4, ""},
		"who is leaving, its log being longer":           {survey{lacking(1, gone), lacking(2, gone), answering(3, 9, leaves), answering(4, 7, joint)}, 3, ""},
		"a learner that has more than the voter":         {survey{lacking(1, gone), lacking(2, gone), answering(3, 5, before), answering(4, 9, learns)}, 4, ""},
		"a voter before a learner that has as much":      {survey{lacking(1, gone), lacking(2, gone), answering(3, 9, leaves), answering(4, 9, leaves)}, 4, ""},
		"one of two whose other member failed":           {survey{answering(1, 5, before), lacking(2, failed), lacking(3, gone)}, 1, ""},
		"joint, with one majority":                       {survey{lacking(1, gone), answering(2, 9, joint), answering(3, 5, joint), lacking(4, gone)}, 2, ""},
		"joint, with both":                               {survey{answering(1, 9, joint), answering(2, 9, joint), lacking(3, gone), lacking(4, gone)}, 0, "2 of 4 voters are there"},
		"a majority that is not the reported one":        {survey{lacking(1, gone), answering(2, 9, after), lacking(3, gone), answering(4, 9, after)}, 0, "2 of 3 voters are there"},
		"a majority, one of it only beginning":           {survey{answering(1, 1, before), lacking(2, begins), lacking(3, gone)}, 0, "which has not begun its member yet"},
		"one that begins and would be no majority":       {survey{answering(1, 9, after), lacking(2, gone), lacking(3, begins), lacking(4, gone)}, 1, ""},
		"one that leads":                                 {survey{lacking(1, gone), lacking(2, unclear), lacking(3, gone), leads}, 0, "leads it"},
		"one that is alive and silent":                   {survey{lacking(1, gone), lacking(2, unclear), answering(3, 5, before)}, 0, "alive and does not say"},
		"nobody":                                         {survey{lacking(1, gone), lacking(2, failed), lacking(3, gone)}, 0, "nothing to recover from"},
		"nobody but who left":                            {survey{lacking(1, gone), lacking(2, gone), answering(3, 9, after), lacking(4, gone)}, 0, "have left the group"},
		"nobody but one that does not know that it left": {survey{lacking(1, gone), lacking(2, gone), answering(3, 5, before), lacking(4, gone)}, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.found.survivor(nil)
			switch {
			case c.refused != "":
				if !errors.Is(err, ErrRefused) || !strings.Contains(fmt.Sprint(err), c.refused) {
					t.Errorf("taken is the member on node %s, %v; want a refusal: %s", got.node, err, c.refused)
				}
			case err != nil || got.node != c.want:
				t.Errorf("taken is the member on node %s, %v; want that on %s", got.node, err, c.want)
			}
		})
	}
}

func withConfig(c candidate, config consensus.Configuration) candidate {
	c.config = config
	return c
}

// A recovery that may still be committed must not let its survivor go on.
func TestOnlyARecoveryThatCannotHappenAnyMoreIsDecided(t *testing.T) {
	for err, want := range map[error]bool{
		catalogueError(&catalogue.Refusal{Sentinel: catalogue.ErrNoNode, Detail: "n"}): false,
		catalogueError(&catalogue.Refusal{Sentinel: catalogue.ErrLimit, Detail: "n"}):  false,
		ErrOverloaded:         false,
		errors.New("timeout"): true,
	} {
		if got := undecided(err); got != want {
			t.Errorf("%v: undecided %t", err, got)
		}
	}
}
