package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// options are common to all that is measured.
type options struct {
	Processes int           `json:"processes"`
	Groups    int           `json:"groups"`
	Dir       string        `json:"-"`
	Deadline  time.Duration `json:"-"`
	JSON      bool          `json:"-"`
	Profiles  profiles      `json:"-"`
}

func (o *options) flags(c *cobra.Command, groups int) {
	f := c.Flags()
	f.IntVar(&o.Processes, "processes", 3, "processes, each in a zone of its own")
	f.IntVar(&o.Groups, "groups", groups, "groups of three members, or of one a process where there are fewer")
	f.StringVar(&o.Dir, "dir", "", "where the processes' data folders are made (default: the system's place for temporary files)")
	f.DurationVar(&o.Deadline, "deadline", 0, "give up after this time (default: two minutes more than the work should take)")
	f.BoolVar(&o.JSON, "json", false, "print one JSON object")
	o.Profiles.flags(f)
}

func (o *options) validate(leastProcesses int) error {
	switch {
	case o.Processes < leastProcesses || o.Processes > 64:
		return fmt.Errorf("--processes %d: give %d to 64", o.Processes, leastProcesses)
	case o.Groups < 1 || o.Groups > 100_000:
		return fmt.Errorf("--groups %d: give 1 to 100000", o.Groups)
	case o.Deadline < 0:
		return fmt.Errorf("--deadline %s: give a positive duration, or 0 for the default", o.Deadline)
	}
	return nil
}

// bounded ends everything at the deadline; work is how long it should take beside
// adding the groups.
func (o *options) bounded(ctx context.Context, work time.Duration) (context.Context, context.CancelFunc) {
	limit := o.Deadline
	if limit == 0 {
		limit = work + 2*time.Minute + time.Duration(o.Groups)*10*time.Millisecond
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %s, see --deadline", limit))
}

// row is a line of a result's table.
type row struct {
	name  string
	value string
}

func printResult(w io.Writer, asJSON bool, result any, title string, rows []row) error {
	if asJSON {
		return json.NewEncoder(w).Encode(result)
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", title); err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "  %-34s %s\n", r.name, r.value); err != nil {
			return err
		}
	}
	return nil
}

// sleep waits unless the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
