package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestAnUnknownOutcomeTellsTheIdToRepeatItWith(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	id := "00000000000000aa-0000000000000007"
	n.Do(func(n *admintest.Node) {
		n.Fail["CallJSON"] = admintest.Failure{Text: "who knows", What: admin.KindUnknownOutcome, ID: id}
	})
	_, err := c.Call(t.Context(), "orders", "add", []byte("1"), "")
	var e *admin.Error
	if !errors.As(err, &e) || e.CommandID != id || e.Outcome != admin.OutcomeUnknown {
		t.Errorf("%+v", err)
	}
	if _, body, _ := ask(t, s, "POST", "/v1/groups/orders/call/add", "1"); !strings.Contains(body, `"command_id":"`+id+`"`) {
		t.Error(body)
	}
	// Only there: an id that repeats nothing would mislead.
	n.Do(func(n *admintest.Node) {
		n.Fail["CallJSON"] = admintest.Failure{Text: "no leader", What: admin.KindUnavailable, ID: id}
	})
	if _, body, _ := ask(t, s, "POST", "/v1/groups/orders/call/add", "1"); strings.Contains(body, "command_id") {
		t.Error(body)
	}
}

func TestTheNodeAnswersBeforeTheCallerGivesUp(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	hold := make(chan struct{})
	defer close(hold)
	n.Do(func(n *admintest.Node) { n.Hold = hold })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := c.Call(ctx, "orders", "add", []byte("1"), "")
	var e *admin.Error
	if !errors.As(err, &e) || e.Kind() != admin.KindUnknownOutcome || e.Status == 0 {
		t.Errorf("the caller gave up first: %+v", err)
	}
	for _, text := range []string{"soon", "-1s", "0s"} {
		if code, body, _ := ask(t, s, "GET", "/v1/status", "", admin.TimeoutHeader, text); code != 400 || !strings.Contains(body, text) {
			t.Errorf("%q: %d %s", text, code, body)
		}
	}
}

// A query changes nothing though it is posted, and a node that took it was there.
func TestAQueryThatTakesTooLong(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	hold := make(chan struct{})
	defer close(hold)
	n.Do(func(n *admintest.Node) { n.Hold = hold })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		n.AwaitCall(ctx, "QueryJSON") // fails only when the test is over
		cancel()
	}()
	if _, err := c.Query(ctx, "orders", "get", nil, false, 0); admin.KindOf(err) != admin.KindUnreachable || !errors.Is(err, context.Canceled) {
		t.Errorf("given up by the caller: %v", err)
	}
	late, end := context.WithTimeout(t.Context(), time.Millisecond)
	defer end()
	<-late.Done()
	if _, err := c.Query(late, "orders", "get", nil, false, 0); err == nil {
		t.Error("asked when its time was over")
	}
}

func TestArchivesAreListedAndDropped(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	kept := view.Archive{Name: "old", Type: "counter", GroupID: 9, Bytes: 12, Term: 2, Index: 30, Removed: admintest.Began}
	n.Do(func(n *admintest.Node) { n.Kept = []view.Archive{kept} })
	got, err := c.Archives(t.Context())
	if err != nil || !slices.Equal(got, []view.Archive{kept}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := c.DropArchive(t.Context(), "old"); err != nil {
		t.Error(err)
	}
	if err := c.DropArchive(t.Context(), "old"); admin.KindOf(err) != admin.KindNotFound {
		t.Error(err)
	}
	if code, body, _ := ask(t, s, "GET", "/v1/archives", ""); code != 200 || body != "[]\n" {
		t.Errorf("%d %s", code, body)
	}
}

func TestANodeThatHasNotJoinedTellsOfItself(t *testing.T) {
	n, s, c := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) {
		n.Fleet = view.Status{Node: "a", Joining: &view.Joining{State: view.JoiningSearches, FoundersSeen: 1, FoundersWanted: 3},
			Problems: []view.Problem{{Kind: "not_joined", Thing: "a", Reason: "it looks for others", Remedy: "start them"}}}
	})
	v, err := c.Status(t.Context())
	if err != nil || v.Joining == nil || v.Joining.FoundersWanted != 3 {
		t.Errorf("%+v, %v", v, err)
	}
	_, body, _ := ask(t, s, "GET", "/v1/status", "")
	var fields struct {
		Joining map[string]json.RawMessage `json:"joining"`
	}
	if err := json.Unmarshal([]byte(body), &fields); err != nil || string(fields.Joining["join"]) != "[]" || string(fields.Joining["errors"]) != "[]" {
		t.Errorf("%s, %v", body, err)
	}
	if _, err := c.Nodes(t.Context()); admin.KindOf(err) != admin.KindUnavailable || err.Error() != "it looks for others" || admin.RemedyOf(err) != "start them" {
		t.Errorf("%v", err)
	}
}

func TestMetricsOfANodeThatHasNotJoined(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) {
		n.Fleet = view.Status{Node: "a", Joining: &view.Joining{State: view.JoiningSearches}, Problems: []view.Problem{{Kind: "not_joined", Thing: "a"}}}
	})
	text := metrics(t, s)
	contains(t, text, `raftfleet_up 0`, `raftfleet_problems{kind="not_joined"} 1`)
	if strings.Contains(text, "raftfleet_groups ") {
		t.Error("it tells of no groups as if it knew")
	}
}
