package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/mutants"
)

// trial is one bug, or a world that must fail, and what shall find it.
type trial struct {
	row     mutantRow
	mutant  *mutants.Mutant // nil: no bug, but a broken world
	attempt []attempt       // in order, until one finds it
	place   int             // in the table
}

// attempt is one way to find a bug.
type attempt struct {
	level string
	args  []string // of this program
}

const (
	levelGroup  = "group"  // seeds of groups
	levelFleet  = "fleet"  // seeds of whole fleets
	levelCore   = "core"   // random schedules of the protocol alone
	levelSearch = "search" // all that can happen within a scope
	levelTest   = "test"   // a test that was written for it
)

// trials lists what is to be found.
func trials(only string) []*trial {
	var all []*trial
	for _, m := range mutants.All() {
		t := &trial{row: mutantRow{Name: m.Name, Hazard: m.Hazard, File: m.File}, mutant: &m}
		seeds := attempt{levelGroup, []string{"--level", "group"}}
		switch m.Level {
		case mutants.ByFleets:
			t.attempt = []attempt{{levelFleet, []string{"--level", "fleet"}}}
		case mutants.ByCore:
			t.attempt = []attempt{{level: levelCore}}
		case mutants.BySearch:
			t.attempt = []attempt{{levelSearch, []string{"--scope", m.Scope}}, seeds}
		case mutants.ByTest:
			t.attempt = []attempt{{level: levelTest}}
		default:
			t.attempt = []attempt{seeds}
		}
		all = append(all, t)
	}
	for _, world := range []struct {
		name, broken, faults string
		hazard               int
	}{
		{"disks that do not sync", "nosync", "all", 34},
		{"clocks beyond what leases allow", "wildclocks", "lease,drift", 19},
	} {
		all = append(all, &trial{
			row:     mutantRow{Name: world.name, Hazard: world.hazard, File: "(no change: a broken world)"},
			attempt: []attempt{{levelGroup, []string{"--level", "group", "--broken", world.broken, "--faults", world.faults}}},
		})
	}
	all = slices.DeleteFunc(all, func(t *trial) bool { return !strings.Contains(t.row.Name, only) })
	for i, t := range all {
		t.place = i
	}
	return all
}

// plantAll builds one program with all bugs in it and lets it run with each bug in
// turn until something does not hold; and then in the worlds that must fail. It
// fails when anything is not found, or when it is interrupted.
func plantAll(ctx context.Context, s *settings, stderr io.Writer) (report, bool, error) {
	all := trials(s.only)
	if len(all) == 0 {
		return report{}, false, fmt.Errorf("--only is %q: no bug is named so", s.only)
	}
	began := time.Now()
	var planted []mutants.Mutant
	for _, t := range all {
		if t.mutant != nil {
			planted = append(planted, *t.mutant)
		}
	}
	fmt.Fprintf(stderr, "building with %d bugs ...\n", len(planted))
	g, err := plantGarden(planted)
	if err != nil {
		return report{}, false, err
	}
	if err := g.compileFor(ctx, all); err != nil && ctx.Err() == nil {
		return report{}, false, errors.Join(err, g.remove())
	}
	r := report{Mutants: &mutantReport{BuildSeconds: time.Since(began).Seconds()}, Violations: []string{}}
	done := tryAll(ctx, s, g, all, stderr)
	slices.SortFunc(done, func(a, b *trial) int { return cmp.Compare(a.place, b.place) })
	for _, t := range done {
		r.Mutants.note(t.row)
		r.Seeds += t.row.Seeds
		r.States += t.row.States
	}
	r.Mutants.Interrupted = len(done) < len(all)
	r.Seconds = time.Since(began).Seconds()
	failed := r.Mutants.Caught < r.Mutants.Planted || r.Mutants.Interrupted
	return r, failed, g.remove()
}

// compileFor builds what these trials need.
func (g *garden) compileFor(ctx context.Context, all []*trial) error {
	uses := func(core bool) bool {
		return slices.ContainsFunc(all, func(t *trial) bool {
			return slices.ContainsFunc(t.attempt, func(a attempt) bool { return a.level != levelTest && (a.level == levelCore) == core })
		})
	}
	var err error
	if uses(false) {
		err = g.compile(ctx)
	}
	if err == nil && uses(true) {
		err = g.compileCore(ctx)
	}
	return err
}

// tryAll tries some at a time and returns those that came to an end.
func tryAll(ctx context.Context, s *settings, g *garden, all []*trial, stderr io.Writer) (done []*trial) {
	// Those that take long first, so that not one is left alone in the end.
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(a, b *trial) int { return cmp.Compare(a.haste(), b.haste()) })
	waiting := make(chan *trial, len(order))
	for _, t := range order {
		waiting <- t
	}
	close(waiting)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(s.workers, len(order)) {
		wg.Go(func() {
			for t := range waiting {
				t.run(ctx, s, g)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				done = append(done, t)
				fmt.Fprintf(stderr, "%3d of %d  %-44s %s after %s, %.1f s\n", len(done), len(all), t.row.Name, t.row.by(), t.row.after(), t.row.Seconds)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return done
}

// haste sorts trials by how soon they end, as far as their kind tells it.
func (t *trial) haste() int {
	return slices.Index([]string{levelFleet, levelTest, levelSearch, levelGroup, levelCore}, t.attempt[0].level)
}

// run makes one attempt after the other until one finds the bug.
func (t *trial) run(ctx context.Context, s *settings, g *garden) {
	began := time.Now()
	defer func() { t.row.Seconds = time.Since(began).Seconds() }()
	for _, a := range t.attempt {
		t.row.Level, t.row.Error = a.level, ""
		switch a.level {
		case levelTest:
			t.row.runTest(ctx, g, t.mutant)
		case levelCore:
			t.row.runCore(ctx, s, g, t.mutant)
		default:
			t.row.runProgram(ctx, s, g, t.mutant, a)
		}
		if t.row.Caught || ctx.Err() != nil {
			return
		}
	}
}
