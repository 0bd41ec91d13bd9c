package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/internal/exec"
)

// atLeader tries an act at the leader of a group, wherever that is by now, until it
// is done, cannot be done, or ctx ends. The act may be done twice: it must be one
// that does no harm then.
func (n *Node) atLeader(ctx context.Context, name string, act func(ctx context.Context, route cache.Route) error) error {
	silent := silence{exec: n.exec}
	deadline := n.deadline(ctx)
	for tries := 0; ; tries++ {
		route, err := n.router.locateBut(ctx, name, &silent)
		if err == nil {
			one, cancel := exec.WithDeadline(ctx, n.exec, silent.until(deadline))
			err = act(one, route)
			cancel()
			if err == nil {
				return nil
			}
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				err = fmt.Errorf("node %s: %w", route.Leader, errNoAnswer)
			}
			silent.note(route, err)
			n.router.learn(name, route, err)
		}
		if !retriable(err) {
			return err
		}
		if e := n.pause(ctx, tries, err); e != nil {
			return fmt.Errorf("%w; last: %w", e, noLeaderIfUnknown(name, err))
		}
	}
}
