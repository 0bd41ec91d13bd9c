package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/raftfleet/raftfleet/internal/mutants"
)

// mutantReport says which planted bugs were found.
type mutantReport struct {
	Planted int         `json:"planted"`
	Caught  int         `json:"caught"`
	Table   []mutantRow `json:"table"`
}

type mutantRow struct {
	Name    string  `json:"name"`
	Hazard  int     `json:"hazard"`
	File    string  `json:"file"`
	Caught  bool    `json:"caught"`
	By      string  `json:"by,omitempty"` // the invariant
	Seeds   int64   `json:"seeds"`        // until then
	Seconds float64 `json:"seconds"`
	Replay  string  `json:"replay,omitempty"`
	Error   string  `json:"error,omitempty"`
}

func (m *mutantReport) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BUG\tHAZARD\tFILE\tCAUGHT BY\tSEEDS\tSECONDS")
	for _, r := range m.Table {
		by := r.By
		switch {
		case r.Error != "":
			by = "error: " + r.Error
		case !r.Caught:
			by = "NOT CAUGHT"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%d\t%.1f\n", r.Name, r.Hazard, r.File, by, r.Seeds, r.Seconds)
	}
	t.Flush()
	fmt.Fprintf(w, "%d bugs planted, %d caught\n", m.Planted, m.Caught)
}

// plantAll builds fleetsim with each bug in turn and lets it run seeds until one
// fails, and then the worlds that must fail. It fails when anything is not found.
func plantAll(ctx context.Context, s *settings, stderr io.Writer) (report, bool, error) {
	root, err := mutants.Root()
	if err != nil {
		return report{}, false, err
	}
	dir, err := os.MkdirTemp("", "fleetsim-mutants-")
	if err != nil {
		return report{}, false, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	r := report{Mutants: &mutantReport{}, Violations: []string{}}
	note := func(row mutantRow) {
		m := r.Mutants
		m.Planted++
		if row.Caught {
			m.Caught++
		}
		m.Table = append(m.Table, row)
		r.Seeds += row.Seeds
		fmt.Fprintf(stderr, "%-44s caught=%v by %q after %d seeds %s\n", row.Name, row.Caught, row.By, row.Seeds, row.Error)
	}
	for _, m := range mutants.All() {
		if ctx.Err() != nil {
			break
		}
		if !strings.Contains(m.Name, s.only) {
			continue
		}
		row := mutantRow{Name: m.Name, Hazard: m.Hazard, File: m.File}
		overlay, err := m.Overlay(root, dir)
		if err == nil {
			row.find(ctx, s, root, dir, "-overlay="+overlay)
		} else {
			row.Error = err.Error()
		}
		note(row)
	}
	for _, world := range []struct {
		name, broken, faults string
		hazard               int
	}{
		{"disks that do not sync", "nosync", "all", 34},
		{"clocks beyond what leases allow", "wildclocks", "lease,drift", 19},
	} {
		if !strings.Contains(world.name, s.only) {
			continue
		}
		row := mutantRow{Name: world.name, Hazard: world.hazard, File: "(no change: a broken world)"}
		row.find(ctx, s, root, dir, "", "--broken", world.broken, "--faults", world.faults)
		note(row)
	}
	r.Seconds = time.Since(began).Seconds()
	return r, r.Mutants.Caught < r.Mutants.Planted, nil
}

// find builds fleetsim with an overlay and runs it until it finds something.
func (row *mutantRow) find(ctx context.Context, s *settings, root, dir, overlay string, args ...string) {
	binary := filepath.Join(dir, "fleetsim")
	build := []string{"build", "-o", binary}
	if overlay != "" {
		build = append(build, overlay)
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", append(build, "./cmd/fleetsim")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		row.Error = fmt.Sprintf("does not build: %v: %s", err, strings.TrimSpace(string(out)))
		return
	}
	args = append(args, "--json", "--no-shrink", "--for", s.perMutant.String(), "--workers", fmt.Sprint(s.workers))
	cmd = exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	row.Seconds = time.Since(began).Seconds()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		row.Error = err.Error()
		return
	}
	var found report
	if jsonErr := json.Unmarshal(out, &found); jsonErr != nil {
		// A panic outside of any machine: the bug shows itself.
		if exit != nil && strings.Contains(string(exit.Stderr), "panic: ") {
			row.Caught, row.By = true, "the program panics"
			return
		}
		row.Error = jsonErr.Error()
		return
	}
	row.Seeds = found.Seeds
	if len(found.Violations) > 0 {
		row.Caught = true
		row.By, _, _ = strings.Cut(found.Violations[0], ":")
	}
}
