package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/sim"
)

// tally sums up runs.
type tally struct {
	seeds, steps, checked, boots                    int64
	commands, acknowledged, unknown, refused, reads int64
	simulated                                       time.Duration
	faults, counts                                  map[string]int64
	violations                                      []string
}

func (t *tally) add(r *sim.Result) {
	if t.faults == nil {
		t.faults, t.counts = make(map[string]int64), make(map[string]int64)
	}
	t.seeds++
	t.steps += r.Steps
	t.checked += r.Checked
	t.boots += r.Boots
	t.commands += r.Commands
	t.acknowledged += r.Acknowledged
	t.unknown += r.Unknown
	t.refused += r.Refused
	t.reads += r.Reads
	t.simulated += r.Simulated
	for f, n := range r.Faults {
		t.faults[f.String()] += n
	}
	for name, n := range r.Counts {
		t.counts[name] += n
	}
	if r.Violation != nil {
		t.violations = append(t.violations, r.Violation.Error())
	}
}

// line is the progress of a second.
func (t *tally) line(took, computed time.Duration) string {
	return fmt.Sprintf("%6.0f s  %d seeds  %d steps  %s simulated  %d checks  %d faults  %.0f steps/s a core",
		took.Seconds(), t.seeds, t.steps, t.simulated.Round(time.Second), t.checked, sum(t.faults), t.speed(computed))
}

// speed is in steps a second of computing.
func (t *tally) speed(computed time.Duration) float64 {
	return float64(t.steps) / max(computed.Seconds(), 1e-9)
}

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// report is what fleetsim says in the end. As JSON it keeps its fields, of which seeds,
// steps, checked, simulated_seconds, faults, violations, mutants and steps_per_second are
// always there, whatever was asked for.
type report struct {
	Seeds            int64            `json:"seeds"`
	Steps            int64            `json:"steps"`
	Checked          int64            `json:"checked"`
	SimulatedSeconds float64          `json:"simulated_seconds"`
	Faults           map[string]int64 `json:"faults"`
	Events           map[string]int64 `json:"events"`
	Commands         int64            `json:"commands"`
	Acknowledged     int64            `json:"acknowledged"`
	Unknown          int64            `json:"unknown"`
	Refused          int64            `json:"refused"`
	Reads            int64            `json:"reads"`
	Boots            int64            `json:"boots"`
	Violations       []string         `json:"violations"`
	Replay           string           `json:"replay,omitempty"` // of the first violation
	Shrunk           string           `json:"shrunk,omitempty"`
	States           int64            `json:"states,omitempty"`  // that a search found
	Planted          string           `json:"planted,omitempty"` // the bug that is in this program
	Trace            string           `json:"trace,omitempty"`   // of a single run: the hash of all that happened
	Mutants          *mutantReport    `json:"mutants"`
	// StepsPerSecond is of one core, by the time that was computed.
	StepsPerSecond float64 `json:"steps_per_second"`
	Seconds        float64 `json:"seconds"`
}

func (t *tally) report(took, computed time.Duration) report {
	return report{
		Seeds: t.seeds, Steps: t.steps, Checked: t.checked, SimulatedSeconds: t.simulated.Seconds(),
		Faults: t.faults, Events: t.counts, Commands: t.commands, Acknowledged: t.acknowledged,
		Unknown: t.unknown, Refused: t.refused, Reads: t.reads, Boots: t.boots,
		Violations: append([]string{}, t.violations...), StepsPerSecond: t.speed(computed), Seconds: took.Seconds(), Planted: plantedBug,
	}
}

// complete puts something empty where there is nothing to tell.
func (r *report) complete() {
	if r.Faults == nil {
		r.Faults = make(map[string]int64)
	}
	if r.Violations == nil {
		r.Violations = []string{}
	}
	if r.Events == nil {
		r.Events = make(map[string]int64)
	}
	if r.Mutants == nil {
		r.Mutants = &mutantReport{Table: []mutantRow{}}
	}
}

func (r *report) print(w io.Writer) {
	if r.Mutants != nil {
		r.Mutants.print(w) // here a seed that fails is what was wanted
		return
	}
	if r.States > 0 {
		fmt.Fprintf(w, "%d states, %d steps between them, in %.1f s\n", r.States, r.Checked, r.Seconds)
		r.verdict(w)
		return
	}
	fmt.Fprintf(w, "%d seeds, %d steps, %d checks, %.0f simulated seconds in %.1f s: %.0f steps/s a core\n",
		r.Seeds, r.Steps, r.Checked, r.SimulatedSeconds, r.Seconds, r.StepsPerSecond)
	fmt.Fprintf(w, "commands: %d, of which %d acknowledged, %d unknown, %d refused; %d reads; %d boots\n",
		r.Commands, r.Acknowledged, r.Unknown, r.Refused, r.Reads, r.Boots)
	fmt.Fprintf(w, "faults: %s\n", list(r.Faults))
	fmt.Fprintf(w, "events: %s\n", list(r.Events))
	if r.Trace != "" {
		fmt.Fprintf(w, "trace: %s\n", r.Trace)
	}
	r.verdict(w)
}

func (r *report) verdict(w io.Writer) {
	if len(r.Violations) == 0 {
		fmt.Fprintln(w, "everything held")
		return
	}
	for _, v := range r.Violations {
		fmt.Fprintf(w, "violated: %s\n", v)
	}
}

func list(m map[string]int64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}
