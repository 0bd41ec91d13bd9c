package main

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestPlacementFigures(t *testing.T) {
	r := placementResult{Name: "raftfleet", Seed: 3, JSON: true, Rows: placementCase{6, 3, 60, []int{1}}.measure(3)}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Seed uint64
		Rows []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Rows) != 2 || got.Seed != 3 {
		t.Fatalf("%s, %v", out.String(), err)
	}
	for _, name := range []string{"nodes", "zones", "groups", "replicas", "weights", "rule", "member_max_over_share", "leader_max_over_share",
		"moved_add_over_least", "moved_remove_over_least", "groups_in_too_few_zones", "cold_plan_ms", "replan_ms"} {
		if _, ok := got.Rows[0][name]; !ok {
			t.Errorf("no field %s", name)
		}
	}
	planner, rank := r.Rows[0], r.Rows[1]
	if planner.Rule != "planner" || planner.MemberMaxOverShare > 1.07 || planner.LeaderMaxOverShare > 1.05 || planner.GroupsInTooFewZones != 0 ||
		planner.MovedAddOverLeast > 1.05 || planner.MovedRemoveOverLeast > 1.05 || planner.MovedRemoveOverLeast < 1 {
		t.Errorf("planner: %+v", planner)
	}
	if rank.Rule != "raft_fleet" || rank.MemberMaxOverShare <= planner.MemberMaxOverShare || rank.MovedRemoveOverLeast < 1 {
		t.Errorf("raft_fleet: %+v", rank)
	}
	r.JSON = false
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
}
