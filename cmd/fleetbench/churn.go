package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/internal/harness"
)

// churnOptions are what churn can be told.
type churnOptions struct {
	Nodes      int           `json:"nodes"`
	Zones      int           `json:"zones"`
	Groups     int           `json:"groups"`
	Replicas   int           `json:"replicas"`
	Join       int           `json:"join"`
	Drain      int           `json:"drain"`
	Writers    int           `json:"writers"`
	Rate       float64       `json:"rate"`
	PurgeAfter time.Duration `json:"purge_after_ns"`
	Settle     time.Duration `json:"settle_ns"`
	Pause      time.Duration `json:"pause_ns"`
	Limit      time.Duration `json:"limit_ns"`
	Seed       uint64        `json:"seed"`
	Data       string        `json:"-"`
	Fleetd     string        `json:"-"`
	Verbose    bool          `json:"-"`
	JSON       bool          `json:"-"`
}

// churnResult is what churn prints.
type churnResult struct {
	Name string `json:"name"`
	churnOptions
	ElectionTimeout float64 `json:"election_timeout_s"`
	StartS          float64 `json:"start_s"` // until all nodes were active
	harness.ChurnResult
	GapRatio float64 `json:"gap_max_over_election_timeout"`
	OK       bool    `json:"ok"`
	Error    string  `json:"error,omitempty"`
}

// electionTimeout is the default of group.Config, which the added groups have: a gap
// is given as a multiple of it, and should be at most three.
const electionTimeout = time.Second

func newChurnCommand() *cobra.Command {
	var o churnOptions
	c := &cobra.Command{
		Use: "churn", Short: "Measure what clients notice while nodes join, drain, die and return", Args: cobra.NoArgs,
		Long: `Starts fleetd processes on loopback, adds groups, and has clients write to all of
them through all nodes, while nodes join, others are drained and stopped, one is
killed for good, and then a whole zone is killed and started again. A phase ends
when the fleet says that it is balanced again; while the zone is gone, nothing may move.

Every group has a write due at its own times, rate/groups of them a second. A gap is
how long a write had to wait, from when it was due until it was acknowledged,
retries included; it is seen from the first write on that was due within it.

It fails when a phase does not end in time, when the brake does not hold, when a
write fails other than by being refused and done anew, or when the counters do not
agree with what was acknowledged. Data and logs are then kept.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			r, err := measureChurn(cmd.Context(), &o, cmd.ErrOrStderr())
			return errors.Join(r.print(cmd.OutOrStdout()), err)
		},
	}
	f := c.Flags()
	f.IntVar(&o.Nodes, "nodes", 12, "nodes at first")
	f.IntVar(&o.Zones, "zones", 3, "zones that they are spread over, two nodes or more in each")
	f.IntVar(&o.Groups, "groups", 1000, "groups")
	f.IntVar(&o.Replicas, "replicas", 3, "members of each group")
	f.IntVar(&o.Join, "join", 4, "nodes that join together")
	f.IntVar(&o.Drain, "drain", 2, "nodes that are drained and stopped together")
	f.IntVar(&o.Writers, "writers", 16, "clients with connections of their own; the groups are divided among them")
	f.Float64Var(&o.Rate, "rate", 300, "writes a second that are due, over all groups")
	f.DurationVar(&o.PurgeAfter, "purge-after", 20*time.Second, "how long a node is gone before its members are replaced")
	f.DurationVar(&o.Settle, "settle", 2*time.Second, "how long nodes must be quiet before members are balanced")
	f.DurationVar(&o.Pause, "pause", 5*time.Second, "how long each phase goes on after the fleet is balanced")
	f.DurationVar(&o.Limit, "limit", 10*time.Minute, "how long each phase may take until then")
	f.Uint64Var(&o.Seed, "seed", 1, "decides who leaves and dies, and when writes are due")
	f.StringVar(&o.Data, "data", "", "empty or new folder for data and logs, kept at the end (default: a temporary one, kept when something fails)")
	f.StringVar(&o.Fleetd, "fleetd", "", "the fleetd binary (default: built with the go command)")
	f.BoolVar(&o.Verbose, "debug", false, "nodes log at the level debug")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object")
	return c
}

func (o *churnOptions) validate() error {
	for _, n := range []struct {
		flag           string
		is, least, top int
	}{
		{"nodes", o.Nodes, 6, 64}, {"zones", o.Zones, 3, 32}, {"groups", o.Groups, 1, 100_000}, {"replicas", o.Replicas, 1, 31},
		{"join", o.Join, 1, 64}, {"drain", o.Drain, 1, 64}, {"writers", o.Writers, 1, 1000},
	} {
		if n.is < n.least || n.is > n.top {
			return fmt.Errorf("--%s %d: give %d to %d", n.flag, n.is, n.least, n.top)
		}
	}
	for _, d := range []struct {
		flag string
		is   time.Duration
	}{{"purge-after", o.PurgeAfter}, {"settle", o.Settle}, {"pause", o.Pause}, {"limit", o.Limit}} {
		if d.is < 100*time.Millisecond || d.is > 24*time.Hour {
			return fmt.Errorf("--%s %s: give 100ms to 24h", d.flag, d.is)
		}
	}
	switch {
	case o.Nodes < 2*o.Zones:
		return fmt.Errorf("--nodes %d in --zones %d: give two nodes a zone or more", o.Nodes, o.Zones)
	case o.Rate <= 0 || o.Rate > 100_000:
		return fmt.Errorf("--rate %g: give more than 0, up to 100000", o.Rate)
	}
	return nil
}

func measureChurn(ctx context.Context, o *churnOptions, progress io.Writer) (churnResult, error) {
	r := churnResult{Name: "raftfleet", churnOptions: *o, ElectionTimeout: electionTimeout.Seconds()}
	say := func(line string) { fmt.Fprintln(progress, line) }
	err := r.run(ctx, o, say)
	r.OK = err == nil
	if err != nil {
		r.Error = err.Error()
	}
	for _, p := range r.Phases {
		r.GapRatio = max(r.GapRatio, p.Gap/r.ElectionTimeout)
	}
	return r, err
}

func (r *churnResult) run(ctx context.Context, o *churnOptions, say func(string)) error {
	binary, dir := o.Fleetd, o.Data
	var err error
	if binary == "" {
		say("building fleetd")
		if binary, err = harness.Build(); err != nil {
			return err
		}
		defer harness.RemoveBuilt()
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "fleetbench-"); err != nil {
			return fmt.Errorf("make a folder for the data: %w; see --data", err)
		}
	} else if found, err := os.ReadDir(dir); err == nil && len(found) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--data %s: give an empty folder, or one that does not exist", dir)
	}
	c := harness.Config{Binary: binary, Dir: dir, Nodes: o.Nodes, Zones: o.Zones, PurgeAfter: o.PurgeAfter, Flags: []string{"--settle", o.Settle.String()}}
	if o.Verbose {
		c.Flags = append(c.Flags, "--log-level", "debug")
	}
	began := time.Now()
	starting, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	f, err := harness.Start(starting, c)
	if err != nil {
		return err
	}
	r.StartS = time.Since(began).Seconds()
	say(fmt.Sprintf("%d nodes in %d zones are active after %.1f s; data and logs are in %s", o.Nodes, o.Zones, r.StartS, dir))
	r.ChurnResult, err = f.Churn(ctx, harness.ChurnConfig{
		Groups: o.Groups, Replicas: o.Replicas, Join: o.Join, Drain: o.Drain, Every: time.Duration(float64(o.Groups) / o.Rate * float64(time.Second)),
		Writers: o.Writers, Seed: o.Seed, Pause: o.Pause, Limit: o.Limit, Progress: say,
	})
	err = errors.Join(err, f.Close())
	if err == nil && o.Data == "" {
		return os.RemoveAll(dir)
	}
	say("data and logs are kept in " + dir)
	return err
}

func (r churnResult) print(w io.Writer) error {
	if r.JSON {
		return json.NewEncoder(w).Encode(r)
	}
	return r.table(w)
}
