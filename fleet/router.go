package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// catalogueName is the name under which the catalogue is routed to; no group takes it.
const catalogueName = "catalogue"

// router brings commands and queries to the leaders of groups, and keeps one
// session for each group that this node calls.
type router struct {
	node     *Node
	table    *cache.Table
	sessions sync.Map // ident.GroupID → *group.SessionClient
	fresh    sync.Map // ident.GroupID → freshness
}

// session returns the node's half of its session with a group.
func (r *router) session(g ident.GroupID) *group.SessionClient {
	if s, ok := r.sessions.Load(g); ok {
		return s.(*group.SessionClient)
	}
	s, _ := r.sessions.LoadOrStore(g, new(group.SessionClient))
	return s.(*group.SessionClient)
}

// forget drops what the router knows of a group that was removed.
func (r *router) forget(name string, g ident.GroupID) {
	if route, ok := r.table.Get(name); ok && route.Group == g {
		r.table.Drop(name, route)
	}
	r.sessions.Delete(g)
	r.fresh.Delete(g)
}

// locate finds the group of a name and whom to ask first. It asks the table, this
// node's own catalogue, and last, on a node without one, another node.
func (r *router) locate(ctx context.Context, name string) (cache.Route, error) {
	return r.locateBut(ctx, name, nil)
}

// locateBut is locate for a caller whom one node did not answer: it is not asked
// again for a while, unless it has won another election since.
func (r *router) locateBut(ctx context.Context, name string, silent *silence) (cache.Route, error) {
	select {
	case <-r.node.ctx.Done():
		return cache.Route{}, r.node.Err()
	default:
	}
	if route, ok := r.table.Get(name); ok {
		if route.Leader != 0 && !silent.of(route) {
			return route, nil
		}
	}
	reply, err := r.node.locate(ctx, name)
	if err != nil {
		return cache.Route{}, err
	}
	route := cache.Route{Group: reply.Group, Leader: reply.Leader, Term: reply.Term}
	if silent.of(route) {
		route.Leader, route.Term = 0, 0
	}
	if route.Leader != 0 && route.Term != 0 {
		r.table.Put(name, route)
	}
	if route.Leader == 0 && len(reply.Members) > 0 {
		members := silent.others(reply.Members)
		// Nobody knows who leads: ask the members in turn, the preferred one first half of the time.
		i := 0
		if r.node.rand(2) == 0 {
			i = r.node.rand(len(members))
		}
		route.Leader = members[i]
	}
	return route, nil
}

// attempt is one try at one node. sent is false when it is certain that nothing
// reached a log.
type attempt struct {
	result []byte
	err    error
	sent   bool
}

// learn takes from an answer what it says about who leads.
func (r *router) learn(name string, asked cache.Route, err error) {
	var nl *group.NotLeaderError
	switch {
	case errors.As(err, &nl):
		r.table.Drop(name, asked)
		if nl.Leader != 0 {
			r.table.Put(name, cache.Route{Group: asked.Group, Leader: nl.Leader, Term: nl.Term})
		}
	case errors.Is(err, errNoAnswer), errors.Is(err, group.ErrNoMember), errors.Is(err, group.ErrStopped), errors.Is(err, group.ErrMemberFailed),
		errors.Is(err, wire.ErrNotSent), errors.Is(err, wire.ErrLost), errors.Is(err, group.ErrLeadershipLost),
		errors.Is(err, group.ErrRemoved):
		r.table.Drop(name, asked)
	}
}

// pause waits before another attempt: hardly at all when the answer said where to
// go, longer the longer nobody leads.
func (n *Node) pause(ctx context.Context, tries int, err error) error {
	var nl *group.NotLeaderError
	if errors.As(err, &nl) && nl.Leader != 0 && tries < 4 {
		return ctx.Err()
	}
	d := min(5*time.Millisecond<<min(tries, 6), 200*time.Millisecond)
	return exec.Sleep(ctx, n.exec, d/2+time.Duration(n.rand(int(d))))
}

// ask sends a request to the node of a route and waits for its answer.
func (r *router) ask(ctx context.Context, route cache.Route, request []byte, deadline time.Time) attempt {
	w := takeWaiter()
	r.node.wire.CallAsync(route.Leader, request, deadline, w.done)
	if err := w.wait(ctx, r.node.exec, deadline.Add(time.Second)); err != nil {
		return attempt{err: unanswered(ctx, route.Leader, err), sent: true} // the wire ends calls at their deadline: this is its second line
	}
	body, err := w.result, w.err
	w.put()
	if err != nil {
		sent := !errors.Is(err, wire.ErrNotSent)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("node %s: %w", route.Leader, errNoAnswer)
		}
		return attempt{err: err, sent: sent}
	}
	result, err := readAnswer(route.Leader, "", body)
	return attempt{result: result, err: err, sent: err != nil && group.OutcomeOf(err) == group.Unknown}
}
