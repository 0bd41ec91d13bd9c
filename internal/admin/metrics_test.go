package admin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func metrics(t *testing.T, s *admin.Server) string {
	t.Helper()
	code, body, _ := ask(t, s, "GET", "/metrics", "", "Accept", "text/plain")
	if code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	return body
}

func contains(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, "\n"+l+"\n") {
			t.Errorf("no line %q", l)
		}
	}
}

func TestMetricsShowTheFleet(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	if _, err := c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := metrics(t, s)
	contains(t, text,
		`raftfleet_up 1`, `raftfleet_ready 1`, `raftfleet_nodes{state="active"} 3`, `raftfleet_nodes{state="dead"} 0`,
		`raftfleet_groups 2`, `raftfleet_groups_without_leader 1`, `raftfleet_moves_in_flight 1`, `raftfleet_catalogue_has_leader 1`,
		`raftfleet_node_members{node="b",zone="z2"} 2`, `raftfleet_node_alive{node="b",zone="z2"} 1`, `raftfleet_problems{kind="no_leader"} 1`,
		`raftfleet_admin_requests_total{code="200",method="GET",path="/v1/status"} 1`)
	if strings.Contains(text, "raftfleet_group_") {
		t.Error("series by group that nobody asked for")
	}
	n.Do(func(n *admintest.Node) { n.Fail["Status"], n.ReadyError = errors.New("no"), errors.New("no") })
	contains(t, metrics(t, s), `raftfleet_up 0`, `raftfleet_ready 0`)
}

func TestMetricsByGroupOnRequest(t *testing.T) {
	_, s, _ := start(t, admin.Options{GroupMetrics: true})
	contains(t, metrics(t, s), `raftfleet_group_has_leader{group="orders",type="counter"} 1`, `raftfleet_group_has_leader{group="stock",type="kv"} 0`, `raftfleet_group_members{group="stock",type="kv"} 3`)
}

func TestNodesOfOneNameDoNotSpoilTheScrape(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) { n.Fleet.Nodes[1].Name, n.Fleet.Nodes[1].Zone = "a", "z1" })
	contains(t, metrics(t, s), `raftfleet_node_alive{node="0000000000000010",zone="z1"} 1`, `raftfleet_node_alive{node="0000000000000011",zone="z1"} 1`)
}

func TestMetricsStandWithThoseOfTheHost(t *testing.T) {
	r := prometheus.NewRegistry()
	o := admin.Options{Registerer: r, Logger: quiet}
	s, err := admin.NewServer(admintest.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.NewServer(admintest.New(), o); err == nil || !strings.Contains(err.Error(), "WrapRegistererWith") {
		t.Errorf("two nodes on one registry: %v", err)
	}
	if families, err := r.Gather(); err != nil || len(families) == 0 {
		t.Errorf("the host's registry shows %d families: %v", len(families), err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := admin.NewServer(admintest.New(), o)
	if err != nil {
		t.Fatalf("after the first one was shut down: %v", err)
	}
	if err := again.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestProfilesOnRequest(t *testing.T) {
	_, s, _ := start(t, admin.Options{})
	if code, _, _ := ask(t, s, "GET", "/debug/pprof/heap", ""); code != 404 {
		t.Errorf("profiles that nobody asked for: %d", code)
	}
	_, s, _ = start(t, admin.Options{Profiles: true})
	if code, body, _ := ask(t, s, "GET", "/debug/pprof/", ""); code != 200 || !strings.Contains(body, `"heap"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body, _ := ask(t, s, "GET", "/debug/pprof/goroutine?debug=1", ""); code != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %s", code, body)
	}
	if code, _, _ := ask(t, s, "GET", "/debug/pprof/nonsense", ""); code != 404 {
		t.Errorf("%d", code)
	}
}
