package main

import (
	"context"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/explore"
	"github.com/raftfleet/raftfleet/internal/mutants"
)

// Each bug has a way to be found, and each search a scope that there is.
func TestTrials(t *testing.T) {
	all := trials("")
	if len(all) != len(mutants.All())+2 {
		t.Errorf("%d trials of %d bugs", len(all), len(mutants.All()))
	}
	for _, tr := range all {
		if len(tr.attempt) == 0 {
			t.Errorf("nothing looks for %s", tr.row.Name)
		}
	}
	for _, m := range mutants.All() {
		if _, err := chosenScopes(m.Scope); m.Level == mutants.BySearch && err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	if some := trials("joint-left-twice"); len(some) != 1 || some[0].row.Hazard != 3 {
		t.Errorf("%+v", some)
	}
	if scopes, err := chosenScopes("small"); err != nil || len(scopes) != len(explore.Small()) {
		t.Errorf("small: %d scopes, error %v", len(scopes), err)
	}
}

// What was tried is told in the end also of those that are interrupted.
func TestInterruptedMutants(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	if code := run(ctx, []string{"--mutants"}, &stdout, &stderr); code != 1 || !strings.Contains(stdout.String(), "0 bugs planted, 0 caught") || !strings.Contains(stdout.String(), "interrupted") {
		t.Errorf("status %d\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestNoSuchMutant(t *testing.T) {
	for args, want := range map[string]string{"--mutants --only nothing": "no bug is named so", "--level core": "give --seed", "--level core --plant nothing --seed 1": "--mutants lists them"} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), strings.Fields(args), &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: status %d: %s", args, code, stderr.String())
		}
	}
}

func TestMutantTable(t *testing.T) {
	m := &mutantReport{BuildSeconds: 21}
	for _, row := range []mutantRow{
		{Name: "one", Hazard: 3, Caught: true, By: "logs match", Level: levelGroup, Seeds: 7, CPU: 2, Replay: "go run it"},
		{Name: "two", Hazard: 4, Caught: true, By: "a promise", Level: levelSearch, States: 99},
		{Name: "three", Hazard: 5, Level: levelCore, Seeds: 20000, CPU: 40},
		{Name: "four", Hazard: 6, Level: levelTest, Error: "does not build"},
		{Name: "five", Hazard: 7, Caught: true, By: "everything heals", Level: levelFleet, Seeds: 2},
	} {
		m.note(row)
	}
	var b strings.Builder
	m.print(&b)
	told := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"one 3 logs match 7 seeds 0.0 2.0 go run it",
		"99 states", "NOT CAUGHT", "20000 schedules of the core", "NOT CAUGHT: does not build", "2 seeds of fleets", "5 bugs planted, 3 caught; built in 21 s, then 42 s of computing",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestWhatWasBroken(t *testing.T) {
	for _, c := range []struct{ level, violation, want string }{
		{levelGroup, "logs match: group 6: member 4 has another log (step 3, 0.1 s)", "logs match"},
		{levelFleet, "no step panics: consensus: no entry 7", "no step panics: consensus: no entry 7"},
		{levelSearch, "member 2: term goes from 3 back to 2", "member 2: term goes from 3 back to 2"},
		{levelFleet, "everything heals: no leader: \n  group 5", "everything heals"},
	} {
		if got := promise(c.level, c.violation); got != c.want {
			t.Errorf("%q: %q", c.violation, got)
		}
	}
	if what, ok := panicked("building\npanic: no entry\n\ngoroutine 1"); !ok || what != "no entry" {
		t.Errorf("%q", what)
	}
	if _, ok := panicked("no panic: here"); ok {
		t.Error("a panic where there was none")
	}
	seed, broken, ok := failedSchedule("--- FAIL: TestRandomSchedules (0.01s)\n    random_test.go:37: seed 45: member 2 has a lease: what\nFAIL\n")
	if !ok || seed != 45 || broken != "member 2 has a lease: what" {
		t.Errorf("seed %d, %q", seed, broken)
	}
	if got := failedTest("x\n    --- FAIL: TestLease (0.00s)\n"); got != "TestLease" {
		t.Errorf("%q", got)
	}
}
