package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
)

const (
	drainLook  = 500 * time.Millisecond // how often a drain is looked at
	drainStall = 10 * time.Second       // how long it may get nowhere
)

// drain moves the members away from a node that is about to end, as long as that
// is of use: not longer than the timeout, not after another signal, and not when
// nobody is left to take them, as when a whole fleet is stopped at once.
func drain(node *fleet.Node, timeout time.Duration, signals <-chan os.Signal, log *slog.Logger) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("it did not end within %s", timeout))
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	if err := anyoneElse(ctx, node); err != nil {
		log.Info("members stay here", "reason", err)
		return
	}
	moved := make(chan view.DrainProgress, 1)
	done := make(chan error, 1)
	go func() {
		done <- node.Deactivate(ctx, func(p view.DrainProgress) {
			select {
			case <-moved: // nobody has looked at the one before
			default:
			}
			moved <- p
		})
	}()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	var last view.DrainProgress
	stuck := 0 // looks in a row that found every member blocked
	since := time.Now()
	for {
		select {
		case err := <-done:
			if err == nil {
				log.Info("drained: no members are left here")
			} else {
				log.Warn("the drain was given up; members that are left stay, and serve again after a restart",
					"reason", reason(ctx, err), "members", last.Members, "leaders", last.Leaders)
			}
			return
		case p := <-moved:
			if p.Members != last.Members || p.Leaders != last.Leaders {
				since = time.Now()
				log.Info("draining", "members", p.Members, "leaders", p.Leaders)
				notify(fmt.Sprintf("STATUS=draining: %d members and %d leaders are here", p.Members, p.Leaders))
			}
			last = p
		case <-look.C:
			if last.Leaders == 0 && last.Members > 0 && len(last.Blocked) >= last.Members {
				stuck++
			} else {
				stuck = 0
			}
			switch {
			case stuck >= 4:
				giveUp(fmt.Errorf("no other node can take them, as %s", last.Blocked[0]))
			case time.Since(since) > drainStall:
				giveUp(fmt.Errorf("nothing moved for %s", drainStall))
			default:
				if err := anyoneElse(ctx, node); err != nil {
					giveUp(err)
				}
			}
		case got := <-signals:
			giveUp(fmt.Errorf("signal %s came again", got))
		}
	}
}

// reason is why the context of a drain ended, or else what the drain said.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// anyoneElse returns an error when no other node could take a member.
func anyoneElse(ctx context.Context, node *fleet.Node) error {
	status, err := node.Status(ctx)
	if err != nil {
		return nil // nothing is known: go on until the time is over
	}
	for _, other := range status.Nodes {
		if other.ID != node.ID() && other.Alive && other.State == view.StateActive {
			return nil
		}
	}
	return errors.New("no other node is active")
}
