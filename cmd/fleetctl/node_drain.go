package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// drainPatience is how many looks at a drain may fail in a row: leaders move, and
// with them who can tell.
const drainPatience = 10

// blockedPatience is how many looks in a row must find that all that is left cannot
// leave before the wait ends: a node that could take it may be on its way.
const blockedPatience = 10

func newNodeDrain(a *app) *cobra.Command {
	var yes, noWait, dry bool
	var cut cutting
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Have leaders and members leave a node, and wait until they have",
		Long: "drain gives a node nothing new and has its leaders and members leave it. It waits until they have;\n" +
			"when it is interrupted or its time is over, the drain itself goes on. undrain takes it back.\n" +
			"With --dry-run it says what would move, what could not, and which groups would be in fewer zones.",
		Args:              arguments("NODE"),
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, node := cmd.Context(), args[0]
			if limit < 0 {
				return usagef("use a duration such as 10m, or 0 for none", "--wait-timeout is %s", limit)
			}
			if err := cut.check(); err != nil {
				return err
			}
			if dry {
				return a.dryDrain(ctx, node, cut.most(a))
			}
			if err := a.proceed(ctx, yes, false, fmt.Sprintf("All leaders and members will leave node %s.", node)); err != nil {
				return err
			}
			if err := a.request(ctx, func(ctx context.Context, c *admin.Client) error { return c.Drain(ctx, node) }); err != nil {
				return err
			}
			a.notePause(ctx)
			if noWait {
				return a.say(map[string]any{"done": "drain", "node": node, "waited": false}, "node %s is draining", node)
			}
			p, err := a.awaitDrain(ctx, node, limit)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(p)
			}
			return a.say(nil, "node %s is drained, %d moved", node, p.Moved)
		},
	}
	yesFlag(cmd, &yes)
	cut.flags(cmd, 10)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would move, what could not, and why")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return as soon as the drain has begun")
	cmd.Flags().DurationVar(&limit, "wait-timeout", 0, "how long to wait; after it the exit code is 5 (0 = no limit)")
	return cmd
}

// notePause warns who waits for members to move while moves are paused.
func (a *app) notePause(ctx context.Context) {
	if b, err := a.balance(ctx); err == nil && b.Pause != nil {
		fmt.Fprintln(a.errs, oneLine("note: moves are "+pausedBy(b.Pause)+"; its members stay until fleetctl balance resume"))
	}
}

// awaitDrain returns the progress of a drain that is done.
func (a *app) awaitDrain(ctx context.Context, node string, limit time.Duration) (view.DrainProgress, error) {
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	next := time.NewTicker(a.poll)
	defer next.Stop()
	failed, blocked, most := 0, 0, 0
	for {
		p, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) (view.DrainProgress, error) {
			return c.DrainProgress(ctx, node)
		})
		if err == nil { // the node that is asked may not have seen it from the beginning
			most = max(most, p.Members)
			p.Moved = max(p.Moved, most-p.Members)
		}
		switch {
		case err == nil && p.Done:
			a.progress("")
			return p, nil
		case err == nil:
			failed = 0
			a.progress(drainLine(node, &p))
			if blocked = counted(blocked, allBlocked(&p)); blocked > blockedPatience {
				a.progress("")
				return p, &failure{
					fmt.Sprintf("the drain of node %s cannot end: %s still on it; blocked: %s", node, areStill(p.Members), strings.Join(p.Blocked, "; ")),
					"end what blocks them: resume moves, bring nodes back or activate another one; or take the drain back with fleetctl node undrain " + node, exitUnhealthy,
				}
			}
		default:
			failed++
			if k := admin.KindOf(err); failed > drainPatience || (k != admin.KindUnavailable && k != admin.KindUnreachable && k != admin.KindOverloaded) {
				a.progress("")
				return p, err
			}
		}
		select {
		case <-next.C:
		case <-over:
			a.progress("")
			text := fmt.Sprintf("node %s is not drained after %s: %s are still on it; the drain goes on", node, limit, membersAndLeaders(p.Members, p.Leaders))
			if p.Votes {
				text = fmt.Sprintf("node %s is not drained after %s: %s; the drain goes on", node, limit, stillVotes)
			}
			if why := slices.Concat(p.Blocked, p.Later); len(why) > 0 {
				text += "; blocked: " + strings.Join(why, "; ")
			}
			return p, &failure{text, "see what is blocked, or take it back with fleetctl node undrain " + node, exitUnhealthy}
		case <-ctx.Done():
			a.progress("")
			return p, ctx.Err()
		}
	}
}

// allBlocked tells whether nothing that is left on a node can leave it.
func allBlocked(p *view.DrainProgress) bool {
	if p.Stuck == 0 { // a node of a version that does not count them names the first 20
		return len(p.Blocked) > 0 && len(p.Blocked) >= min(p.Members, 20)
	}
	return p.Stuck >= p.Members
}

func areStill(members int) string {
	if members == 1 {
		return "1 member is"
	}
	return plural(members, "member") + " are"
}

// stillVotes is what a drain waits for when all members have left.
const stillVotes = "the catalogue needs its vote until others have it"

func drainLine(node string, p *view.DrainProgress) string {
	line := fmt.Sprintf("draining %s: %s to go, %d moved", node, membersAndLeaders(p.Members, p.Leaders), p.Moved)
	switch {
	case p.Votes:
		line = fmt.Sprintf("draining %s: %d moved, %s", node, p.Moved, stillVotes)
	case len(p.Blocked) > 0:
		line += fmt.Sprintf(", %d blocked (%s)", max(p.Stuck, len(p.Blocked)), p.Blocked[0])
	case len(p.Later) > 0:
		line += ", " + p.Later[0]
	}
	return line
}

// progress shows one line that the next one replaces; an empty one takes it away.
func (a *app) progress(line string) {
	if a.errTerminal {
		fmt.Fprint(a.errs, "\r\x1b[2K"+oneLine(line))
	}
}
