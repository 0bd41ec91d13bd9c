package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

const (
	// balancedLooks is how many looks in a row must find the fleet balanced: what was
	// just changed is decided about a moment later.
	balancedLooks = 2
	// helplessLooks is how many in a row must find that it will not be: paused, or
	// nothing left that would help.
	helplessLooks = 10
	// mutePatience is how many looks in a row may fail: leaders move.
	mutePatience = 10
)

// awaitBalance returns once the fleet is balanced.
func (a *app) awaitBalance(ctx context.Context, limit time.Duration) (view.Balance, error) {
	var over <-chan time.Time
	if limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		over = t.C
	}
	next := time.NewTicker(a.poll)
	defer next.Stop()
	defer a.progress("")
	most, balanced, helpless, mute := 0, 0, 0, 0
	last := "nothing was heard of it"
	for {
		b, err := a.balance(ctx)
		if err != nil {
			mute++
			if k := admin.KindOf(err); mute > mutePatience || (k != admin.KindUnavailable && k != admin.KindUnreachable && k != admin.KindOverloaded) {
				return b, err
			}
			last = err.Error()
		} else {
			mute, last = 0, b.Why
			balanced = counted(balanced, b.State == view.BalanceDone)
			helpless = counted(helpless, b.State == view.BalancePaused || b.State == view.BalanceStuck)
			most = max(most, b.Left)
			a.progress(balanceLine(&b, most))
		}
		switch {
		case balanced >= balancedLooks:
			return b, nil
		case helpless >= helplessLooks:
			remedy := "see fleetctl balance status"
			if b.Pause != nil {
				remedy = "when the cause is gone: fleetctl balance resume"
			} else if len(b.Problems) > 0 && b.Problems[0].Remedy != "" {
				remedy = b.Problems[0].Remedy
			}
			return b, &failure{"the fleet will not be balanced as things are: " + b.Why, remedy, exitUnhealthy}
		}
		select {
		case <-next.C:
		case <-over:
			return b, &failure{fmt.Sprintf("the fleet is not balanced after %s: %s", limit, last), "see fleetctl balance status, which says what it waits for", exitUnhealthy}
		case <-ctx.Done():
			return b, ctx.Err()
		}
	}
}

// counted counts looks in a row.
func counted(n int, is bool) int {
	if is {
		return n + 1
	}
	return 0
}

// balanceLine is how far balancing is, most being what was left at most.
func balanceLine(b *view.Balance, most int) string {
	if b.State != view.BalanceMoving || b.Moving == 0 {
		return b.State + ": " + b.Why
	}
	const width = 20
	filled := 0
	if most > 0 {
		filled = width * (most - b.Left) / most
	}
	line := fmt.Sprintf("[%s%s] %d of %d groups moved, %d on the move", strings.Repeat("#", filled), strings.Repeat("-", width-filled), most-b.Left, most, b.Moving)
	if b.PerMinute > 0 {
		line += fmt.Sprintf(", %.1f a minute", b.PerMinute)
	}
	if b.ETA > 0 {
		line += ", about " + span(b.ETA) + " to go"
	}
	return line
}
