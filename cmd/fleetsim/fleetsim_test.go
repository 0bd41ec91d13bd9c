package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
	"github.com/raftfleet/raftfleet/internal/sim"
)

// ran is what became of a command line.
type ran struct {
	code           int
	stdout, stderr string
}

func command(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return ran{code, stdout.String(), stderr.String()}
}

// reported reads what was printed as JSON: one object, and nothing else.
func reported(t *testing.T, stdout string) (r report) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("%v:\n%s", err, stdout)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Fatalf("more than one object:\n%s", stdout)
	}
	return r
}

func TestMistakesNameTheFlagAndTheRemedy(t *testing.T) {
	for _, c := range []struct{ args, flag, remedy string }{
		{"--for soon", "--for", "see --help"},
		{"--for=-5s", "--for", "give more than 0s"},
		{"--for", "--for", "see --help"},
		{"--seed -1", "--seed", "see --help"},
		{"--seed 18446744073709551616", "--seed", "see --help"},
		{"--count many", "--count", "see --help"},
		{"--steps=-1", "--steps", "give at least 1"},
		{"--workers 0", "--workers", "give at least 1"},
		{"--patience 0s", "--patience", "give more than 0s"},
		{"--level host", "--level", "give group, fleet or all"},
		{"--level fleet --nodes=-1", "--nodes", "give at least 1"},
		{"--nodes 3", "--nodes", "--level fleet"},
		{"--level fleet --broken wildclocks", "--broken", "--level group"},
		{"--faults gremlins", "--faults", "want some of"},
		{"--level fleet --faults gremlins", "--faults", "want some of"},
		{"--level all --faults drop", "--faults", "give --level group or --level fleet"},
		{"--broken disk", "--broken", "give nosync or wildclocks"},
		{"--scope huge", "--scope", "give some of"},
		{"--plant nothing", "--plant", "as --mutants lists them"},
		{"--trace", "--trace", "give --seed"},
		{"--trace --seed 1 --count 2", "--trace", "neither"},
		{"--colour red", "--colour", "see --help"},
		{"42", `"42"`, "see --help"},
	} {
		got := command(t, strings.Fields(c.args)...)
		if got.code != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, "fleetsim: ") ||
			!strings.Contains(got.stderr, c.flag) || !strings.Contains(got.stderr, c.remedy) {
			t.Errorf("%s: status %d, want 2 with %q and %q\n%s%s", c.args, got.code, c.flag, c.remedy, got.stdout, got.stderr)
		}
	}
	if got := command(t, "--help"); got.code != 0 || !strings.Contains(got.stderr, "--faults") {
		t.Errorf("--help: %+v", got)
	}
}

// What programs read of a report is always there, with these names and kinds.
func TestReportHasItsShape(t *testing.T) {
	for _, args := range []string{"--count 3", "--seed 7 --steps 500", "--level fleet --seed 1 --steps 200"} {
		got := command(t, append(strings.Fields(args), "--json")...)
		if got.code != 0 {
			t.Fatalf("%s: %+v", args, got)
		}
		checkShape(t, []byte(got.stdout))
		if r := reported(t, got.stdout); r.Seeds == 0 || r.Steps == 0 || r.Checked == 0 || r.SimulatedSeconds <= 0 || r.StepsPerSecond <= 0 {
			t.Errorf("%s: a report of nothing: %+v", args, r)
		}
	}
	for _, r := range []report{{}, {Violations: []string{"why"}, Mutants: &mutantReport{Planted: 2, Caught: 1}}} { // of what takes its time
		r.complete()
		b, err := json.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		checkShape(t, b)
	}
}

func checkShape(t *testing.T, b []byte) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v:\n%s", err, b)
	}
	for name, kind := range map[string]reflect.Kind{
		"seeds": reflect.Float64, "steps": reflect.Float64, "checked": reflect.Float64, "simulated_seconds": reflect.Float64,
		"faults": reflect.Map, "violations": reflect.Slice, "mutants": reflect.Map, "steps_per_second": reflect.Float64,
	} {
		if is := reflect.ValueOf(got[name]).Kind(); is != kind {
			t.Errorf("%s is %v, want a %v", name, got[name], kind)
		}
	}
	faults, _ := got["faults"].(map[string]any)
	for name, n := range faults {
		if _, ok := n.(float64); !ok {
			t.Errorf("the fault %s is %v, want how often it was", name, n)
		}
	}
	mutants, _ := got["mutants"].(map[string]any)
	for _, name := range []string{"planted", "caught"} {
		if _, ok := mutants[name].(float64); !ok {
			t.Errorf("mutants.%s is %v, want a number", name, mutants[name])
		}
	}
}

func TestASeedIsOneRun(t *testing.T) {
	for _, level := range []string{"group", "fleet"} {
		args := []string{"--level", level, "--steps", "3000", "--json", "--seed"}
		one := reported(t, command(t, append(args, "11")...).stdout)
		same := reported(t, command(t, append(args, "11")...).stdout)
		other := reported(t, command(t, append(args, "12")...).stdout)
		if len(one.Trace) != 16 || one.Trace != same.Trace || one.Steps != same.Steps || one.Seeds != 1 {
			t.Errorf("%s: seed 11 is %q in %d steps, and then %q in %d", level, one.Trace, one.Steps, same.Trace, same.Steps)
		}
		if one.Trace == other.Trace {
			t.Errorf("%s: seeds 11 and 12 are one run: %s", level, one.Trace)
		}
	}
	if got := command(t, "--seed", "11", "--steps", "300"); got.code != 0 || !strings.Contains(got.stdout, "trace: ") || !strings.Contains(got.stdout, "everything held") {
		t.Errorf("in words: %+v", got)
	}
}

func TestTraceTellsEvents(t *testing.T) {
	silent := command(t, "--seed", "11", "--steps", "300")
	got := command(t, "--seed", "11", "--steps", "300", "--trace")
	if told := strings.Count(got.stdout, "\n") - strings.Count(silent.stdout, "\n"); got.code != 0 || told < 50 {
		t.Errorf("status %d, %d lines are told of 300 steps and more", got.code, told)
	}
}

func TestTimeEndsARun(t *testing.T) {
	got := command(t, "--for", "1s", "--json")
	if r := reported(t, got.stdout); got.code != 0 || r.Seeds == 0 || r.Seconds < 1 || len(r.Violations) != 0 {
		t.Errorf("status %d, %+v\n%s", got.code, r, got.stderr)
	}
}

func TestABrokenWorldFails(t *testing.T) {
	first := command(t, "--broken", "nosync", "--faults", "all", "--count", "100", "--no-shrink")
	_, rest, found := strings.Cut(first.stderr, "\nreplay: ")
	line, _, _ := strings.Cut(rest, "\n")
	replay, ok := strings.CutPrefix(line, "go run ./cmd/fleetsim ")
	if first.code != 1 || !found || !ok || !strings.Contains(first.stdout, "violated: ") {
		t.Fatalf("status %d, replay %q\n%s%s", first.code, line, first.stdout, first.stderr)
	}
	again := command(t, strings.Fields(replay)...)
	if again.code != 1 || !strings.Contains(again.stdout, "violated: ") {
		t.Errorf("%s: status %d\n%s%s", replay, again.code, again.stdout, again.stderr)
	}
}

// interruptedBy cancels when it is written to for the first time.
type interruptedBy struct{ cancel context.CancelFunc }

func (i interruptedBy) Write(b []byte) (int, error) {
	i.cancel()
	return len(b), nil
}

// An interrupt ends a run with the report of what was done until then.
func TestAnInterruptEndsWithTheReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	code := run(ctx, []string{"--for", "1h", "--json"}, &stdout, interruptedBy{cancel}) // by its first line of progress
	if r := reported(t, stdout.String()); code != 0 || r.Seeds == 0 || r.Seconds > 3000 || len(r.Violations) != 0 {
		t.Errorf("status %d, %+v", code, r)
	}
}

// FuzzCommandLine reads anything as a command line, one argument a line; faults that
// are understood print as what means the same.
func FuzzCommandLine(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	for name, line := range map[string]string{
		"empty": "", "for": "--for 1h --workers 2", "replay": "--seed 42 --faults drop,crash --steps 5000 --broken nosync",
		"fleet": "--level fleet --seed 3 --nodes 4 --groups 2 --clients 1", "mutants": "--mutants --only sessions --patience 1m",
		"scope": "--scope small", "flag-torn": "--see 3", "flag-without-value": "--seed", "huge-number": "--seed 99999999999999999999",
		"below-zero": "--for=-1s --steps=-1", "unknown-fault": "--faults drop,gremlins", "faults-of-nothing": "--faults ,,none,",
		"level-unknown": "--level host", "not-utf8": "--faults \xff", "long-list": "--faults " + strings.Repeat("drop,", 500), "argument": "42",
	} {
		seeds.Add(name, strings.ReplaceAll(line, " ", "\n"))
	}
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, line string) {
		s, err := parse(strings.Split(line, "\n"), io.Discard)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatalf("%q: %+v with %v", line, s, err)
			}
			return
		}
		if s.workers < 1 || s.duration < 0 || s.steps < 0 || !slices.Contains([]string{"group", "fleet", "all"}, s.level) {
			t.Fatalf("%q is taken for %+v", line, s)
		}
		if again, err := sim.ParseFaults(s.faults.String()); err != nil || again != s.faults {
			t.Fatalf("faults %v became %v, %v", s.faults, again, err)
		}
		if faults, acts, err := sim.ParseFleetFaults(s.fleet.String() + "," + s.acts.String()); err != nil || faults != s.fleet || acts != s.acts {
			t.Fatalf("faults %v and acts %v became %v and %v, %v", s.fleet, s.acts, faults, acts, err)
		}
	})
}
