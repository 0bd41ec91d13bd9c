package fleet_test

import (
	"net"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
)

// told is what the last node hears of the named one.
func told(t *testing.T, nodes []*fleet.Node, name string) view.Node {
	t.Helper()
	var found view.Node
	eventually(t, "node "+name+" is seen", func() bool {
		all, err := nodes[len(nodes)-1].Nodes(t.Context())
		for _, v := range all {
			if v.Name == name {
				found = v
			}
		}
		return err == nil && found.Alive && found.Admin != ""
	})
	return found
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Nodes that listen on all addresses tell others one at which they are reached, and
// so form a fleet.
func TestNodesThatListenEverywhereAreReached(t *testing.T) {
	for _, everywhere := range []string{"0.0.0.0:0", ":0"} {
		first := testConfig(t, "n1")
		first.Listen, first.Admin, first.AdminToken = everywhere, everywhere, "secret"
		nodes := []*fleet.Node{activate(t, "zone-0", first)}
		second := testConfig(t, "n2", nodes[0].GossipAddr())
		second.Listen = everywhere
		nodes = append(nodes, activate(t, "zone-1", second))
		if err := nodes[1].AddConsensusGroup(t.Context(), "g", 2, counterType); err != nil {
			t.Fatal(err)
		}
		mustAdd(t, nodes[0], "g", 1, 1)
		mustAdd(t, nodes[1], "g", 1, 2)
		v := told(t, nodes, "n1")
		if want := "127.0.0.1:" + port(t, nodes[0].ListenAddr()); v.Addr != want {
			t.Errorf("others are told %q, want %q", v.Addr, want)
		}
		if want := "127.0.0.1:" + port(t, nodes[0].AdminAddr()); v.Admin != want {
			t.Errorf("others are told %q for the admin API, want %q", v.Admin, want)
		}
	}
}

func TestAdvertisedAddressIsTold(t *testing.T) {
	cfg := testConfig(t, "n1")
	cfg.Listen, cfg.AdvertiseListen = "0.0.0.0:0", "localhost:0"
	nodes := []*fleet.Node{activate(t, "zone-0", cfg)}
	nodes = append(nodes, activate(t, "zone-1", testConfig(t, "n2", nodes[0].GossipAddr())))
	if v, want := told(t, nodes, "n1"), "localhost:"+port(t, nodes[0].ListenAddr()); v.Addr != want {
		t.Errorf("others are told %q, want %q", v.Addr, want)
	}
	for field, addr := range map[string]string{"AdvertiseListen": "0.0.0.0:1", "AdvertiseGossip": "[::]:1"} {
		cfg := testConfig(t, "n4")
		if field == "AdvertiseListen" {
			cfg.AdvertiseListen = addr
		} else {
			cfg.AdvertiseGossip = addr
		}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), "can reach") {
			t.Errorf("%s %s: %v", field, addr, err)
		}
	}
}
