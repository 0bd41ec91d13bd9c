package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// startResult is what start prints.
type startResult struct {
	Name string `json:"name"`
	options
	Crash     bool    `json:"crash"`
	AddedPerS float64 `json:"added_per_s"`
	CloseS    float64 `json:"close_s,omitempty"` // until the node had closed, where it was not killed
	ActiveS   float64 `json:"active_s"`          // from the start of the process until its node was active
	ServesS   float64 `json:"serves_s"`          // until the last of its members had answered
	Members   int     `json:"members"`           // that the node hosts
	RSS       int64   `json:"rss_mb"`            // of the restarted process
}

func newStartCommand() *cobra.Command {
	var o options
	var settle, down time.Duration
	var crash bool
	c := &cobra.Command{
		Use: "start", Short: "Measure how fast groups are added and how soon a restarted process serves", Args: cobra.NoArgs,
		Long: "Adds groups, stops the first process, starts it again on its data, and waits until each of its members\n" +
			"answers. Profiles are of the restarted process, and of the adding in files with .add behind their name.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(3); err != nil {
				return err
			}
			if settle < 0 || settle > time.Hour || down < 0 || down > time.Hour {
				return fmt.Errorf("--settle %s and --down %s: give 0 to 1h", settle, down)
			}
			ctx, cancel := o.bounded(cmd.Context(), settle+down)
			defer cancel()
			r, err := measureStart(ctx, &o, settle, down, crash, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	o.flags(c, 10_000)
	f := c.Flags()
	f.DurationVar(&settle, "settle", 8*time.Second, "time between the last group added and the stop: by default groups fall asleep")
	f.DurationVar(&down, "down", 2*time.Second, "how long the process is away")
	f.BoolVar(&crash, "crash", false, "kill the process instead of closing its node")
	return c
}

func measureStart(ctx context.Context, o *options, settle, down time.Duration, crash bool, progress io.Writer) (startResult, error) {
	r := startResult{Name: "raftfleet", options: *o, Crash: crash}
	c, err := startChildren(ctx, o, progress)
	if err != nil {
		return r, err
	}
	defer c.stop()
	if _, err := c.first().ask(ctx, order{Do: "begin", Profiles: o.Profiles.also("add")}); err != nil {
		return r, err
	}
	took, err := c.addGroups(ctx, o.Groups, o.Processes)
	if err != nil {
		return r, err
	}
	r.AddedPerS = float64(o.Groups) / took.Seconds()
	if _, err := c.first().ask(ctx, order{Do: "end"}); err != nil {
		return r, err
	}
	if err := sleep(ctx, settle); err != nil {
		return r, err
	}
	p := c.first()
	hosted, err := p.ask(ctx, order{Do: "hosted"})
	if err != nil {
		return r, err
	}
	if !crash {
		began := time.Now()
		if _, err := p.ask(ctx, order{Do: "close"}); err != nil {
			return r, err
		}
		r.CloseS = time.Since(began).Seconds()
		c.say("%s closed in %.2f s", p.name, r.CloseS)
	}
	c.kill(p)
	if err := sleep(ctx, down); err != nil {
		return r, err
	}
	began := time.Now()
	p, err = c.launch(ctx, p.name, p.dir, c.addresses())
	if err != nil {
		return r, err
	}
	r.ActiveS = time.Since(began).Seconds()
	c.say("%s is active after %.2f s", p.name, r.ActiveS)
	if _, err := p.ask(ctx, order{Do: "begin", Profiles: o.Profiles}); err != nil {
		return r, err
	}
	served, err := p.ask(ctx, order{Do: "serve", Groups: hosted.Groups})
	if err != nil {
		return r, err
	}
	r.ServesS, r.Members = time.Since(began).Seconds(), served.Groups
	last, err := p.ask(ctx, order{Do: "end"})
	r.RSS = last.Usage.RSS >> 20
	return r, err
}

func (r startResult) print(w io.Writer) error {
	how := "closed and started again"
	if r.Crash {
		how = "killed and started again"
	}
	return printResult(w, r.JSON, r, fmt.Sprintf("start: %d groups in %d processes, one %s", r.Groups, r.Processes, how), []row{
		{"groups added a second", fmt.Sprintf("%12.0f", r.AddedPerS)},
		{"closed after", fmt.Sprintf("%12.2f s", r.CloseS)},
		{"active after", fmt.Sprintf("%12.2f s", r.ActiveS)},
		{"all of its members serve after", fmt.Sprintf("%12.2f s", r.ServesS)},
		{"members", fmt.Sprintf("%12d", r.Members)},
		{"memory of the process", fmt.Sprintf("%12d MB", r.RSS)},
	})
}
