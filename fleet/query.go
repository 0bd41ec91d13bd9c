package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/group"
)

// Query answers from the state of the group of that name. By default the answer
// is linearizable: it contains every command acknowledged before the query began.
// The options ask for less. It is tried again until ctx ends or, where ctx has no
// deadline, Config.CallTimeout is over.
func (n *Node) Query(ctx context.Context, name string, query []byte, opts ...group.CallOption) ([]byte, error) {
	var o group.CallOptions
	if len(opts) > 0 {
		o = group.ResolveOptions(opts)
	}
	tries := 0
	result, err := n.router.query(ctx, name, query, o, &tries)
	if err == nil {
		return result, nil
	}
	var answered *group.MachineError
	if errors.As(err, &answered) {
		return nil, err
	}
	outcome := group.NotProposed
	if group.OutcomeOf(err) == group.Final {
		outcome = group.Final
	}
	return nil, &group.CallError{Op: "query", Group: name, Attempts: tries, Outcome: outcome, Err: err}
}

func (r *router) query(ctx context.Context, name string, query []byte, o group.CallOptions, tries *int) ([]byte, error) {
	deadline := r.node.deadline(ctx)
	silent := silence{exec: r.node.exec}
	for {
		var result []byte
		route, err := r.locateBut(ctx, name, &silent)
		if err == nil {
			*tries++
			result, err = r.queryOnce(ctx, name, route, query, o, silent.until(deadline))
			if err == nil {
				return result, nil
			}
			silent.note(route, err)
			r.learn(name, route, err)
		}
		if !retriable(err) || o.Read == group.ReadLocal {
			return nil, err
		}
		if r.node.exec.Now().After(deadline) {
			return nil, fmt.Errorf("%w; last: %w", context.DeadlineExceeded, noLeaderIfUnknown(name, err))
		}
		if e := r.node.pause(ctx, *tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, noLeaderIfUnknown(name, err))
		}
	}
}

func (r *router) queryOnce(ctx context.Context, name string, route cache.Route, query []byte, o group.CallOptions, deadline time.Time) ([]byte, error) {
	n := r.node
	switch o.Read {
	case group.ReadLocal:
		return n.host.QueryLocal(route.Group, query)
	case group.ReadStale:
		if _, here := n.host.Info(route.Group); here {
			return n.queryStale(ctx, route, query, o.MaxStale, deadline)
		}
	case group.ReadAnyMember:
		if _, here := n.host.Info(route.Group); here && route.Leader != n.id {
			return n.queryFollower(ctx, route, query, deadline)
		}
	}
	if route.Leader == n.id {
		return n.host.Query(ctx, route.Group, query)
	}
	a := r.ask(ctx, route, appendGroup(make([]byte, 0, groupHead+len(query)), opQuery, route.Group, query), deadline)
	if a.err != nil {
		return nil, a.err
	}
	return group.DecodeResult(a.result)
}

// readIndex asks the leader how far a member must have applied to answer.
func (n *Node) readIndex(ctx context.Context, route cache.Route, deadline time.Time) (uint64, error) {
	if route.Leader == n.id {
		return n.host.ReadIndex(ctx, route.Group)
	}
	a := n.router.ask(ctx, route, appendGroup(nil, opReadIndex, route.Group, nil), deadline)
	if a.err != nil {
		return 0, a.err
	}
	if len(a.result) != 8 {
		return 0, errMalformedRequest
	}
	return leUint64(a.result), nil
}

// queryFollower asks the leader how far to read and answers from the member here.
func (n *Node) queryFollower(ctx context.Context, route cache.Route, query []byte, deadline time.Time) ([]byte, error) {
	index, err := n.readIndex(ctx, route, deadline)
	if err != nil {
		return nil, err
	}
	return n.host.QueryAt(ctx, route.Group, index, query)
}

// freshness is the newest read index that this node was given for a group, and
// when it asked: whoever has applied index knows all that was acknowledged by then.
type freshness struct {
	index uint64
	asked time.Time
}

// queryStale answers from the member here if it is known to be fresh enough, and
// asks the leader for a read index first if not.
func (n *Node) queryStale(ctx context.Context, route cache.Route, query []byte, most time.Duration, deadline time.Time) ([]byte, error) {
	g := route.Group
	if f, ok := n.router.fresh.Load(g); ok {
		f := f.(freshness)
		if applied, _, err := n.host.Applied(g); err == nil && applied >= f.index && n.exec.Now().Sub(f.asked) <= most {
			return n.host.QueryAt(ctx, g, f.index, query)
		}
	}
	asked := n.exec.Now()
	index, err := n.readIndex(ctx, route, deadline)
	if err != nil {
		return nil, err
	}
	answer, err := n.host.QueryAt(ctx, g, index, query)
	if err == nil {
		n.router.fresh.Store(g, freshness{index, asked})
	}
	return answer, err
}
