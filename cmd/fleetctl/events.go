package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newEvents(a *app) *cobra.Command {
	var follow bool
	var after uint64
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened, as the asked node saw it",
		Long: "events shows what the asked node remembers. With -f it goes on with what happens, one line for each event;\n" +
			"-o json is then one object a line.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			events, err := a.events(ctx, after, false)
			if err != nil {
				return err
			}
			if !follow {
				if a.json() {
					return a.printJSON(events)
				}
				g := &grid{header: []string{"SEQ", "TIME", "KIND", "NODE", "GROUP", "DETAIL"}}
				for _, e := range events {
					g.add(e.Seq, moment(e.Time), e.Kind, e.Node, e.Group, e.Detail)
				}
				return a.printGrid(g)
			}
			for {
				for i := range events {
					if err := a.printEvent(&events[i]); err != nil {
						return err
					}
					after = max(after, events[i].Seq)
				}
				if events, err = a.events(ctx, after, true); err != nil {
					return err
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens until interrupted")
	cmd.Flags().Uint64Var(&after, "after", 0, "only what came after the event with this number")
	return cmd
}

// events asks once. A wait is ended by the node and not by --timeout, which is for
// answers that are due.
func (a *app) events(ctx context.Context, after uint64, wait bool) ([]view.Event, error) {
	if !wait {
		return fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Event, error) { return c.Events(ctx, after, false) })
	}
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	return c.Events(ctx, after, true)
}

// printEvent prints one line of a list whose end is not known.
func (a *app) printEvent(e *view.Event) error {
	if a.json() {
		b, err := json.Marshal(e)
		if err == nil {
			_, err = fmt.Fprintf(a.out, "%s\n", b)
		}
		return err
	}
	format := "%d\t%s\t%s\t%s\t%s\t%s\n"
	if a.outTerminal {
		format = "%6d  %s  %-16s %-12s %-16s %s\n"
	}
	_, err := fmt.Fprintf(a.out, format, e.Seq, moment(e.Time), oneLine(e.Kind), oneLine(e.Node), oneLine(e.Group), oneLine(e.Detail))
	return err
}
