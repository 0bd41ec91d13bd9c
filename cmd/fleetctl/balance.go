package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
)

func newBalance(a *app) *cobra.Command {
	return parent("balance", "Where members and leaders should be, and what moves",
		newBalanceStatus(a), newBalancePlan(a), newBalanceMoves(a), newBalanceSkew(a), newBalanceExplain(a), newBalanceWhatIf(a),
		newBalancePause(a), newBalanceResume(a), newBalanceLimits(a))
}

// cutting are the flags of commands whose lists may be long. On a terminal a list is
// cut unless it is asked for; what goes elsewhere is whole, so that no script misses
// a line that it did not know of.
type cutting struct {
	limit int
	all   bool
	usual int
}

func (c *cutting) flags(cmd *cobra.Command, usual int) {
	c.usual = usual
	cmd.Flags().IntVar(&c.limit, "limit", 0, fmt.Sprintf("at most so many lines of a list (default: %d on a terminal, elsewhere all)", usual))
	cmd.Flags().BoolVar(&c.all, "all", false, "all lines")
}

func (c *cutting) check() error {
	switch {
	case c.limit < 0:
		return usagef("use 1 or more, or --all", "--limit is %d", c.limit)
	case c.limit > 0 && c.all:
		return usagef("choose one", "--limit and --all exclude each other")
	}
	return nil
}

// most is how many lines to show, 0 for all.
func (c *cutting) most(a *app) int {
	switch {
	case c.all:
		return 0
	case c.limit > 0:
		return c.limit
	case a.outTerminal && !a.json():
		return c.usual
	}
	return 0
}

// wanted is how many to ask the node for, 0 for all: to say how many more there are,
// all of them must be known.
func (c *cutting) wanted(a *app) int {
	if a.outTerminal && !a.json() {
		return 0
	}
	return c.most(a)
}

// printCut prints at most so many lines, 0 for all, and how many more there are of
// the total.
func (a *app) printCut(g *grid, most, total int) error {
	if most > 0 && len(g.rows) > most {
		g.rows = g.rows[:most]
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	return a.printMore(total-len(g.rows), most)
}

// printMore says to people how many there are beside those that are shown, which are at
// most so many, 0 for all.
func (a *app) printMore(more, most int) error {
	if more <= 0 || !a.outTerminal {
		return nil
	}
	text := fmt.Sprintf("… and %d more", more)
	if most > 0 {
		text += ": --all shows them"
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// headline is the line that tells how things stand, before any table: a state and a
// sentence.
func (a *app) headline(state, sentence string) error {
	between := "\t"
	if a.outTerminal {
		between = ": "
		if state != "" {
			state = a.paint(state)
		}
	}
	_, err := fmt.Fprintf(a.out, "%s%s%s\n", state, between, oneLine(sentence))
	return err
}

// span is a time to people: two units are enough.
func span(seconds float64) string {
	if seconds <= 0 || math.IsNaN(seconds) {
		return "0s"
	}
	const most = 1e9 // 30 years; beyond, a number means nothing
	d := time.Duration(min(seconds, most) * float64(time.Second)).Round(time.Second)
	if d == 0 {
		return "<1s"
	}
	units := []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	var b strings.Builder
	for i, u := range units {
		if d < u.of {
			continue
		}
		fmt.Fprintf(&b, "%d%s", d/u.of, u.name)
		if i+1 < len(units) {
			if n := d % u.of / units[i+1].of; n > 0 {
				fmt.Fprintf(&b, "%d%s", n, units[i+1].name)
			}
		}
		break
	}
	return b.String()
}

// ratio is how many times its share something has.
func ratio(r float64) string {
	if r == 0 {
		return ""
	}
	return strconv.FormatFloat(r, 'f', 2, 64)
}

func shareOf(s float64) string {
	if s == math.Trunc(s) {
		return strconv.FormatFloat(s, 'f', 0, 64)
	}
	return strconv.FormatFloat(s, 'f', 1, 64)
}

// tolerance is how far off its share something may be, in percent, before that is
// worth a word: as far as the planner lets it.
type tolerance float64

const (
	usualTolerance tolerance = 5
	// What the planner lets be off in any case.
	leastMembers = 2
	leastLeaders = 5
)

// toleranceIn finds the tolerance among the limits.
func toleranceIn(limits []view.BalanceLimit) tolerance {
	for _, l := range limits {
		if p, err := strconv.ParseFloat(l.Value, 64); err == nil && l.Name == "epsilon_percent" && p > 0 {
			return tolerance(p)
		}
	}
	return usualTolerance
}

// tolerance asks for it; where nobody tells, it is the usual one.
func (a *app) tolerance(ctx context.Context) tolerance {
	limits, err := a.limits(ctx)
	if err != nil {
		return usualTolerance
	}
	return toleranceIn(limits)
}

// off tells whether a number is further from its share than the planner lets it be.
func (t tolerance) off(have int, share float64, least float64) bool {
	if share <= 0 {
		return false
	}
	const grain = 0.05 // shares are rounded on their way here
	slack := max(least, share*float64(t)/100)
	return float64(have) > max(share+slack, math.Ceil(share))+grain ||
		float64(have) < min(share-min(slack, share/2), math.Floor(share))-grain
}

// membersAndLeaders counts both.
func membersAndLeaders(members, leaders int) string {
	return plural(members, "member") + " and " + plural(leaders, "leader")
}

// nodesOf is a list of nodes in a cell.
func nodesOf(names []string) string { return strings.Join(names, " ") }

// pausedBy tells of a pause: by whom, since when, and why.
func pausedBy(p *view.BalancePause) string {
	text := "paused"
	if p.By != "" {
		text += " by " + p.By
	}
	if !p.Since.IsZero() {
		text += " since " + moment(p.Since)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}
