package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// mutantReport says which planted bugs were found. Planted counts those that were
// tried, which are all unless the command was interrupted.
type mutantReport struct {
	Planted int         `json:"planted"`
	Caught  int         `json:"caught"`
	Table   []mutantRow `json:"table"`
	// BuildSeconds is how long it took to build the program with all bugs in it.
	BuildSeconds float64 `json:"build_seconds"`
	// CPU is how much was computed in all, but for the build.
	CPU         float64 `json:"cpu_seconds"`
	Interrupted bool    `json:"interrupted,omitempty"`
}

// mutantRow is one planted bug, or a world that must fail. The seconds are those
// that pass, with other bugs tried beside it.
type mutantRow struct {
	Name    string  `json:"name"`
	Hazard  int     `json:"hazard"`
	File    string  `json:"file"`
	Caught  bool    `json:"caught"`
	By      string  `json:"by,omitempty"`     // the invariant, the promise or the test
	Level   string  `json:"level"`            // what was tried last: group, fleet, core, search, test
	Seeds   int64   `json:"seeds"`            // that were run, the one that found it among them
	States  int64   `json:"states,omitempty"` // that were searched
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"` // that were computed, which other work on the machine does not change
	Replay  string  `json:"replay,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// by says what found the bug, or that nothing did.
func (r *mutantRow) by() string {
	switch {
	case r.Caught:
		return r.By
	case r.Error != "":
		return "NOT CAUGHT: " + r.Error
	}
	return "NOT CAUGHT"
}

// after says how much was tried.
func (r *mutantRow) after() string {
	switch {
	case r.Level == levelTest:
		return "a test"
	case r.Level == levelSearch:
		return fmt.Sprintf("%d states", r.States)
	case r.Level == levelCore:
		return fmt.Sprintf("%d schedules of the core", r.Seeds)
	case r.Level == levelFleet:
		return fmt.Sprintf("%d seeds of fleets", r.Seeds)
	}
	return fmt.Sprintf("%d seeds", r.Seeds)
}

func (m *mutantReport) note(row mutantRow) {
	m.Planted++
	if row.Caught {
		m.Caught++
	}
	m.CPU += row.CPU
	m.Table = append(m.Table, row)
}

func (m *mutantReport) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BUG\tHAZARD\tCAUGHT BY\tAFTER\tSECONDS\tCPU\tREPLAY")
	for _, r := range m.Table {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%.1f\t%.1f\t%s\n", r.Name, r.Hazard, r.by(), r.after(), r.Seconds, r.CPU, r.Replay)
	}
	t.Flush()
	fmt.Fprintf(w, "%d bugs planted, %d caught; built in %.0f s, then %.0f s of computing\n", m.Planted, m.Caught, m.BuildSeconds, m.CPU)
	if m.Interrupted {
		fmt.Fprintln(w, "interrupted: the others were not tried")
	}
}
