package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// watching are the flags of commands that can show the same again and again.
type watching struct {
	on       bool
	interval time.Duration
}

func (w *watching) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.on, "watch", "w", false, "show it again and again until interrupted")
	cmd.Flags().DurationVar(&w.interval, "interval", 2*time.Second, "time between two looks of --watch")
}

// run shows once or, with --watch, until the context ends.
func (w *watching) run(ctx context.Context, a *app, show func(context.Context) error) error {
	if !w.on {
		return show(ctx)
	}
	if w.interval <= 0 {
		return usagef("use a duration such as 2s", "--interval is %s", w.interval)
	}
	next := time.NewTicker(w.interval)
	defer next.Stop()
	for first := true; ; first = false {
		switch {
		case a.outTerminal && !a.json():
			fmt.Fprint(a.out, "\x1b[H\x1b[2J")
		case !first && !a.json():
			fmt.Fprintln(a.out)
		}
		if err := show(ctx); err != nil {
			return err
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
