package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// balancing is what doctor looks at of balancing.
type balancing struct {
	state  view.Balance
	moves  []view.Move
	skew   view.Skew
	limits []view.BalanceLimit
}

// lookAtBalance asks for all of it. It is not known where the node is of a version that
// does not tell.
func (a *app) lookAtBalance(ctx context.Context) (b balancing, known bool, err error) {
	if b.state, err = a.balance(ctx); admin.KindOf(err) == admin.KindNotFound {
		return b, false, nil
	}
	if err == nil {
		b.moves, err = fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Move, error) { return c.Moves(ctx, 0) })
	}
	if err == nil {
		b.skew, err = a.skew(ctx)
	}
	if err == nil {
		b.limits, err = a.limits(ctx)
	}
	return b, true, err
}

// examineBalance adds what there is to say of balancing, and takes off the problems
// what is said so.
func (d *diagnosis) examineBalance(b *balancing, s *view.Status) {
	state := check{Name: "balance", OK: true, Detail: b.state.State + ": " + b.state.Why}
	var told string // the kind of the problem that says the same
	switch b.state.State {
	case view.BalancePaused:
		state.OK, told, state.Remedy = false, "moves_paused", "when the cause is gone: fleetctl balance resume"
	case view.BalanceHeld:
		state.OK, told, state.Remedy = false, "repair_held", "bring the nodes back, or fleetctl node forget those that will not return"
	case view.BalanceUnknown:
		if s.Catalogue.Leader != "" { // without one, that is told already
			state.OK, state.Remedy = false, "see fleetctl doctor at another node; if they all say so, look at node "+b.state.Planner
		}
	case view.BalanceStuck:
		if !slices.ContainsFunc(s.Problems, func(p view.Problem) bool { return p.Kind == "infeasible" }) {
			state.OK, state.Remedy = false, "see fleetctl balance status"
		}
	}
	s.Problems = slices.DeleteFunc(slices.Clone(s.Problems), func(p view.Problem) bool { return told != "" && p.Kind == told })
	d.Checks = append(d.Checks, state, examineMoves(b), examineSkew(b, s.Problems))
}

// defaultPatience is how old a move may be where no limit says.
const defaultPatience = 10 * time.Minute

// examineMoves finds moves that failed before and those that are late.
func examineMoves(b *balancing) check {
	patience := defaultPatience
	for _, l := range b.limits {
		if d, err := time.ParseDuration(l.Value); err == nil && l.Name == "stuck_after" && d > 0 {
			patience = d
		}
	}
	var words []string
	for _, m := range b.moves {
		var why []string
		if m.Failures > 0 {
			why = append(why, fmt.Sprintf("given up %s before", times(m.Failures)))
		}
		if m.Age > patience.Seconds() {
			why = append(why, "on the move for "+span(m.Age))
		}
		if len(why) == 0 {
			continue
		}
		if m.Blocked != "" {
			why = append(why, m.Blocked)
		}
		words = append(words, "group "+m.Group+" ("+strings.Join(why, "; ")+")")
	}
	if len(words) == 0 {
		return check{Name: "moves", OK: true, Detail: plural(len(b.moves), "group") + " on the move, none of them stuck"}
	}
	return check{Name: "moves", Detail: fmt.Sprintf("%d of %s stuck: %s", len(words), plural(len(b.moves), "move"), firstOf(words, 3)),
		Remedy: "see fleetctl balance moves for what each waits for; after " + patience.String() + " without progress one is given up and tried again later"}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// examineSkew finds nodes and zones that are unevenly loaded. While members move, they
// are on their way to be even; and what no move can help is a problem that is told.
func examineSkew(b *balancing, problems []view.Problem) check {
	left := b.skew
	helpless := func(thing string) bool {
		return slices.ContainsFunc(problems, func(p view.Problem) bool { return p.Kind == "infeasible" && p.Thing == thing })
	}
	left.Zones = slices.DeleteFunc(slices.Clone(left.Zones), func(z view.SkewZone) bool { return helpless("zone " + z.Zone) })
	left.Nodes = slices.DeleteFunc(slices.Clone(left.Nodes), func(n view.SkewNode) bool {
		return helpless(n.Node) || helpless("zone "+n.Zone) || n.State != view.StateActive
	})
	words := uneven(&left)
	c := check{Name: "skew", OK: true, Detail: fmt.Sprintf("at most %.2f times its share of members on a node, and %.2f of leaders", b.skew.MemberMax, b.skew.LeaderMax)}
	if len(words) == 0 {
		return c
	}
	c.Detail = "uneven: " + firstOf(words, 3)
	switch b.state.State {
	case view.BalanceMoving, view.BalanceWaiting:
		c.Detail += "; being balanced"
	default:
		c.OK, c.Remedy = false, "see fleetctl balance status for why nothing moves, and fleetctl balance skew for the rest"
	}
	return c
}
