package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestNodeCheck(t *testing.T) {
	s := newStand(t)
	if out := s.ok("node", "check", "a"); !strings.Contains(out, "critical\tno\n") || !strings.Contains(out, "leaders\t1\n") {
		t.Error(out)
	}
	s.node.Do(func(n *admintest.Node) {
		n.AtRisk = []view.GroupAtRisk{{Group: "catalogue", Reason: "1 of 3 voters would be left, it needs 2; gone already: c"}, {Group: "orders", Reason: "the same"}}
	})
	code, out, errs := s.run("node", "check", "a")
	if code != exitUnhealthy || !strings.Contains(out, "critical\tyes\n") || !strings.Contains(out, "orders\tthe same\n") ||
		!strings.Contains(errs, "2 groups would lose their quorum without node a") || !strings.Contains(errs, "node drain a") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	code, out, _ = s.run("node", "check", "a", "-o", "json")
	var c view.NodeCheck
	if err := json.Unmarshal([]byte(out), &c); err != nil || code != exitUnhealthy || c.AtRisk != 2 || len(c.Groups) != 2 {
		t.Errorf("exit %d, %q, %v", code, out, err)
	}
	if code, _, _ := s.run("node", "check", "x"); code != exitNotFound {
		t.Errorf("an unknown node: exit %d", code)
	}
}

func TestNodeWait(t *testing.T) {
	s := newStand(t)
	if out := s.ok("node", "wait", "b"); out != "node b is active, with 2 members\n" {
		t.Errorf("%q", out)
	}
	for change, want := range map[string]string{
		"dead": "it is dead", "silent": "it is not heard", "unknown": "does not know it",
	} {
		s := newStand(t)
		s.node.Do(func(n *admintest.Node) {
			switch change {
			case "dead":
				n.Fleet.Nodes[1].State = "dead"
			case "silent":
				n.Fleet.Nodes[1].Alive = false
			case "unknown":
				n.Fleet.Nodes[1].Name = "z"
			}
		})
		code, out, errs := s.run("node", "wait", "b", "--wait-timeout", "20ms")
		if code != exitUnhealthy || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %q, %q", change, code, out, errs)
		}
	}
	if code, _, _ := s.run("node", "wait", "b", "--wait-timeout", "-1s"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

func TestNodeWaitGoesOnUntilTheNodeServes(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) {
		n.Fleet.Nodes[1].State = "joining"
		n.Fail["NodeDetail"] = admintest.Failure{Text: "no leader", What: admin.KindUnavailable}
	})
	type ended struct {
		code int
		out  string
	}
	done := make(chan ended, 1)
	go func() {
		code, out, _ := s.run("node", "wait", "b", "-o", "json")
		done <- ended{code, out}
	}()
	wait := func(looks int) {
		t.Helper()
		for range looks {
			s.node.Do(func(n *admintest.Node) { n.Calls = nil })
			if err := s.node.AwaitCall(t.Context(), "NodeDetail b"); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait(2)
	s.node.Do(func(n *admintest.Node) { delete(n.Fail, "NodeDetail") })
	wait(2)
	s.node.Do(func(n *admintest.Node) { n.Fleet.Nodes[1].State = "active" })
	e := <-done
	var d view.NodeDetail
	if err := json.Unmarshal([]byte(e.out), &d); err != nil || e.code != 0 || d.Name != "b" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestGroupWithoutLeaderIsWaitedFor(t *testing.T) {
	d := view.NodeDetail{Node: view.Node{State: "active", Alive: true}, Groups: []view.HostedMember{{Group: "g", Role: "follower"}, {Group: "h", Role: "unknown"}}}
	if got := lacks(&d); got != "1 group of its members without a leader" {
		t.Error(got)
	}
	d.Groups = d.Groups[:1]
	if got := lacks(&d); got != "" {
		t.Error(got)
	}
}

func TestGroupMembers(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.Groups[0].Members[2].Unresponsive = true })
	want := "NODE\tZONE\tMEMBER\tROLE\tAPPLIED\tLAG\tSTATE\tREASON\n" +
		"a\tz1\t1\tleader\t17\t0\tok\t\nb\tz2\t2\tvoter\t16\t1\tok\t\nc\tz3\t3\tvoter\t15\t2\tunresponsive\t\n"
	if got := s.ok("group", "members", "orders"); got != want {
		t.Errorf("%q", got)
	}
	var members []view.Member
	if err := json.Unmarshal([]byte(s.ok("group", "members", "orders", "-o", "json")), &members); err != nil || len(members) != 3 || members[2].Node != "c" {
		t.Errorf("%+v, %v", members, err)
	}
	if code, _, _ := s.run("group", "members", "nothing"); code != exitNotFound {
		t.Errorf("exit %d", code)
	}
}
