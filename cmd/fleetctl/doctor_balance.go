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

// examineBalance adds what there is to say of balancing, and takes off the problems
// what is said so. A node of a version that does not tell is not blamed for that.
func (a *app) examineBalance(ctx context.Context, d *diagnosis, s *view.Status) {
	failed := func(name string, err error) {
		if err != nil && s.Catalogue.Leader != "" { // without one nobody can tell, and that is said already
			d.add(name, false, "", err)
		}
	}
	b, err := a.balance(ctx)
	if err != nil {
		if admin.KindOf(err) != admin.KindNotFound {
			failed("balance", err)
		}
		return
	}
	d.Checks = append(d.Checks, examineState(&b, s))
	limits, err := a.limits(ctx)
	failed("limits", err)
	if moves, err := fetch(ctx, a, func(ctx context.Context, c *admin.Client) ([]view.Move, error) { return c.Moves(ctx, 0) }); err == nil {
		d.Checks = append(d.Checks, examineMoves(moves, limits))
	} else {
		failed("moves", err)
	}
	if skew, err := a.skew(ctx); err == nil {
		d.Checks = append(d.Checks, examineSkew(&skew, &b, s.Problems, toleranceIn(limits)))
	} else {
		failed("skew", err)
	}
}

// examineState finds that nothing moves though something should, and takes the problem
// that says the same off those of the fleet.
func examineState(b *view.Balance, s *view.Status) check {
	state := check{Name: "balance", OK: true, Detail: b.State + ": " + b.Why}
	var told string // the kind of that problem
	switch b.State {
	case view.BalancePaused:
		state.OK, told, state.Remedy = false, "moves_paused", "when the cause is gone: fleetctl balance resume"
	case view.BalanceHeld:
		state.OK, told, state.Remedy = false, "repair_held", "bring the nodes back, or fleetctl node forget those that will not return"
	case view.BalanceUnknown:
		if s.Catalogue.Leader != "" { // without one, that is told already
			state.OK, state.Remedy = false, "see fleetctl doctor at another node; if they all say so, look at node "+b.Planner
		}
	case view.BalanceStuck:
		if !slices.ContainsFunc(s.Problems, func(p view.Problem) bool { return p.Kind == "infeasible" }) {
			state.OK, state.Remedy = false, "see fleetctl balance status"
		}
	}
	s.Problems = slices.DeleteFunc(slices.Clone(s.Problems), func(p view.Problem) bool { return told != "" && p.Kind == told })
	return state
}

// defaultPatience is how old a move may be where no limit says.
const defaultPatience = 10 * time.Minute

// examineMoves finds moves that failed before and those that are late.
func examineMoves(moves []view.Move, limits []view.BalanceLimit) check {
	patience := defaultPatience
	for _, l := range limits {
		if d, err := time.ParseDuration(l.Value); err == nil && l.Name == "stuck_after" && d > 0 {
			patience = d
		}
	}
	var words []string
	for _, m := range moves {
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
		return check{Name: "moves", OK: true, Detail: plural(len(moves), "group") + " on the move, none of them stuck"}
	}
	return check{Name: "moves", Detail: fmt.Sprintf("%d of %s stuck: %s", len(words), plural(len(moves), "move"), firstOf(words, 3)),
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
func examineSkew(skew *view.Skew, b *view.Balance, problems []view.Problem, t tolerance) check {
	left := *skew
	helpless := func(thing string) bool {
		return slices.ContainsFunc(problems, func(p view.Problem) bool { return p.Kind == "infeasible" && p.Thing == thing })
	}
	left.Zones = slices.DeleteFunc(slices.Clone(left.Zones), func(z view.SkewZone) bool { return helpless("zone " + z.Zone) })
	left.Nodes = slices.DeleteFunc(slices.Clone(left.Nodes), func(n view.SkewNode) bool {
		return helpless(n.Node) || helpless("zone "+n.Zone) || n.State != view.StateActive
	})
	words := uneven(&left, t)
	c := check{Name: "skew", OK: true, Detail: fmt.Sprintf("at most %.2f times its share of members on a node, and %.2f of leaders", skew.MemberMax, skew.LeaderMax)}
	if len(words) == 0 {
		return c
	}
	c.Detail = "uneven: " + firstOf(words, 3)
	switch b.State {
	case view.BalanceMoving, view.BalanceWaiting:
		c.Detail += "; being balanced"
	default:
		c.OK, c.Remedy = false, "see fleetctl balance status for why nothing moves, and fleetctl balance skew for the rest"
	}
	return c
}
