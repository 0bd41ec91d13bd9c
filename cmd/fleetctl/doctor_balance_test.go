package main

import (
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestDoctorLooksAtBalancing(t *testing.T) {
	const paused = "balance\tfailed\tpaused: moves are paused by ann: switch\twhen the cause is gone: fleetctl balance resume\n"
	for name, c := range map[string]struct {
		prepare func(n *admintest.Node)
		says    []string // lines of the checks; none: all is well
		not     string
	}{
		"a pause, said once": {func(n *admintest.Node) {
			n.Balancing.State = view.Balance{State: view.BalancePaused, Why: "moves are paused by ann: switch", Pause: &view.BalancePause{By: "ann"}}
			n.Fleet.Problems = []view.Problem{{Kind: "moves_paused", Thing: "fleet", Reason: "moves were paused by ann"}}
		}, []string{paused}, "moves_paused"},
		"the brake, said once": {func(n *admintest.Node) {
			n.Balancing.State = view.Balance{State: view.BalanceHeld, Why: "3 of 9 nodes are gone", Held: "3 of 9 nodes are gone"}
			n.Fleet.Problems = []view.Problem{{Kind: "repair_held", Thing: "fleet", Reason: "3 of 9 nodes are gone"}}
		}, []string{"balance\tfailed\theld: 3 of 9 nodes are gone\tbring the nodes back, or"}, "repair_held"},
		"nobody can tell": {func(n *admintest.Node) {
			n.Balancing.State = view.Balance{State: view.BalanceUnknown, Why: "node b plans and does not answer", Planner: "b"}
		}, []string{"balance\tfailed\tunknown: node b plans and does not answer\t"}, ""},
		"no move would help, said once": {func(n *admintest.Node) {
			n.Balancing.State = view.Balance{State: view.BalanceStuck, Why: "no move would help what is left: too few nodes"}
			n.Fleet.Problems = []view.Problem{{Kind: "infeasible", Thing: "placement", Reason: "too few nodes", Remedy: "activate more nodes"}}
		}, []string{"balance\tok\tstuck: ", "infeasible placement\tfailed\ttoo few nodes\tactivate more nodes\n"}, ""},
		"what is on the move is no fault": {func(n *admintest.Node) {
			n.Balancing.State = view.Balance{State: view.BalanceMoving, Why: "4 groups on the move"}
			n.Balancing.Moves = []view.Move{{Group: "orders", Age: 600}}
			n.Balancing.Skew = busySkew()
		}, nil, ""},
		"a move that failed before": {func(n *admintest.Node) {
			n.Balancing.Moves = []view.Move{{Group: "orders", Age: 5}, {Group: "stock", Age: 30, Failures: 1, Blocked: "node b3 does not answer"}}
		}, []string{"moves\tfailed\t1 of 2 moves stuck: group stock (given up once before; node b3 does not answer)\tsee fleetctl balance moves"}, ""},
		"a move that is late": {func(n *admintest.Node) {
			n.Balancing.Moves = []view.Move{{Group: "orders", Age: 601}}
		}, []string{"moves\tfailed\t1 of 1 move stuck: group orders (on the move for 10m1s)\t"}, ""},
		"late by another limit": {func(n *admintest.Node) {
			n.Balancing.Limits[1].Value = "1m0s"
			for _, g := range []string{"a", "b", "c", "d"} {
				n.Balancing.Moves = append(n.Balancing.Moves, view.Move{Group: g, Age: 62})
			}
		}, []string{"moves\tfailed\t4 of 4 moves stuck: group a (on the move for 1m2s); group b (on the move for 1m2s); group c (on the move for 1m2s); and 1 more\t", "after 1m0s without progress"}, ""},
		"uneven nodes though nothing moves": {func(n *admintest.Node) {
			n.Balancing.Skew.Nodes[1] = view.SkewNode{Node: "b", Zone: "z2", State: "active", Members: 44, Share: 40, Ratio: 1.1}
		}, []string{"skew\tfailed\tuneven: node b has 44 members, its share is 40\tsee fleetctl balance status"}, ""},
		"an uneven zone": {func(n *admintest.Node) {
			n.Balancing.Skew.Zones[2] = view.SkewZone{Zone: "z3", Members: 233, Share: 100, Ratio: 2.33}
		}, []string{"skew\tfailed\tuneven: zone z3 has 233 members, its share is 100\t"}, ""},
		"within another tolerance": {func(n *admintest.Node) {
			n.Balancing.Limits = append(n.Balancing.Limits, view.BalanceLimit{Name: "epsilon_percent", Value: "15"})
			n.Balancing.Skew.Nodes[1] = view.SkewNode{Node: "b", Zone: "z2", State: "active", Members: 114, Share: 100, Ratio: 1.14}
		}, nil, ""},
		"within five percent": {func(n *admintest.Node) {
			n.Balancing.Skew.Nodes[1] = view.SkewNode{Node: "b", Zone: "z2", State: "active", Members: 104, Share: 100, Ratio: 1.04}
			n.Balancing.Skew.Nodes[2] = view.SkewNode{Node: "c", Zone: "z3", State: "active", Members: 2, Share: 1.3, Ratio: 1.5}
		}, nil, ""},
		"a zone that no move can help, said once": {func(n *admintest.Node) {
			n.Balancing.Skew.Zones[2] = view.SkewZone{Zone: "z3", Members: 233, Share: 100, Ratio: 2.33}
			n.Balancing.Skew.Nodes[2] = view.SkewNode{Node: "c", Zone: "z3", State: "active", Members: 233, Share: 100, Ratio: 2.33}
			n.Fleet.Problems = []view.Problem{{Kind: "infeasible", Thing: "zone z3", Reason: "zone z3 has 1 node: spread gives it 2.33 × its share", Remedy: "activate more nodes in zone z3"}}
		}, []string{"skew\tok\t", "infeasible zone z3\tfailed\tzone z3 has 1 node"}, "uneven"},
		"a node that is drained": {func(n *admintest.Node) {
			n.Fleet.Nodes[2].State = "draining"
			n.Balancing.Skew.Nodes[2] = view.SkewNode{Node: "c", Zone: "z3", State: "draining", Members: 12}
		}, nil, ""},
		"a node of a version that does not tell": {func(n *admintest.Node) {
			n.Fail["Balance"] = admintest.Failure{Text: "there is no path", What: admin.KindNotFound}
		}, nil, ""},
		"a failure": {func(n *admintest.Node) {
			n.Fail["Skew"] = admintest.Failure{Text: "it is gone", What: admin.KindUnavailable, Try: "wait"}
		}, []string{"skew\tfailed\tit is gone\twait\n", "balance\tok\t", "moves\tok\t"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.node.Do(func(n *admintest.Node) {
				n.Fleet.Problems, n.Fleet.GroupsWithoutLeader, n.Fleet.MovesInFlight = nil, 0, 0
				c.prepare(n)
			})
			code, out, _ := s.run("doctor")
			if len(c.says) == 0 {
				if code != 0 || !strings.HasPrefix(out, "all is well: ") {
					t.Errorf("exit %d\n%s", code, out)
				}
				return
			}
			if code != 5 {
				t.Errorf("exit %d", code)
			}
			for _, want := range c.says {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if c.not != "" && strings.Contains(out, c.not) {
				t.Errorf("%q is in\n%s", c.not, out)
			}
		})
	}
}

// Without a leader of the catalogue nothing can be told of balancing; that is said once.
func TestDoctorWithoutACatalogueSaysItOnce(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Fleet.Problems, n.Fleet.GroupsWithoutLeader, n.Fleet.Catalogue.Leader = nil, 0, ""
		n.Balancing.State = view.Balance{State: view.BalanceUnknown, Why: "the catalogue has no leader"}
	})
	code, out, errs := s.run("doctor")
	if code != 5 || strings.Count(out, "failed") != 1 || !strings.Contains(errs, "1 of ") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Fail["Balance"] = admintest.Failure{Text: "no leader", What: admin.KindUnavailable}
	})
	code, out, _ = s.run("doctor")
	if code != 5 || strings.Count(out, "failed") != 1 {
		t.Errorf("exit %d\n%s", code, out)
	}
}
