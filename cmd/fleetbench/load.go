package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// load is what one measurement does.
type load struct {
	Kind      string        `json:"kind"` // write or read
	Processes int           `json:"processes"`
	Groups    int           `json:"groups"`
	Clients   int           `json:"clients_per_process"`
	Payload   int           `json:"payload"`
	Duration  time.Duration `json:"-"`
	Warmup    time.Duration `json:"-"`
	Target    string        `json:"target"` // local or any
	Profile   string        `json:"-"`
}

// result is what fleetbench prints. The names are stable.
type result struct {
	Name string `json:"name"`
	load
	OpsPerS    float64 `json:"ops_per_s"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	P999       float64 `json:"p999_ms"`
	CPUPerOp   float64 `json:"cpu_us_per_op"` // of all processes
	RSS        int64   `json:"rss_mb"`        // of all processes
	Disk       int64   `json:"disk_mb"`       // of all data folders
	Errors     int64   `json:"errors"`
	FirstError string  `json:"first_error,omitempty"`
}

func newLoadCommand(kind, short string) *cobra.Command {
	l := load{Kind: kind}
	var asJSON bool
	c := &cobra.Command{
		Use: kind, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.validate(); err != nil {
				return err
			}
			// Everything is bounded: starting, adding the groups, the load, the end.
			ctx, cancel := context.WithTimeout(cmd.Context(), l.Duration+l.Warmup+2*time.Minute+time.Duration(l.Groups)*20*time.Millisecond)
			defer cancel()
			r, err := measure(ctx, l, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), asJSON)
		},
	}
	f := c.Flags()
	f.IntVar(&l.Processes, "processes", 3, "processes, each in a zone of its own")
	f.IntVar(&l.Groups, "groups", 48, "groups of three members, or of one a process where there are fewer")
	f.IntVar(&l.Clients, "clients", 256, "closed-loop clients in each process")
	f.IntVar(&l.Payload, "payload", 16, "bytes of a command or query")
	f.DurationVar(&l.Duration, "duration", 8*time.Second, "measured time")
	f.DurationVar(&l.Warmup, "warmup", 2*time.Second, "time before it")
	f.StringVar(&l.Target, "target", "local", "local: a client calls groups that its own process leads; any: any group, routed")
	f.StringVar(&l.Profile, "cpuprofile", "", "write a CPU profile of the first process's measured time to this file")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}

func (l load) validate() error {
	switch {
	case l.Processes < 1 || l.Processes > 64:
		return fmt.Errorf("--processes %d: give 1 to 64", l.Processes)
	case l.Groups < 1 || l.Groups > 100_000:
		return fmt.Errorf("--groups %d: give 1 to 100000", l.Groups)
	case l.Clients < 1 || l.Clients > 100_000:
		return fmt.Errorf("--clients %d: give 1 to 100000", l.Clients)
	case l.Payload < 0 || l.Payload > 1<<20:
		return fmt.Errorf("--payload %d: give 0 to 1048576", l.Payload)
	case l.Duration < 100*time.Millisecond || l.Duration > time.Hour:
		return fmt.Errorf("--duration %s: give 100ms to 1h", l.Duration)
	case l.Warmup < 0 || l.Warmup > time.Hour:
		return fmt.Errorf("--warmup %s: give 0 to 1h", l.Warmup)
	case l.Target != "local" && l.Target != "any":
		return fmt.Errorf("--target %q: give local or any", l.Target)
	}
	return nil
}

// measure runs one measurement from start to end and leaves nothing behind.
func measure(ctx context.Context, l load, progress io.Writer) (result, error) {
	dir, err := os.MkdirTemp("", "fleetbench-")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(progress, "starting %d processes\n", l.Processes)
	fleet, err := startChildren(ctx, l, dir)
	defer fleet.stop()
	if err != nil {
		return result{}, err
	}
	fmt.Fprintf(progress, "adding %d groups\n", l.Groups)
	began := time.Now()
	if err := fleet.first().addGroups(ctx); err != nil {
		return result{}, err
	}
	fmt.Fprintf(progress, "added in %s; driving %d clients in each process for %s\n", time.Since(began).Round(time.Millisecond), l.Clients, l.Warmup+l.Duration)
	reports, err := fleet.drive(ctx)
	if err != nil {
		return result{}, err
	}
	r := result{Name: "raftfleet", load: l, Disk: diskUse(dir) >> 20}
	var latencies histogram
	var ops int64
	var cpu, seconds float64
	for _, p := range reports {
		ops += p.Ops
		cpu += p.CPUSeconds
		seconds = max(seconds, p.Seconds)
		r.RSS += p.RSS >> 20
		r.Errors += p.Errors
		if r.FirstError == "" {
			r.FirstError = p.FirstError
		}
		latencies.add(&p.Latencies)
	}
	r.OpsPerS = float64(ops) / seconds
	r.CPUPerOp = cpu * 1e6 / float64(max(ops, 1))
	r.P50, r.P99, r.P999 = latencies.quantile(.5), latencies.quantile(.99), latencies.quantile(.999)
	return r, nil
}

func (r result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "%s of %d bytes, %d groups, %d processes × %d clients, target %s\n\n"+
		"  operations a second   %12.0f\n  latency p50           %12.3f ms\n  latency p99           %12.3f ms\n  latency p99.9         %12.3f ms\n"+
		"  CPU an operation      %12.2f µs (all processes)\n  memory                %12d MB (all processes)\n  disk                  %12d MB (all processes)\n  errors                %12d %s\n",
		r.Kind, r.Payload, r.Groups, r.Processes, r.Clients, r.Target, r.OpsPerS, r.P50, r.P99, r.P999, r.CPUPerOp, r.RSS, r.Disk, r.Errors, r.FirstError)
	return err
}

// diskUse adds up the blocks of all files below a folder.
func diskUse(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil // a file that has just been removed uses nothing
	})
	return bytes
}
