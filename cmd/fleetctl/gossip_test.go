package main

import (
	"encoding/json"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestGossipMembers(t *testing.T) {
	s := newStand(t)
	s.node.Do(func(n *admintest.Node) { n.Fleet.Nodes[2].Alive = false })
	want := "a\t0000000000000010\talive\tactive\t2026-01-02T03:04:05Z\tz1\t\t127.0.0.1:7100\t\t1-2\n" +
		"b\t0000000000000011\talive\tactive\t2026-01-02T03:04:05Z\tz2\t\t127.0.0.1:7101\t\t1-2\n" +
		"c\t0000000000000012\tdead\tactive\t2026-01-02T03:04:05Z\tz3\t\t127.0.0.1:7102\t\t1-2\n"
	if got := s.ok("gossip", "members", "--no-headers"); got != want {
		t.Errorf("%q", got)
	}
	var members []view.GossipMember
	if err := json.Unmarshal([]byte(s.ok("gossip", "members", "-o", "json")), &members); err != nil || len(members) != 3 || members[2].Health != "dead" {
		t.Errorf("%+v, %v", members, err)
	}
	s.node.Do(func(n *admintest.Node) {
		n.Fail["GossipMembers"] = admintest.Failure{Text: "the node is closed", What: admin.KindUnavailable}
	})
	if code, _, _ := s.run("gossip", "members"); code != exitUnreachable {
		t.Errorf("exit %d", code)
	}
}
