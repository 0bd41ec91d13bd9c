package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// idleResult is what idle prints.
type idleResult struct {
	Name string `json:"name"`
	options
	ForS         float64   `json:"for_s"`
	Cores        float64   `json:"cores"` // of all processes
	CoresEach    []float64 `json:"cores_each"`
	RSS          int64     `json:"rss_mb"`       // of all processes
	Heap         int64     `json:"live_heap_mb"` // of all processes, after a collection
	Disk         int64     `json:"disk_mb"`
	AddedPerS    float64   `json:"added_per_s"`
	QuietAfterS  float64   `json:"quiet_after_s"` // from the last group added until next to no CPU was used
	BytesAMember int64     `json:"rss_bytes_a_member"`
}

func newIdleCommand() *cobra.Command {
	var o options
	var length, settle time.Duration
	c := &cobra.Command{
		Use: "idle", Short: "Measure what groups cost that have nothing to do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(1); err != nil {
				return err
			}
			if length < time.Second || length > time.Hour || settle < 0 || settle > time.Hour {
				return fmt.Errorf("--for %s and --settle %s: give 1s to 1h, and 0 to 1h", length, settle)
			}
			ctx, cancel := o.bounded(cmd.Context(), length+settle)
			defer cancel()
			r, err := measureIdle(ctx, &o, length, settle, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	o.flags(c, 10_000)
	c.Flags().DurationVar(&length, "for", 10*time.Second, "measured time")
	c.Flags().DurationVar(&settle, "settle", time.Minute, "wait at most so long for groups to fall asleep")
	return c
}

// quietCores is what all processes together use when their groups sleep, with room
// for whatever else runs in them.
const quietCores = 0.15

func measureIdle(ctx context.Context, o *options, length, settle time.Duration, progress io.Writer) (idleResult, error) {
	r := idleResult{Name: "raftfleet", options: *o, ForS: length.Seconds()}
	c, err := startChildren(ctx, o, progress)
	if err != nil {
		return r, err
	}
	defer c.stop()
	took, err := c.addGroups(ctx, o.Groups, o.Processes)
	if err != nil {
		return r, err
	}
	r.AddedPerS = float64(o.Groups) / took.Seconds()
	for began := time.Now(); ; {
		cores, _, err := c.cores(ctx, 2*time.Second, profiles{})
		if err != nil {
			return r, err
		}
		used := total(cores)
		c.say("%.2f cores after %s", used, time.Since(began).Round(time.Second))
		if r.QuietAfterS = time.Since(began).Seconds(); used < quietCores || time.Since(began) > settle {
			break
		}
	}
	var last []report
	if r.CoresEach, last, err = c.cores(ctx, length, o.Profiles); err != nil {
		return r, err
	}
	r.Cores = total(r.CoresEach)
	for _, p := range last {
		r.RSS += p.Usage.RSS >> 20
		r.Heap += p.Usage.Heap >> 20
	}
	r.BytesAMember = r.RSS << 20 / int64(o.Groups*min(3, o.Processes))
	r.Disk = diskUse(c.dir) >> 20
	return r, nil
}

// cores measures how many cores each process uses, and returns their last reports.
func (c *children) cores(ctx context.Context, length time.Duration, p profiles) ([]float64, []report, error) {
	first, err := c.askAll(ctx, func(i int) order {
		if i > 0 {
			return order{Do: "begin"}
		}
		return order{Do: "begin", Profiles: p}
	})
	if err != nil {
		return nil, nil, err
	}
	if err := sleep(ctx, length); err != nil {
		return nil, nil, err
	}
	last, err := c.askAll(ctx, func(int) order { return order{Do: "end"} })
	if err != nil {
		return nil, nil, err
	}
	cores := make([]float64, len(last))
	for i := range last {
		cores[i] = (last[i].Usage.CPU - first[i].Usage.CPU).Seconds() / last[i].Usage.At.Sub(first[i].Usage.At).Seconds()
	}
	return cores, last, nil
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func (r idleResult) print(w io.Writer) error {
	return printResult(w, r.JSON, r, fmt.Sprintf("idle: %d groups in %d processes, %.4gs", r.Groups, r.Processes, r.ForS), []row{
		{"cores used, all processes", fmt.Sprintf("%12.3f %.3f", r.Cores, r.CoresEach)},
		{"memory, all processes", fmt.Sprintf("%12d MB", r.RSS)},
		{"memory a member", fmt.Sprintf("%12d bytes", r.BytesAMember)},
		{"live heap, all processes", fmt.Sprintf("%12d MB", r.Heap)},
		{"disk, all processes", fmt.Sprintf("%12d MB", r.Disk)},
		{"groups added a second", fmt.Sprintf("%12.0f", r.AddedPerS)},
		{"quiet after", fmt.Sprintf("%12.1f s", r.QuietAfterS)},
	})
}
