// Command fleetsim runs seeds of the simulator: whole clusters with their disks,
// clocks, network and clients, in one goroutine each, with faults of every kind,
// and checks after every step what must hold. See package internal/sim.
//
//	fleetsim --for 1h                  run seeds until the time is over
//	fleetsim --seed 42                 run one seed; with --trace tell what happens
//	fleetsim --seed 42 --faults drop,crash --steps 5000
//	fleetsim --scope small             search all that can happen to a small group; see package internal/explore
//	fleetsim --mutants                 plant bugs, one at a time, and tell what finds each
//	fleetsim --plant BUG --seed 42     run with one of them
//
// The exit status is 0 when everything held, 1 when something did not, 2 for a
// mistake on the command line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/raftfleet/raftfleet/internal/explore"
	"github.com/raftfleet/raftfleet/internal/sim"
)

type settings struct {
	duration  time.Duration
	seed      uint64
	one       bool // --seed was given
	count     uint64
	first     uint64
	level     string
	faults    sim.Faults
	fleet     sim.Faults // and of a fleet's run
	acts      sim.Acts
	size      sim.FleetSize // that a fleet has at most
	steps     int64
	workers   int
	mutants   bool
	only      string
	broken    string
	json      bool
	trace     bool
	noShrink  bool
	perMutant time.Duration
	scopes    []explore.Scope // to be searched
	plant     string          // the bug that shall be on
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends what runs, with its report; a second one ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "fleetsim:", err)
		return 2
	}
	var r report
	var failed bool
	switch {
	case s.level == "core":
		status, err := tellCore(ctx, s, stdout, stderr)
		if err != nil {
			fmt.Fprintln(stderr, "fleetsim:", err)
			return 2
		}
		return status
	case s.plant != plantedBug && plantedBug == "":
		status, err := runPlanted(ctx, s.plant, args, stdout, stderr)
		if err != nil {
			fmt.Fprintln(stderr, "fleetsim:", err)
			return 2
		}
		return status
	case s.mutants:
		r, failed, err = plantAll(ctx, s, stderr)
	case s.scopes != nil:
		r, failed, err = runSearch(ctx, s, stdout, stderr)
	case s.one && s.count == 0:
		r, failed = runOne(s, stdout, stderr)
	default:
		r, failed = runMany(ctx, s, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fleetsim:", err)
		return 2
	}
	if s.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		r.complete()
		if err := encoder.Encode(&r); err != nil {
			fmt.Fprintln(stderr, "fleetsim:", err)
			return 2
		}
	} else {
		r.print(stdout)
	}
	if failed {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	var faults, scopes string
	f := pflag.NewFlagSet("fleetsim", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.DurationVar(&s.duration, "for", 0, "run seeds for so long; without it and --count: 10s")
	f.Uint64Var(&s.seed, "seed", 0, "the seed to run; with --for or --count the first one")
	f.Uint64Var(&s.count, "count", 0, "run so many seeds; with --mutants: with each bug, at most, where 0 leaves it to the level")
	f.StringVar(&s.level, "level", "group", "what is simulated: group (groups on hosts), fleet (whole nodes), all of them in turn, or core (with --seed: a random schedule of package consensus)")
	f.StringVar(&faults, "faults", "all", "run with no other kinds of faults than these, comma separated; of groups: "+sim.AllFaults.String()+"; of fleets: "+sim.FleetFaults.String()+","+sim.AllActs.String())
	f.Int64Var(&s.steps, "steps", 0, "end the faults of a run after so many steps; 0 leaves it to the seed")
	f.IntVar(&s.size.Nodes, "nodes", 0, "of fleets: no more nodes than these; 0 leaves it to the seed")
	f.IntVar(&s.size.Groups, "groups", 0, "of fleets: no more names of groups than these; 0 leaves it to the seed")
	f.IntVar(&s.size.Clients, "clients", 0, "of fleets: no more clients than these; 0 leaves it to the seed")
	f.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "how many seeds run at a time")
	f.BoolVar(&s.mutants, "mutants", false, "plant bugs and tell which are found")
	f.StringVar(&s.only, "only", "", "with --mutants: plant only those whose name contains this")
	f.DurationVar(&s.perMutant, "patience", 5*time.Minute, "with --mutants: how long to look for each at most, by seeds or in a scope")
	f.StringVar(&s.plant, "plant", "", "build the program with this bug in it, and do there what else is said")
	f.StringVar(&scopes, "scope", "", "no seeds: search all that can happen to a small group within these scopes, comma separated; small stands for all small ones")
	f.StringVar(&s.broken, "broken", "", "a world that must fail: nosync (disks do not sync) or wildclocks (clocks drift more than leases allow)")
	f.BoolVar(&s.json, "json", false, "report as JSON")
	f.BoolVar(&s.trace, "trace", false, "with --seed: tell every event")
	f.BoolVar(&s.noShrink, "no-shrink", false, "do not look for a smaller plan that fails")
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w; see --help", err)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? All settings are flags; see --help", f.Arg(0))
	}
	if err := s.chooseFaults(faults); err != nil {
		return nil, err
	}
	switch s.broken {
	case "", "nosync", "wildclocks":
	default:
		return nil, fmt.Errorf("--broken is %q: give nosync or wildclocks", s.broken)
	}
	switch {
	case s.broken == "wildclocks" && s.level != "group":
		return nil, fmt.Errorf("--broken wildclocks is for --level group")
	case s.size != sim.FleetSize{} && s.level != "fleet":
		return nil, fmt.Errorf("--nodes, --groups and --clients are for --level fleet")
	}
	if scopes != "" {
		var err error
		if s.scopes, err = chosenScopes(scopes); err != nil {
			return nil, err
		}
	}
	switch {
	case s.workers < 1:
		return nil, fmt.Errorf("--workers is %d: give at least 1", s.workers)
	case s.duration < 0:
		return nil, fmt.Errorf("--for is %s: give more than 0s, such as 10m", s.duration)
	case s.steps < 0:
		return nil, fmt.Errorf("--steps is %d: give at least 1, or 0 to leave it to the seed", s.steps)
	case s.perMutant <= 0:
		return nil, fmt.Errorf("--patience is %s: give more than 0s, such as 5m", s.perMutant)
	case min(s.size.Nodes, s.size.Groups, s.size.Clients) < 0:
		return nil, fmt.Errorf("--nodes, --groups and --clients are %d, %d and %d: give at least 1, or 0 to leave it to the seed", s.size.Nodes, s.size.Groups, s.size.Clients)
	}
	s.one = f.Changed("seed") && s.duration == 0
	if s.trace && (!s.one || s.count > 0) {
		return nil, errors.New("--trace tells of one run: give --seed too, and neither --for nor --count")
	}
	if s.level == "core" && (!s.one || s.count > 0) {
		return nil, errors.New("--level core is one schedule: give --seed too, and neither --for nor --count; all of them are a test of ./consensus")
	}
	s.first = s.seed
	if s.duration == 0 && s.count == 0 && !s.one {
		s.duration = 10 * time.Second
	}
	return s, nil
}

// chooseFaults reads --faults as the level means it.
func (s *settings) chooseFaults(faults string) (err error) {
	s.faults, s.fleet, s.acts = sim.AllFaults, sim.FleetFaults, sim.AllActs
	switch s.level {
	case "core":
	case "group":
		s.faults, err = sim.ParseFaults(faults)
	case "fleet":
		if faults != "all" {
			s.fleet, s.acts, err = sim.ParseFleetFaults(faults)
		}
	case "all":
		if faults != "all" {
			return fmt.Errorf("--faults is for one level: give --level group or --level fleet")
		}
	default:
		return fmt.Errorf("--level is %q: give group, fleet or all, or core with --seed", s.level)
	}
	if err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	return nil
}

// plan is the plan of a seed under these settings.
func (s *settings) plan(seed uint64) sim.Plan {
	broken := map[string]sim.Broken{"": sim.Sound, "nosync": sim.NoSync, "wildclocks": sim.WildClocks}
	p := sim.NewBrokenPlan(seed, s.faults, broken[s.broken])
	if s.steps > 0 {
		p.Steps = s.steps
	}
	return p
}

// fleetPlan is the plan of a fleet's seed under these settings.
func (s *settings) fleetPlan(seed uint64) sim.FleetPlan {
	broken := map[string]sim.Broken{"": sim.Sound, "nosync": sim.NoSync}
	p := sim.NewBrokenFleetPlan(seed, s.fleet, s.acts, broken[s.broken])
	p.Limit(s.size)
	if s.steps > 0 {
		p.Steps = s.steps
	}
	return p
}
