package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// load is what the clients of one measurement do.
type load struct {
	Kind    string `json:"kind"` // write or read
	Clients int    `json:"clients_per_process"`
	Payload int    `json:"payload"`
	Target  string `json:"target"` // local or any
}

// loadResult is what write and read print.
type loadResult struct {
	Name string `json:"name"`
	options
	load
	DurationS  float64 `json:"duration_s"`
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
	var o options
	l := load{Kind: kind}
	var duration, warmup time.Duration
	c := &cobra.Command{
		Use: kind, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(1); err != nil {
				return err
			}
			if err := l.validate(duration, warmup); err != nil {
				return err
			}
			ctx, cancel := o.bounded(cmd.Context(), duration+warmup)
			defer cancel()
			r, err := measureLoad(ctx, &o, l, duration, warmup, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	o.flags(c, 48)
	f := c.Flags()
	f.IntVar(&l.Clients, "clients", 256, "closed-loop clients in each process")
	f.IntVar(&l.Payload, "payload", 16, "bytes of a command or query")
	f.StringVar(&l.Target, "target", "local", "local: a client calls a group that its own process leads; any: groups in turn, routed")
	f.DurationVar(&duration, "duration", 8*time.Second, "measured time")
	f.DurationVar(&warmup, "warmup", 2*time.Second, "time before it")
	return c
}

func (l load) validate(duration, warmup time.Duration) error {
	switch {
	case l.Clients < 1 || l.Clients > 100_000:
		return fmt.Errorf("--clients %d: give 1 to 100000", l.Clients)
	case l.Payload < 0 || l.Payload > 1<<20:
		return fmt.Errorf("--payload %d: give 0 to 1048576", l.Payload)
	case duration < 100*time.Millisecond || duration > time.Hour:
		return fmt.Errorf("--duration %s: give 100ms to 1h", duration)
	case warmup < 0 || warmup > time.Hour:
		return fmt.Errorf("--warmup %s: give 0 to 1h", warmup)
	case l.Target != "local" && l.Target != "any":
		return fmt.Errorf("--target %q: give local or any", l.Target)
	}
	return nil
}

func measureLoad(ctx context.Context, o *options, l load, duration, warmup time.Duration, progress io.Writer) (loadResult, error) {
	r := loadResult{Name: "raftfleet", options: *o, load: l, DurationS: duration.Seconds()}
	c, err := startChildren(ctx, o, progress)
	if err != nil {
		return r, err
	}
	defer c.stop()
	if _, err := c.addGroups(ctx, o.Groups, o.Processes); err != nil {
		return r, err
	}
	if err := c.spread(ctx); err != nil {
		return r, err
	}
	c.say("%d clients in each process, for %s and then %s measured", l.Clients, warmup, duration)
	reports, err := c.askAll(ctx, func(i int) order {
		d := order{Do: "drive", Load: &l, Duration: duration, Warmup: warmup}
		if i == 0 {
			d.Profiles = o.Profiles
		}
		return d
	})
	if err != nil {
		return r, err
	}
	r.Disk = diskUse(c.dir) >> 20
	var all histogram
	var cpu float64
	for i, p := range reports {
		var own histogram
		own.addSparse(p.Latencies)
		all.addSparse(p.Latencies)
		r.OpsPerS += float64(own.total()) / p.Seconds
		cpu += p.CPUSeconds
		r.RSS += p.Usage.RSS >> 20
		r.Errors += p.Errors
		if r.FirstError == "" {
			r.FirstError = p.FirstError
		}
		c.say("process %d: %.0f/s, p50 %.3f ms, p99 %.3f ms, %.2f cores, %d MB", i+1, float64(own.total())/p.Seconds, own.quantile(.5), own.quantile(.99), p.CPUSeconds/p.Seconds, p.Usage.RSS>>20)
	}
	r.CPUPerOp = cpu * 1e6 / float64(max(all.total(), 1))
	r.P50, r.P99, r.P999 = all.quantile(.5), all.quantile(.99), all.quantile(.999)
	return r, nil
}

func (r loadResult) print(w io.Writer) error {
	title := fmt.Sprintf("%s: %d groups, %d processes × %d clients, %d bytes, target %s, %.4gs", r.Kind, r.Groups, r.Processes, r.Clients, r.Payload, r.Target, r.DurationS)
	rows := []row{
		{"operations a second", fmt.Sprintf("%12.0f", r.OpsPerS)},
		{"latency p50", fmt.Sprintf("%12.3f ms", r.P50)},
		{"latency p99", fmt.Sprintf("%12.3f ms", r.P99)},
		{"latency p99.9", fmt.Sprintf("%12.3f ms", r.P999)},
		{"CPU an operation, all processes", fmt.Sprintf("%12.2f µs", r.CPUPerOp)},
		{"memory, all processes", fmt.Sprintf("%12d MB", r.RSS)},
		{"disk, all processes", fmt.Sprintf("%12d MB", r.Disk)},
		{"errors", fmt.Sprintf("%12d %s", r.Errors, r.FirstError)},
	}
	return printResult(w, r.JSON, r, title, rows)
}
