package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func newBalanceLimits(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limits",
		Short: "Show the limits of balancing, or change them",
		Long: "limits shows what bounds balancing in the whole fleet. What was set with set holds until reset, whichever\n" +
			"node plans; the default is what the node that plans was started with.",
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limits, err := a.limits(cmd.Context())
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(limits)
			}
			g := &grid{header: []string{"LIMIT", "VALUE", "DEFAULT", "SET", "MEANS"}}
			for _, l := range limits {
				g.add(l.Name, l.Value, l.Default, yesNo(l.Set), l.Doc)
			}
			return a.printGrid(g)
		},
	}
	cmd.AddCommand(newLimitsSet(a), newLimitsReset(a))
	return cmd
}

func (a *app) limits(ctx context.Context) ([]view.BalanceLimit, error) {
	return fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.BalanceLimit, error) { return c.Limits(ctx) })
}

func newLimitsSet(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:               "set NAME=VALUE...",
		Short:             "Change limits of balancing for the whole fleet, until they are reset",
		Example:           "  fleetctl balance limits set moves=8 rest=5m",
		Args:              someArguments("NAME=VALUE"),
		ValidArgsFunction: a.completeLimitValues,
		RunE: func(cmd *cobra.Command, args []string) error {
			values := make(map[string]string)
			for _, arg := range args {
				name, value, ok := strings.Cut(arg, "=")
				switch _, twice := values[name]; {
				case !ok || name == "" || value == "":
					return usagef("use NAME=VALUE, such as moves=8; to take a limit back: fleetctl balance limits reset NAME", "%q is no limit with a value", arg)
				case twice:
					return usagef("give it once", "the limit %s is given more than once", name)
				}
				values[name] = value
			}
			return a.changeLimits(cmd.Context(), yes, values)
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}

func newLimitsReset(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:               "reset NAME...",
		Short:             "Take limits of balancing back to their defaults",
		Args:              someArguments("NAME"),
		ValidArgsFunction: a.completeLimits,
		RunE: func(cmd *cobra.Command, args []string) error {
			values := make(map[string]string)
			for _, name := range args {
				values[name] = ""
			}
			return a.changeLimits(cmd.Context(), yes, values)
		},
	}
	yesFlag(cmd, &yes)
	return cmd
}

// changeLimits shows from what to what limits change, and changes them. An empty value
// is the default.
func (a *app) changeLimits(ctx context.Context, yes bool, values map[string]string) error {
	limits, err := a.limits(ctx)
	if err != nil {
		return err
	}
	type change struct {
		Limit string `json:"limit"`
		From  string `json:"from"`
		To    string `json:"to"`
	}
	changes, names, words := []change{}, []string{}, []string{}
	known := 0
	for _, l := range limits {
		names = append(names, l.Name)
		to, asked := values[l.Name]
		if !asked {
			continue
		}
		known++
		if to == "" {
			if !l.Set {
				continue // it has its default
			}
			to = l.Default
		} else if d, err := time.ParseDuration(to); err == nil {
			to = d.String() // as the fleet will show it
		} else if n, err := strconv.ParseInt(to, 10, 64); err == nil {
			to = strconv.FormatInt(n, 10)
			values[l.Name] = to
		}
		changes = append(changes, change{l.Name, l.Value, to})
		words = append(words, fmt.Sprintf("%s from %s to %s", l.Name, l.Value, to))
	}
	if known < len(values) {
		for name := range values {
			if !slices.Contains(names, name) {
				return usagef("use one of "+strings.Join(names, ", "), "no limit is named %q", name)
			}
		}
	}
	if len(changes) == 0 {
		return a.say(map[string]any{"done": "limits", "changes": changes}, "nothing to change: these limits have their defaults")
	}
	if err := a.proceed(ctx, yes, false, "Limits of balancing change for the whole fleet: "+strings.Join(words, ", ")+"."); err != nil {
		return err
	}
	if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.SetLimits(ctx, values) }); err != nil {
		return err
	}
	return a.say(map[string]any{"done": "limits", "changes": changes}, "changed %s", strings.Join(words, ", "))
}
