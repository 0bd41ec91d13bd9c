package fleet

import (
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Whoever forgot a node is not told to forget it as long as its members are replaced.
func TestRemedyForANodeThatWasGivenUp(t *testing.T) {
	node := catalogue.Node{ID: 7, Name: "b", State: placement.Dead, Reason: "forgotten by an operator"}
	for _, c := range []struct {
		alive       bool
		groups      int
		says, never string
	}{
		{false, 2, "wait until they are", "forget"},
		{false, 0, "fleetctl node forget b", "wait"},
		{true, 2, "comes back by itself", "forget b"},
	} {
		p := deadProblem(node, "b", c.alive, c.groups)
		if p.Kind != "node_dead" || p.Thing != "b" || !strings.Contains(p.Reason, "forgotten by an operator") || !strings.Contains(p.Remedy, c.says) || strings.Contains(p.Remedy, c.never) {
			t.Errorf("alive %v, %d groups: %+v", c.alive, c.groups, p)
		}
	}
}

// Nobody is told to wait for an election that cannot be won, nor to recover a group
// whose nodes may only be slow.
func TestRemedyForAGroupWithoutLeader(t *testing.T) {
	for _, c := range []struct {
		missing, mute []string
		kind, reason  string
		says, never   string
	}{
		{nil, nil, "no_leader", "no node", "election", "recover"},
		{[]string{"a"}, nil, "no_leader", "no node", "election", "recover"},
		{nil, []string{"a", "b"}, "no_leader", "2 of 3 members are on nodes that do not answer: a, b", "majority", "recover"},
		{[]string{"a"}, []string{"b"}, "no_leader", "2 of 3 members", "majority", "recover"},
		{[]string{"a", "b"}, nil, "no_quorum", "gone: a, b", "bring a back; if it never returns: fleetctl group recover g", "election"},
	} {
		p := withoutLeader("g", 3, c.missing, c.mute)
		if p.Kind != c.kind || p.Thing != "g" || !strings.Contains(p.Reason, c.reason) || !strings.Contains(p.Remedy, c.says) || strings.Contains(p.Remedy, c.never) {
			t.Errorf("missing %v, mute %v: %+v", c.missing, c.mute, p)
		}
	}
}

func TestNamesInCommandsAreQuotedForTheShell(t *testing.T) {
	for name, want := range map[string]string{"orders-1": "orders-1", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "": "''", "größe": "größe"} {
		if got := quoted(name); got != want {
			t.Errorf("%q became %s, want %s", name, got, want)
		}
	}
}

func TestWhatPlacementCannotHelpIsSaidInNamesWithARemedy(t *testing.T) {
	id := ident.NodeID(0xabc)
	ns := names{id: "b"}
	machine := catalogue.New()
	for kind := placement.NoQuorum; kind <= placement.LeaderSkew; kind++ {
		p, more := infeasibleProblem(placement.Reason{Kind: kind, From: id, Zone: "z1", Group: 5, Text: "node " + id.String() + " has trouble"}, machine, ns)
		if kind == placement.NoQuorum {
			if more {
				t.Errorf("a group that is gone: %+v", p)
			}
			continue
		}
		if !more || strings.Contains(p.Reason, id.String()) || !strings.Contains(p.Reason, "node b") || p.Remedy == "" || p.Thing != "b" || p.Kind != "infeasible" {
			t.Errorf("%s: %+v", kind, p)
		}
	}
	if p, _ := infeasibleProblem(placement.Reason{Kind: placement.ZoneSkew, Zone: "z1", Text: "zone z1 is small"}, machine, ns); p.Thing != "zone z1" || !strings.Contains(p.Remedy, "zone z1") {
		t.Errorf("%+v", p)
	}
}
