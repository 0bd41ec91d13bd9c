package admin_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestEveryMethodReachesTheNode(t *testing.T) {
	ctx := t.Context()
	n, _, c := start(t, admin.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	status, err := c.Status(ctx)
	must(err)
	if status.FleetID != n.Fleet.FleetID || len(status.Nodes) != 3 {
		t.Errorf("%+v", status)
	}
	nodes, err := c.Nodes(ctx)
	must(err)
	if len(nodes) != 3 || nodes[0] != n.Fleet.Nodes[0] {
		t.Errorf("%+v", nodes)
	}
	detail, err := c.Node(ctx, "0000000000000011")
	must(err)
	if detail.Name != "b" {
		t.Errorf("a node by its id: %+v", detail)
	}
	check, err := c.CheckNode(ctx, "b")
	must(err)
	if check.Node != "b" || check.Critical || check.Groups == nil {
		t.Errorf("%+v", check)
	}
	heard, err := c.GossipMembers(ctx)
	must(err)
	if len(heard) != 3 || heard[1].Name != "b" {
		t.Errorf("%+v", heard)
	}
	must(c.Drain(ctx, "b"))
	p, err := c.DrainProgress(ctx, "b")
	must(err)
	if !p.Done {
		t.Errorf("%+v", p)
	}
	must(c.Undrain(ctx, "b"))
	must(c.Forget(ctx, "c", true))
	must(c.AddGroup(ctx, "new", "counter", 5, false))
	groups, err := c.Groups(ctx, "", "new", 1)
	must(err)
	if len(groups) != 1 || groups[0].Name != "orders" {
		t.Errorf("%+v", groups)
	}
	g, err := c.Group(ctx, "orders")
	must(err)
	if g.Leader != "a" || len(g.Members) != 3 || g.Members[2].Lag != 2 {
		t.Errorf("%+v", g)
	}
	must(c.TransferLeader(ctx, "orders", "b"))
	must(c.RecoverGroup(ctx, "stock", "stock"))
	must(c.RemoveGroup(ctx, "new", true))
	result, err := c.Call(ctx, "orders", "add", []byte("2"), "5-7")
	must(err)
	if string(result) != "2" {
		t.Errorf("%s", result)
	}
	_, err = c.Query(ctx, "orders", "get", nil, true, 0)
	must(err)
	_, err = c.Query(ctx, "orders", "get", nil, false, 1500*time.Millisecond)
	must(err)
	events, err := c.Events(ctx, 1, false)
	must(err)
	if len(events) != 1 || events[0].Seq != 2 {
		t.Errorf("%+v", events)
	}
	state, err := c.Balance(ctx)
	must(err)
	if state.State != view.BalanceDone || state.Queue == nil || !state.At.Equal(admintest.Began) {
		t.Errorf("%+v", state)
	}
	_, err = c.Plan(ctx, 0)
	must(err)
	_, err = c.Plan(ctx, 7)
	must(err)
	_, err = c.Moves(ctx, 5)
	must(err)
	skew, err := c.Skew(ctx)
	must(err)
	if len(skew.Nodes) != 3 || skew.Nodes[0].LeaderShare != 0.67 || len(skew.Zones) != 3 {
		t.Errorf("%+v", skew)
	}
	why, err := c.Explain(ctx, "orders")
	must(err)
	if len(why.Candidates) != 2 || !why.Candidates[0].Leader {
		t.Errorf("%+v", why)
	}
	question := view.WhatIf{Remove: []string{"a"}, Drain: []string{"b"}, ZoneDown: []string{"z3"}, Add: []view.WhatIfNode{{Zone: "z4", Weight: 2, Count: 3}}, Weights: map[string]int{"b": 4}}
	_, err = c.WhatIf(ctx, question)
	must(err)
	if got := n.Balancing.Asked; !reflect.DeepEqual(got, question) {
		t.Errorf("asked %+v", got)
	}
	must(c.Pause(ctx, "ann", "new switch"))
	must(c.Resume(ctx, "bob"))
	must(c.SetLimits(ctx, map[string]string{"moves": "8", "brake_percent": ""}))
	limits, err := c.Limits(ctx)
	must(err)
	if len(limits) != 3 || limits[0].Value != "8" || !limits[0].Set || limits[2].Set {
		t.Errorf("%+v", limits)
	}
	want := []string{
		"Status", "Status", "NodeDetail 0000000000000011", "CheckNode b", "GossipMembers", "Drain b", "DrainProgress b", "Undrain b", "ForgetNode c true",
		"AddGroup new counter 5 false", "ListGroups  new 1", "GroupStatus orders", "TransferLeader orders b", "RecoverGroup stock stock",
		"RemoveGroup new true", "CallJSON orders add 2 5-7", "QueryJSON orders get  true 0s", "QueryJSON orders get  false 1.5s", "Events 1 false",
		"Balance", "Plan 0", "Plan 7", "Moves 5", "Skew", "Explain orders", "WhatIf", "Pause ann new switch", "Resume bob", "SetLimits brake_percent= moves=8", "Limits",
	}
	if got := n.Called(); !slices.Equal(got, want) {
		t.Errorf("the node was asked\n%q, want\n%q", got, want)
	}
}

func TestNamesTravelWhole(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	for _, name := range []string{"a/b", "..", ".", "a b", "ä%2F", "?x=1#y", "a//b", "+&="} {
		if err := c.AddGroup(t.Context(), name, "counter", 1, false); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := c.Group(t.Context(), name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if calls := n.Called(); calls[len(calls)-1] != "GroupStatus "+name {
			t.Errorf("%q arrived as %q", name, calls[len(calls)-1])
		}
	}
	if _, err := c.Group(t.Context(), ""); admin.KindOf(err) != admin.KindInvalid {
		t.Errorf("no name: %v", err)
	}
}

func TestEventsAreWaitedFor(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	got := make(chan error, 1)
	go func() {
		events, err := c.Events(t.Context(), 2, true)
		if err == nil && (len(events) != 1 || events[0].Seq != 3) {
			err = errors.New("not the event that came")
		}
		got <- err
	}()
	if err := n.AwaitCall(t.Context(), "Events 2 true"); err != nil {
		t.Fatal(err)
	}
	n.Do(func(n *admintest.Node) {
		e := n.EventLog[1]
		e.Seq = 3
		n.EventLog = append(n.EventLog, e)
	})
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// nobody returns an address where nothing listens.
func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func client(t *testing.T, addr string) *admin.Client {
	t.Helper()
	c, err := admin.NewClient(addr, admin.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNobodyThereIsUnreachable(t *testing.T) {
	c := client(t, nobody(t))
	err := c.Drain(t.Context(), "a")
	var e *admin.Error
	if !errors.As(err, &e) || e.Kind() != admin.KindUnreachable || e.Outcome != admin.OutcomeNotDone || e.Remedy() == "" {
		t.Errorf("%+v", err)
	}
}

func TestSomethingElseThereIsUnreachable(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a page":        func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) },
		"not found":     http.NotFound,
		"another error": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); w.Write([]byte(`{"message":"no"}`)) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"an empty success": func(w http.ResponseWriter, r *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			_, err := client(t, s.URL).Status(t.Context())
			if admin.KindOf(err) != admin.KindUnreachable || !strings.Contains(err.Error(), "not the admin API") {
				t.Error(err)
			}
		})
	}
}

func TestChangeWithoutAWholeAnswerIsUnknown(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"cut before the answer": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"cut in the answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
			panic(http.ErrAbortHandler)
		},
		"lost by a proxy": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			c := client(t, s.URL)
			err := c.Drain(t.Context(), "a")
			var e *admin.Error
			if !errors.As(err, &e) || e.Kind() != admin.KindUnknownOutcome || e.Outcome != admin.OutcomeUnknown {
				t.Errorf("a change: %+v", err)
			}
			if _, err := c.Status(t.Context()); admin.KindOf(err) != admin.KindUnreachable {
				t.Errorf("a look: %v", err)
			}
		})
	}
}

func TestTooLargeIsNotSent(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	_, err := c.Call(t.Context(), "orders", "add", make([]byte, admin.MaxBodyBytes+1), "")
	if admin.KindOf(err) != admin.KindInvalid || len(n.Called()) > 0 {
		t.Errorf("%v", err)
	}
}

func TestEndOfTheContextIsFound(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	hold := make(chan struct{})
	defer close(hold)
	n.Do(func(n *admintest.Node) { n.Hold = hold })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		n.AwaitCall(ctx, "Drain")
		cancel()
	}()
	err := c.Drain(ctx, "a")
	if !errors.Is(err, context.Canceled) || admin.KindOf(err) != admin.KindUnknownOutcome {
		t.Errorf("%v", err)
	}
}

func TestAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1":              "http://127.0.0.1:7900",
		"node-1:7901":            "http://node-1:7901",
		"::1":                    "http://[::1]:7900",
		"[::1]:80":               "http://[::1]:80",
		"http://node-1:7901/":    "http://node-1:7901",
		"https://node-1":         "https://node-1:7900",
		"":                       "",
		":7900":                  "",
		"node-1:x":               "",
		"node-1:70000":           "",
		"ftp://node-1":           "",
		"http://node-1/v1":       "",
		"http://me:pw@node-1:80": "",
		"http://node-1?x=1":      "",
	} {
		c, err := admin.NewClient(addr, admin.ClientOptions{})
		switch {
		case want == "" && admin.KindOf(err) != admin.KindInvalid:
			t.Errorf("%q: %v", addr, err)
		case want != "" && (err != nil || c.URL() != want):
			t.Errorf("%q: %v, want %s", addr, err, want)
		}
	}
}
