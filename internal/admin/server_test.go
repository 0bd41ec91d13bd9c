package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// start serves a fake node on loopback and returns a client for it.
func start(t *testing.T, o admin.Options) (*admintest.Node, *admin.Server, *admin.Client) {
	t.Helper()
	n := admintest.New()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	s, err := admin.NewServer(n, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	c, err := admin.NewClient(s.Addr(), admin.ClientOptions{Token: o.Token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return n, s, c
}

// ask sends one request as written and returns its status and body.
func ask(t *testing.T, s *admin.Server, method, target, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.Addr()+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else if r.Header.Set(headers[i], headers[i+1]); headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b), a.Header
}

func TestStatusHasItsStableFields(t *testing.T) {
	_, s, _ := start(t, admin.Options{})
	code, body, _ := ask(t, s, "GET", "/v1/status", "")
	if code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"fleet_id", "nodes", "groups", "groups_without_leader", "members", "moves_in_flight", "catalogue", "problems"} {
		if _, ok := v[f]; !ok {
			t.Errorf("status has no %q", f)
		}
	}
	if v["fleet_id"] != "00000000000f1ee7" {
		t.Errorf("fleet_id is %v", v["fleet_id"])
	}
}

func TestEmptyListsAreNotNull(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) {
		n.Fleet.Nodes, n.Fleet.Problems, n.Fleet.Catalogue.Voters, n.Groups, n.EventLog = nil, nil, nil, nil, nil
	})
	for _, path := range []string{"/v1/status", "/v1/nodes", "/v1/groups", "/v1/gossip/members", "/v1/archives", "/v1/events"} {
		if code, body, _ := ask(t, s, "GET", path, ""); code != 200 || strings.Contains(body, "null") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	cases := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		kind, says               string
	}{
		{"unknown path", "GET", "/v2/status", "", nil, 404, "not_found", "/v2/status"},
		{"wrong method", "PUT", "/v1/groups/orders", "", nil, 405, "invalid", "PUT"},
		{"not JSON", "POST", "/v1/groups/new", `{"type": counter}`, nil, 400, "invalid", "byte 10"},
		{"cut off", "POST", "/v1/groups/new", `{"type": "coun`, nil, 400, "invalid", "too early"},
		{"wrong type of a field", "POST", "/v1/groups/new", `{"type":"counter","replicas":"three"}`, nil, 400, "invalid", "replicas"},
		{"unknown field", "POST", "/v1/groups/new", `{"type":"counter","replcas":3}`, nil, 400, "invalid", "replcas"},
		{"more than an object", "POST", "/v1/groups/new", `{"type":"counter","replicas":3} {}`, nil, 400, "invalid", "goes on"},
		{"an array", "POST", "/v1/groups/new", `[]`, nil, 400, "invalid", "object"},
		{"field where none is known", "POST", "/v1/nodes/a/drain", `{"force":true}`, nil, 400, "invalid", "force"},
		{"no type", "POST", "/v1/groups/new", `{"replicas":3}`, nil, 400, "invalid", "type is missing"},
		{"no replicas", "POST", "/v1/groups/new", `{"type":"counter"}`, nil, 400, "invalid", "replicas is 0"},
		{"negative replicas", "POST", "/v1/groups/new", `{"type":"counter","replicas":-1,"restore":true}`, nil, 400, "invalid", "replicas is -1"},
		{"no target of a transfer", "POST", "/v1/groups/orders/transfer", ``, nil, 400, "invalid", "to is missing"},
		{"recover not confirmed", "POST", "/v1/groups/orders/recover", `{"confirm":"order"}`, nil, 409, "refused", "not confirmed"},
		{"name that cannot be printed", "GET", "/v1/groups/a%00b", "", nil, 400, "invalid", "cannot be printed"},
		{"name that is no UTF-8", "GET", "/v1/groups/a%ff", "", nil, 400, "invalid", "UTF-8"},
		{"long name", "GET", "/v1/groups/" + strings.Repeat("x", 201), "", nil, 400, "invalid", "201 bytes"},
		{"unknown parameter", "GET", "/v1/groups?prefx=o", "", nil, 400, "invalid", "prefx"},
		{"parameter twice", "GET", "/v1/groups?limit=1&limit=2", "", nil, 400, "invalid", "2 times"},
		{"limit that is no number", "GET", "/v1/groups?limit=-1", "", nil, 400, "invalid", "whole number"},
		{"flag that is none", "DELETE", "/v1/groups/orders?keep=perhaps", "", nil, 400, "invalid", "perhaps"},
		{"stale that is no duration", "POST", "/v1/groups/orders/query/get?stale=5", "", nil, 400, "invalid", "duration"},
		{"stale and local", "POST", "/v1/groups/orders/query/get?stale=5s&local=true", "", nil, 400, "invalid", "exclude"},
		{"argument that is no JSON", "POST", "/v1/groups/orders/call/add", `1}`, nil, 400, "invalid", "byte 2"},
		{"escape that is none", "GET", "/v1/groups?prefix=%zz", "", nil, 400, "invalid", "parameters"},
		{"too large", "POST", "/v1/groups/orders/call/add", `"` + strings.Repeat("x", admin.MaxBodyBytes) + `"`, nil, 413, "invalid", "larger than"},
		{"change without a content type", "POST", "/v1/nodes/a/drain", "", []string{"Content-Type", ""}, 415, "invalid", "JSON"},
		{"change as a form", "POST", "/v1/nodes/a/drain", "", []string{"Content-Type", "text/plain"}, 415, "invalid", "JSON"},
		{"change from another site", "POST", "/v1/nodes/a/drain", "", []string{"Origin", "http://evil.example"}, 403, "forbidden", "origin"},
		{"change fetched by another site", "DELETE", "/v1/groups/orders", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "forbidden", "origin"},
		{"name that was pointed here", "GET", "/v1/status", "", []string{"Host", "evil.example:7900"}, 421, "forbidden", "evil.example"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			code, body, header := ask(t, s, c.method, c.path, c.body, c.headers...)
			var e admin.Error
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("%d: the answer is not JSON: %s", code, body)
			}
			if code != c.status || e.Class != c.kind || !strings.Contains(e.Message, c.says) || e.Hint == "" || e.Outcome == "" {
				t.Errorf("%d %s, want %d %s that says %q", code, body, c.status, c.kind, c.says)
			}
			if header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("the answer may be taken for something else")
			}
		})
	}
	if calls := n.Called(); len(calls) > 0 {
		t.Errorf("the node was asked: %v", calls)
	}
}

func TestOversizeBodyWithoutALength(t *testing.T) {
	_, s, _ := start(t, admin.Options{})
	body := io.MultiReader(strings.NewReader(`"`), io.LimitReader(endless{}, admin.MaxBodyBytes), strings.NewReader(`"`))
	r := httptest.NewRequest("POST", "http://localhost/v1/groups/orders/call/add", body)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestHeaderMayStandForTheContentType(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	if code, body, _ := ask(t, s, "POST", "/v1/nodes/a/drain", "", "Content-Type", "", admin.AdminHeader, "1"); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if got := n.Called(); len(got) != 1 || got[0] != "Drain a" {
		t.Error(got)
	}
}

func TestEveryKindOfErrorTravels(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	cases := []struct {
		kind    string
		status  int
		outcome string
	}{
		{admin.KindNotFound, 404, admin.OutcomeFinal},
		{admin.KindExists, 409, admin.OutcomeFinal},
		{admin.KindInvalid, 400, admin.OutcomeFinal},
		{admin.KindRefused, 409, admin.OutcomeFinal},
		{admin.KindRejected, 422, admin.OutcomeFinal},
		{admin.KindUnavailable, 503, admin.OutcomeNotDone},
		{admin.KindUnknownOutcome, 504, admin.OutcomeUnknown},
		{admin.KindOverloaded, 429, admin.OutcomeNotDone},
		{admin.KindUnhealthy, 503, admin.OutcomeFinal},
		{admin.KindForbidden, 403, admin.OutcomeFinal},
		{admin.KindInternal, 500, admin.OutcomeUnknown},
	}
	for _, k := range cases {
		t.Run(k.kind, func(t *testing.T) {
			n.Do(func(n *admintest.Node) {
				n.Fail["Drain"] = fmt.Errorf("drain b: %w", admintest.Failure{Text: "it went wrong", What: k.kind, Try: "do this"})
			})
			err := c.Drain(t.Context(), "b")
			var e *admin.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T %v", err, err)
			}
			if e.Kind() != k.kind || e.Status != k.status || e.Outcome != k.outcome || e.Error() != "drain b: it went wrong" || e.Remedy() != "do this" {
				t.Errorf("%+v, want %+v", e, k)
			}
		})
	}
}

func TestErrorsWithoutAKind(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	cases := []struct {
		name         string
		err          error
		change, read string
	}{
		{"any error", errors.New("boom"), admin.KindInternal, admin.KindInternal},
		{"unheard-of kind", admintest.Failure{Text: "odd", What: "odd"}, admin.KindInternal, admin.KindInternal},
		{"end of the time", context.DeadlineExceeded, admin.KindUnknownOutcome, admin.KindUnavailable},
		{"unreachable is the client's word", admintest.Failure{Text: "far", What: admin.KindUnreachable}, admin.KindUnavailable, admin.KindUnavailable},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			n.Do(func(n *admintest.Node) { n.Fail["*"] = k.err })
			if got := admin.KindOf(c.Undrain(t.Context(), "a")); got != k.change {
				t.Errorf("a change: %s, want %s", got, k.change)
			}
			_, err := c.Status(t.Context())
			if got := admin.KindOf(err); got != k.read {
				t.Errorf("a look: %s, want %s", got, k.read)
			}
			var e *admin.Error
			if errors.As(err, &e) && e.Outcome == admin.OutcomeUnknown {
				t.Error("a look is said to have changed something, perhaps")
			}
			_, err = c.Query(t.Context(), "orders", "get", nil, false, 0)
			if got := admin.KindOf(err); got != k.read {
				t.Errorf("a query: %s, want %s", got, k.read)
			}
		})
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	var log bytes.Buffer
	s, err := admin.NewServer(panics{admintest.New()}, admin.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/v1/groups/orders", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"kind":"internal"`) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret") {
		t.Error("the log does not tell what happened")
	}
}

func TestTokenIsWanted(t *testing.T) {
	_, s, c := start(t, admin.Options{Token: "s3cret", Profiles: true})
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("with the token: %v", err)
	}
	for _, path := range []string{"/v1/status", "/metrics", "/debug/pprof/", "/nothing"} {
		code, body, header := ask(t, s, "GET", path, "")
		if code != 401 || !strings.Contains(body, `"kind":"forbidden"`) || header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without a token: %d %s", path, code, body)
		}
	}
	for _, wrong := range []string{"Bearer other", "Bearer", "Basic s3cret", "s3cret"} {
		if code, _, _ := ask(t, s, "GET", "/v1/status", "", "Authorization", wrong); code != 401 {
			t.Errorf("%q is let in: %d", wrong, code)
		}
	}
	if code, _, _ := ask(t, s, "GET", "/livez", ""); code != 200 {
		t.Errorf("health wants a token: %d", code)
	}
	// With a token the caller is known, whatever name led here.
	if code, _, _ := ask(t, s, "GET", "/v1/status", "", "Authorization", "bearer s3cret", "Host", "node-7.example"); code != 200 {
		t.Errorf("the token under another name: %d", code)
	}
}

func TestListensBeyondLoopbackOnlyWithProof(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		s, err := admin.NewServer(admintest.New(), admin.Options{Addr: addr, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); !errors.Is(err, admin.ErrExposed) {
			t.Errorf("%s: %v", addr, err)
		}
		if s.Addr() != "" {
			t.Errorf("%s: it listens at %s", addr, s.Addr())
		}
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for name, o := range map[string]admin.Options{
		"Addr":          {Addr: "localhost"},
		"MaxConcurrent": {MaxConcurrent: 1},
	} {
		if _, err := admin.NewServer(admintest.New(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := admin.NewServer(nil, admin.Options{}); err == nil {
		t.Error("a server without a node")
	}
}

func TestHealth(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	if err := errors.Join(c.Live(t.Context()), c.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	n.Do(func(n *admintest.Node) { n.ReadyError = errors.New("the node drains") })
	if err := c.Ready(t.Context()); admin.KindOf(err) != admin.KindUnhealthy || err.Error() != "the node drains" {
		t.Error(err)
	}
	if err := c.Live(t.Context()); err != nil {
		t.Error(err)
	}
	n.Do(func(n *admintest.Node) { n.LiveError = errors.New("the log failed") })
	if err := c.Live(t.Context()); admin.KindOf(err) != admin.KindUnhealthy {
		t.Error(err)
	}
}

func TestMoreRequestsThanSlotsAreOverload(t *testing.T) {
	n, _, c := start(t, admin.Options{MaxConcurrent: 4})
	hold := make(chan struct{})
	n.Do(func(n *admintest.Node) { n.Hold = hold })
	ended := make(chan error, 4)
	for i := range 4 {
		name := fmt.Sprint("g", i)
		go func() { ended <- c.AddGroup(t.Context(), name, "counter", 3, false) }()
		if err := n.AwaitCall(t.Context(), "AddGroup "+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Status(t.Context()); admin.KindOf(err) != admin.KindOverloaded {
		t.Errorf("%v", err)
	}
	if err := c.Live(t.Context()); err != nil {
		t.Errorf("health is not counted: %v", err)
	}
	close(hold)
	for range 4 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("after the load: %v", err)
	}
}

func TestShutdownEndsWaitsAndLetsChangesFinish(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	waited := make(chan error, 1)
	go func() {
		events, err := c.Events(t.Context(), 2, true)
		if err == nil && len(events) > 0 {
			err = fmt.Errorf("events from nowhere: %v", events)
		}
		waited <- err
	}()
	if err := n.AwaitCall(t.Context(), "Events"); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	n.Do(func(n *admintest.Node) { n.Hold = hold })
	drained := make(chan error, 1)
	go func() { drained <- c.Drain(t.Context(), "b") }()
	if err := n.AwaitCall(t.Context(), "Drain b"); err != nil {
		t.Fatal(err)
	}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	if err := <-waited; err != nil {
		t.Errorf("the wait for events: %v", err)
	}
	close(hold)
	if err := <-drained; err != nil {
		t.Errorf("the change in work: %v", err)
	}
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := s.Start(); err == nil {
		t.Error("a server that was shut down starts again")
	}
}

func TestShutdownCutsOffWhenItsTimeIsOver(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) { n.Hold = make(chan struct{}) })
	drained := make(chan error, 1)
	go func() { drained <- c.Drain(t.Context(), "b") }()
	if err := n.AwaitCall(t.Context(), "Drain b"); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(over); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-drained; admin.KindOf(err) != admin.KindUnknownOutcome {
		t.Errorf("the change that was cut off: %v", err)
	}
}

type panics struct{ *admintest.Node }

func (panics) GroupStatus(context.Context, string) (view.GroupStatus, error) { panic("secret") }
