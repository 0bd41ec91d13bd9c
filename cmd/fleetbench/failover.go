package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// failoverResult is what failover prints. A gap is the longest time for which one
// group gave no answer to commands sent through another process.
type failoverResult struct {
	Name string `json:"name"`
	options
	Led      int     `json:"led"` // groups that the killed process led
	GapP50   float64 `json:"gap_p50_s"`
	GapMax   float64 `json:"gap_max_s"`
	OtherP50 float64 `json:"other_gap_p50_s"` // of the groups that other processes led
	OtherMax float64 `json:"other_gap_max_s"`
	Errors   int64   `json:"errors"`
	First    string  `json:"first_error,omitempty"`
}

func newFailoverCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use: "failover", Short: "Measure how long groups do not answer when a process is killed", Args: cobra.NoArgs,
		Long: "Kills the first process, which leads its share of the groups and most often the catalogue,\n" +
			"while the second one sends commands to every group.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(3); err != nil {
				return err
			}
			ctx, cancel := o.bounded(cmd.Context(), 0)
			defer cancel()
			r, err := measureFailover(ctx, &o, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	o.flags(c, 300)
	return c
}

func measureFailover(ctx context.Context, o *options, progress io.Writer) (failoverResult, error) {
	r := failoverResult{Name: "raftfleet", options: *o}
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
	victim, witness := c.all[0], c.all[1]
	// Profiles are of the process that stays, from before the kill until all is well.
	if _, err := witness.ask(ctx, order{Do: "begin", Profiles: o.Profiles}); err != nil {
		return r, err
	}
	if _, err := witness.ask(ctx, order{Do: "probe", Victim: victim.name}); err != nil {
		return r, err
	}
	if err := sleep(ctx, 2*time.Second); err != nil {
		return r, err
	}
	c.say("killing %s", victim.name)
	c.kill(victim)
	seen, err := witness.ask(ctx, order{Do: "killed"})
	if err != nil {
		return r, err
	}
	if _, err := witness.ask(ctx, order{Do: "end"}); err != nil {
		return r, err
	}
	r.Led, r.Errors, r.First = len(seen.Led), seen.Errors, seen.FirstError
	r.GapP50, r.GapMax = middleAndMax(seen.Led)
	r.OtherP50, r.OtherMax = middleAndMax(seen.Others)
	return r, nil
}

func middleAndMax(values []float64) (middle, most float64) {
	if len(values) == 0 {
		return 0, 0
	}
	slices.Sort(values)
	return values[len(values)/2], values[len(values)-1]
}

func (r failoverResult) print(w io.Writer) error {
	return printResult(w, r.JSON, r, fmt.Sprintf("failover: %d groups in %d processes, one killed", r.Groups, r.Processes), []row{
		{"groups that it led", fmt.Sprintf("%12d", r.Led)},
		{"longest gap, half of them", fmt.Sprintf("%12.3f s", r.GapP50)},
		{"longest gap, all of them", fmt.Sprintf("%12.3f s", r.GapMax)},
		{"longest gap, half of the others", fmt.Sprintf("%12.3f s", r.OtherP50)},
		{"longest gap, all others", fmt.Sprintf("%12.3f s", r.OtherMax)},
		{"errors", fmt.Sprintf("%12d %s", r.Errors, r.First)},
	})
}
