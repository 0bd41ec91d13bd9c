package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// byFlag is who does something, for those who look later.
func (a *app) byFlag(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", a.operator(), "who does it, for the others")
}

// operator is user@host as far as that is known.
func (a *app) operator() string {
	name := a.env("USER")
	if name == "" {
		name = a.env("LOGNAME")
	}
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	host, _ := os.Hostname() // without one, the name alone
	return strings.Trim(oneLine(name+"@"+host), "@ ")
}

func newBalancePause(a *app) *cobra.Command {
	var by, reason string
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Keep all moves from beginning until resume, repairs too",
		Long: "pause lets what is on the move come to its end and begins nothing more: no member is replaced, moved or\n" +
			"balanced, whoever else acts and whatever fails, until resume. It does not ask: it harms nothing by itself.",
		Example: `  fleetctl balance pause --reason "new switch in rack 3"`,
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.request(cmd.Context(), func(ctx context.Context, c *admin.Client) error { return c.Pause(ctx, by, reason) }); err != nil {
				return err
			}
			return a.say(map[string]any{"done": "pause", "by": by, "reason": reason},
				"moves are paused: what is on the move goes on to its end, nothing begins, and lost members are not replaced; to go on: fleetctl balance resume")
		},
	}
	a.byFlag(cmd, &by)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the others")
	return cmd
}

func newBalanceResume(a *app) *cobra.Command {
	var by string
	var yes bool
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "End a pause",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			b, err := a.balance(ctx)
			if err != nil {
				return err
			}
			if err := a.proceed(ctx, yes, false, resuming(&b)); err != nil {
				return err
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.Resume(ctx, by) }); err != nil {
				return err
			}
			was := "; no pause was known"
			if b.Pause != nil {
				was = "; they were " + pausedBy(b.Pause)
			}
			return a.say(map[string]any{"done": "resume", "by": by, "paused": b.Pause}, "moves go on%s", was)
		},
	}
	a.byFlag(cmd, &by)
	yesFlag(cmd, &yes)
	return cmd
}

// resuming says what a resumption begins.
func resuming(b *view.Balance) string {
	groups := 0
	for _, q := range b.Queue {
		groups += q.Groups
	}
	begins := "Nothing waits to begin."
	if groups > 0 {
		begins = fmt.Sprintf("%s may begin to change.", plural(groups, "group"))
	}
	switch {
	case b.State == view.BalanceUnknown:
		return "How moves stand is not known: " + b.Why + "."
	case b.Pause == nil:
		return "Moves are not paused. " + begins
	}
	return "Moves are " + pausedBy(b.Pause) + ". " + begins
}
