package admin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/admin/admintest"
)

func TestBalancingHasItsStableFields(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) {
		n.Balancing.Plan = []view.PlannedMove{{Group: "orders"}}
		n.Balancing.Moves = []view.Move{{Group: "orders"}}
		n.Balancing.Outcome = view.Outcome{Moves: []view.PlannedMove{{Group: "orders"}}}
	})
	for _, c := range []struct {
		method, path, body string
		fields             string
	}{
		{"GET", "/v1/balance", "", "state why planner moving move_limit left queue holds done done_in_seconds per_minute problems"},
		{"GET", "/v1/balance/plan", "", "group cause reason from to leader"},
		{"GET", "/v1/balance/moves", "", "group cause reason from to leader step lag since age_seconds failures"},
		{"GET", "/v1/balance/skew", "", "nodes zones member_max_over_share leader_max_over_share groups_with_too_few_members groups_in_too_few_zones problems"},
		{"GET", "/v1/balance/limits", "", "name value default set doc"},
		{"GET", "/v1/groups/orders/explain", "", "group replicas members target preferred cause reason since candidates"},
		{"POST", "/v1/balance/whatif", `{"remove":["a"]}`, "moves groups members_moved leaders_moved eta_seconds before after lose_quorum lose_spread quorums_lost spreads_lost problems"},
	} {
		code, body, _ := ask(t, s, c.method, c.path, c.body)
		if code != 200 || strings.Contains(body, "null") {
			t.Errorf("%s: %d %s", c.path, code, body)
			continue
		}
		one := strings.TrimSpace(body)
		if strings.HasPrefix(one, "[") { // of a list, the first
			var list []json.RawMessage
			if err := json.Unmarshal([]byte(one), &list); err != nil || len(list) == 0 {
				t.Errorf("%s: %v %s", c.path, err, body)
				continue
			}
			one = string(list[0])
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(one), &v); err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
		for _, f := range strings.Fields(c.fields) {
			if _, ok := v[f]; !ok {
				t.Errorf("%s has no %q: %s", c.path, f, one)
			}
		}
	}
}

func TestBalancingOfAnEmptyFleetHasNoNull(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) {
		n.Balancing, n.Fleet.Nodes = admintest.Balancing{}, nil
		n.Groups[0].Members, n.Groups[0].Target = nil, nil
	})
	for _, path := range []string{"", "/plan", "/moves", "/skew", "/limits"} {
		if code, body, _ := ask(t, s, "GET", "/v1/balance"+path, ""); code != 200 || strings.Contains(body, "null") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, c := range [][3]string{{"GET", "/v1/groups/orders/explain", ""}, {"POST", "/v1/balance/whatif", `{"zone_down":["z1"]}`}} {
		if code, body, _ := ask(t, s, c[0], c[1], c[2]); code != 200 || strings.Contains(body, "null") {
			t.Errorf("%s: %d %s", c[1], code, body)
		}
	}
}

func TestRequestsAboutBalancingThatAreRefused(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	long := strings.Repeat("x", 501)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"wrong method", "DELETE", "/v1/balance", "", 405, "DELETE"},
		{"a look as a change", "POST", "/v1/balance/skew", "", 405, "POST"},
		{"a question as a look", "GET", "/v1/balance/whatif", "", 405, "GET"},
		{"unknown path", "GET", "/v1/balance/nonsense", "", 404, "nonsense"},
		{"unknown parameter", "GET", "/v1/balance?limit=1", "", 400, "limit"},
		{"unknown parameter of a list", "GET", "/v1/balance/plan?limt=1", "", 400, "limt"},
		{"limit that is no number", "GET", "/v1/balance/moves?limit=-1", "", 400, "whole number"},
		{"limit twice", "GET", "/v1/balance/plan?limit=1&limit=2", "", 400, "2 times"},
		{"group that cannot be printed", "GET", "/v1/groups/a%00b/explain", "", 400, "cannot be printed"},
		{"nothing asked", "POST", "/v1/balance/whatif", "", 400, "nothing is asked"},
		{"nothing in the lists", "POST", "/v1/balance/whatif", `{"remove":[],"add":[]}`, 400, "nothing is asked"},
		{"unknown question", "POST", "/v1/balance/whatif", `{"zonedown":["z1"]}`, 400, "zonedown"},
		{"unknown field of a node", "POST", "/v1/balance/whatif", `{"add":[{"zon":"z1"}]}`, 400, "zon"},
		{"a node without a name", "POST", "/v1/balance/whatif", `{"drain":[""]}`, 400, "a node of drain is missing"},
		{"a node to add without a zone", "POST", "/v1/balance/whatif", `{"add":[{"weight":2}]}`, 400, "zone of a node to add"},
		{"negative count", "POST", "/v1/balance/whatif", `{"add":[{"zone":"z1","count":-2}]}`, 400, "count of nodes to add in zone z1 is -2"},
		{"too many nodes to add", "POST", "/v1/balance/whatif", `{"add":[{"zone":"z1","count":600},{"zone":"z2","count":600}]}`, 400, "1200 nodes"},
		{"negative weight of a node to add", "POST", "/v1/balance/whatif", `{"add":[{"zone":"z1","weight":-1}]}`, 400, "weight of a node to add in zone z1 is -1"},
		{"weight of zero", "POST", "/v1/balance/whatif", `{"weights":{"a":0}}`, 400, "weight of node a is 0"},
		{"heavy", "POST", "/v1/balance/whatif", `{"weights":{"a":1001}}`, 400, "1001"},
		{"weight that is no number", "POST", "/v1/balance/whatif", `{"weights":{"a":"2"}}`, 400, "whole number"},
		{"long reason", "POST", "/v1/balance/pause", `{"reason":"` + long + `"}`, 400, "501 bytes"},
		{"who on two lines", "POST", "/v1/balance/pause", `{"by":"a\nb"}`, 400, "cannot be printed"},
		{"unknown field of a pause", "POST", "/v1/balance/pause", `{"until":"9am"}`, 400, "until"},
		{"reason of a resumption", "POST", "/v1/balance/resume", `{"reason":"x"}`, 400, "reason"},
		{"no limits", "POST", "/v1/balance/limits", `{}`, 400, "no limit to set"},
		{"limits not in values", "POST", "/v1/balance/limits", `{"moves":"8"}`, 400, "moves"},
		{"a limit that is a number", "POST", "/v1/balance/limits", `{"values":{"moves":8}}`, 400, "string"},
		{"a limit without a name", "POST", "/v1/balance/limits", `{"values":{"":"8"}}`, 400, "name of a limit is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body, _ := ask(t, s, c.method, c.path, c.body)
			var e admin.Error
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("%d: the answer is not JSON: %s", code, body)
			}
			if code != c.status || !strings.Contains(e.Message, c.says) || e.Hint == "" || e.Outcome != admin.OutcomeFinal {
				t.Errorf("%d %s, want %d that says %q", code, body, c.status, c.says)
			}
		})
	}
	if calls := n.Called(); len(calls) > 0 {
		t.Errorf("the node was asked: %v", calls)
	}
	if code, body, _ := ask(t, s, "POST", "/v1/balance/pause", "", "Content-Type", "text/plain"); code != 415 {
		t.Errorf("a pause that a page could ask for: %d %s", code, body)
	}
}

func TestWhatIsLeftOutOfANodeToComeIsOne(t *testing.T) {
	n, s, _ := start(t, admin.Options{})
	if code, body, _ := ask(t, s, "POST", "/v1/balance/whatif", `{"add":[{"zone":"z9"}]}`); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	if got := n.Balancing.Asked.Add; len(got) != 1 || got[0] != (view.WhatIfNode{Zone: "z9", Weight: 1, Count: 1}) {
		t.Errorf("%+v", got)
	}
}

// A question that fails has changed nothing, though it is posted.
func TestAQuestionIsALook(t *testing.T) {
	n, _, c := start(t, admin.Options{})
	n.Do(func(n *admintest.Node) { n.Fail["WhatIf"] = admintest.Failure{Text: "boom"} })
	_, err := c.WhatIf(t.Context(), view.WhatIf{Drain: []string{"a"}})
	e, ok := err.(*admin.Error)
	if !ok || e.Outcome != admin.OutcomeNotDone {
		t.Errorf("%+v", err)
	}
	n.Do(func(n *admintest.Node) { n.Fail = nil })
	if _, err := c.WhatIf(t.Context(), view.WhatIf{Drain: []string{"x"}}); admin.KindOf(err) != admin.KindNotFound {
		t.Error(err)
	}
	if _, err := c.Explain(t.Context(), "nothing"); admin.KindOf(err) != admin.KindNotFound {
		t.Error(err)
	}
	if err := c.SetLimits(t.Context(), map[string]string{"mvoes": "1"}); admin.KindOf(err) != admin.KindInvalid || !strings.Contains(admin.RemedyOf(err), "moves") {
		t.Error(err)
	}
}
