package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/harness"
)

func TestChurnRefusesWhatCannotBe(t *testing.T) {
	good := churnOptions{Nodes: 6, Zones: 3, Groups: 10, Replicas: 3, Join: 1, Drain: 1, Writers: 1, Rate: 1,
		PurgeAfter: time.Second, Settle: time.Second, Pause: time.Second, Limit: time.Minute}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for flag, change := range map[string]func(*churnOptions){
		"nodes":  func(o *churnOptions) { o.Nodes = 7; o.Zones = 4 },
		"zones":  func(o *churnOptions) { o.Zones = 2 },
		"groups": func(o *churnOptions) { o.Groups = 0 },
		"rate":   func(o *churnOptions) { o.Rate = 0 },
		"limit":  func(o *churnOptions) { o.Limit = 0 },
	} {
		o := good
		change(&o)
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("a bad --%s: %v", flag, err)
		}
	}
}

func TestChurnTellsWhatItMeasured(t *testing.T) {
	r := churnResult{Name: "raftfleet", GapRatio: 2.5, ChurnResult: harness.ChurnResult{Acknowledged: 5, Counted: 5, Accounted: true, Phases: []harness.Phase{
		{Name: "join 4", Seconds: 12, State: "balanced", Why: "all is well", Moved: 9, Least: 10, Gap: 2.5, GapGroup: "churn-0007"},
		{Name: "zone down", Seconds: 2, Held: "zone z1 is gone"},
		{Name: "zone up", Error: "it never came"},
	}}}
	var table, object strings.Builder
	if err := r.print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"join 4", "12.0", "0.90", "churn-0007", "held 2.0", "the brake holds: zone z1 is gone", "not", "it never came", "accounted for", "2.50 election timeouts"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, table.String())
		}
	}
	r.JSON = true
	if err := r.print(&object); err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(object.String()), &back); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"name", "nodes", "phases", "acknowledged", "counted", "accounted", "gap_max_over_election_timeout", "ok"} {
		if _, has := back[name]; !has {
			t.Errorf("the object has no %q: %s", name, object.String())
		}
	}
}
