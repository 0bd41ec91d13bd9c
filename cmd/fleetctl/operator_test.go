package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestDoctorSaysInOneLineThatAllIsWell(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.Fleet.Problems, n.Fleet.GroupsWithoutLeader = nil, 0 })
	if out := s.ok("doctor"); out != "all is well: 3 nodes, 2 groups with 6 members, the catalogue led by a, 1 move in flight\n" {
		t.Errorf("%q", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Fleet.MovesInFlight, n.Fleet.Nodes[2].State = 0, "draining" })
	if out := s.ok("doctor"); out != "all is well: 3 nodes (1 draining), 2 groups with 6 members, the catalogue led by a\n" {
		t.Errorf("%q", out)
	}
	var d diagnosis
	if err := json.Unmarshal([]byte(s.ok("doctor", "-o", "json")), &d); err != nil || !d.Healthy || !strings.HasPrefix(d.Summary, "all is well") || len(d.Checks) != 10 {
		t.Errorf("%+v, %v", d, err)
	}
}

// What the fleet says to do about a node counts, and is said once.
func TestDoctorRepeatsTheFleetsRemedyForANode(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Fleet.GroupsWithoutLeader = 0
		n.Fleet.Nodes[1].State, n.Fleet.Nodes[1].Alive, n.Fleet.Nodes[1].Reason = "dead", false, "forgotten by an operator"
		n.Fleet.Problems = []view.Problem{{Kind: "node_dead", Thing: "b", Reason: "forgotten by an operator; being replaced", Remedy: "wait"}}
	})
	code, out, errs := s.run("doctor")
	if code != 5 || !strings.Contains(out, "node b\tfailed\tdead: forgotten by an operator; being replaced\twait\n") ||
		strings.Contains(out, "node_dead") || strings.Contains(out, "forget b") || !strings.Contains(errs, "1 of 10 checks failed") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestDoctorTellsWhatTheCatalogueMisses(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Fleet.GroupsWithoutLeader, n.Fleet.Catalogue.Leader = 0, ""
		n.Fleet.Problems = []view.Problem{{Kind: "catalogue_no_leader", Thing: "catalogue", Reason: "b and c are not heard", Remedy: "bring back 1 of them"}}
	})
	code, out, errs := s.run("doctor")
	if code != 5 || !strings.Contains(out, "catalogue\tfailed\tb and c are not heard\tbring back 1 of them\n") || !strings.Contains(errs, "1 of 10") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestANodeThatHasNotJoined(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.ReadyError = admintest.Failure{Text: "not in a fleet"}
		n.Fleet = view.Status{
			Node:     "a",
			Problems: []view.Problem{{Kind: "not_joined", Thing: "a", Reason: "it sees 2 of 3 founders", Remedy: "start the other nodes"}},
			Joining: &view.Joining{State: view.JoiningSearches, Zone: "z1", Join: []string{"h:1", "i:2"}, FoundersSeen: 2, FoundersWanted: 3,
				Errors: []view.JoinError{{Addr: "i:2", Time: admintest.Began, Reason: "refused"}}},
		}
	})
	want := "FACT\tVALUE\nasked\ta\nstate\tjoining\nfleet\tnone yet\nzone\tz1\njoins\th:1 i:2\nfounders\t2 of 3\n\n" +
		"NOT JOINED\tREASON\tTRIED\ni:2\trefused\t2026-01-02T03:04:05Z\n\n" +
		"PROBLEM\tTHING\tREASON\tREMEDY\tSINCE\nnot_joined\ta\tit sees 2 of 3 founders\tstart the other nodes\t\n"
	if out := s.ok("status"); out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
	code, out, _ := s.run("doctor")
	if code != 5 || !strings.Contains(out, "not_joined a\tfailed\tit sees 2 of 3 founders\tstart the other nodes\n") || strings.Contains(out, "catalogue") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, _, errs := s.run("node", "ls"); code != 3 || !strings.Contains(errs, "2 of 3 founders") || !strings.Contains(errs, "try: start the other nodes") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestAGroupWithMoreReplicasThanPlaces(t *testing.T) {
	s := newStand(t)
	for _, c := range []struct {
		replicas, zones, says string
	}{
		{"3", "z1 z2 z3", ""},
		{"1", "z1 z1 z1", ""},
		{"5", "z1 z2 z3", "5 replicas are wanted and only 3 nodes are active"},
		{"2", "z1 - -", "only 1 node is active"},
		{"3", "z1 z1 z1", "all active nodes are in one zone"},
		{"3", "z1 z1 z2", "may take a majority"},
	} {
		s.node.Do(func(n *admintest.Node) {
			n.Groups = nil
			for i, zone := range strings.Fields(c.zones) {
				n.Fleet.Nodes[i].Zone, n.Fleet.Nodes[i].Alive = zone, zone != "-"
			}
		})
		code, out, errs := s.run("group", "add", "new", "--type", "counter", "--replicas", c.replicas)
		if code != 0 || out != "group new is added\n" || (errs == "") != (c.says == "") || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") > 1 {
			t.Errorf("%s in %s: exit %d, stdout %q, stderr %q", c.replicas, c.zones, code, out, errs)
		}
	}
}

func TestAnUnknownOutcomeSaysHowToRepeat(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Fail["CallJSON"] = admintest.Failure{Text: "add: context deadline exceeded", What: admin.KindUnknownOutcome, ID: "7-9"}
	})
	code, out, errs := s.run("call", "orders", "add", "1")
	if code != 7 || out != "" || errs != "fleetctl: add: the time is over\n  try: the same again with --command-id 7-9: it is applied once all the same\n" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

func TestForgetSaysHowFarItCame(t *testing.T) {
	s := newStand(t)
	if out := s.ok("node", "forget", "c", "-y", "--force"); out != "node c is forgotten\n" {
		t.Errorf("%q", out)
	}
	a := s.app(io.Discard, io.Discard)
	a.timeout = time.Minute
	defer a.close()
	if out := a.forgotten(t.Context(), "b"); !strings.Contains(out, "(2 now)") || !strings.Contains(out, "takes it off the list") {
		t.Errorf("%q", out)
	}
	s.node.Do(func(n *admintest.Node) { n.Fail["NodeDetail"] = errors.New("no") })
	if out := a.forgotten(t.Context(), "b"); !strings.Contains(out, "as soon as") {
		t.Errorf("%q", out)
	}
}

func TestErrorsAreInWords(t *testing.T) {
	for from, want := range map[string]string{
		`fleet: add group "g": give 1 to 9: invalid argument`:                                        `add group "g": give 1 to 9`,
		"recover: it needs no recovery: refused":                                                     "recover: it needs no recovery",
		"context deadline exceeded; last: no leader":                                                 "the time is over; last: no leader",
		`invalid argument "x" for "--after" flag: strconv.ParseUint: parsing "x": invalid syntax`:    `invalid argument "x" for "--after" flag: invalid syntax`,
		`fleet: set limits: planner: invalid limit: moves is "-3": give 0 or more: invalid argument`: `set limits: moves is "-3": give 0 or more`,
		`the fleet: it is refused`:                                                                   `the fleet: it is refused`,
	} {
		if got := inWords(from); got != want {
			t.Errorf("%q became %q, want %q", from, got, want)
		}
	}
}

func TestArchives(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Kept = []view.Archive{{Name: "old", Type: "kv", GroupID: 5, Bytes: 77, Term: 2, Index: 9, Removed: admintest.Began}}
	})
	if out := s.ok("archive", "ls"); out != "NAME\tTYPE\tGROUP ID\tBYTES\tTERM\tINDEX\tREMOVED\nold\tkv\t0000000000000005\t77\t2\t9\t2026-01-02T03:04:05Z\n" {
		t.Errorf("%q", out)
	}
	if code, out, _ := s.run("__complete", "archive", "rm", ""); code != 0 || !strings.HasPrefix(out, "old\n") {
		t.Errorf("exit %d, %q", code, out)
	}
	if code, _, errs := s.run("archive", "rm", "old"); code != 2 || !strings.Contains(errs, "add -y") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if out := s.ok("archive", "rm", "old", "-y"); out != "archive old is dropped\n" {
		t.Errorf("%q", out)
	}
	if code, _, errs := s.run("archive", "rm", "old", "-y"); code != 4 || !strings.Contains(errs, "archive ls") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if out := s.ok("archive", "ls", "-o", "json"); out != "[]\n" {
		t.Errorf("%q", out)
	}
}
