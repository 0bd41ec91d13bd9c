package fleet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/group"
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
		if rand.IntN(2) == 0 {
			i = rand.IntN(len(members))
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
func pause(ctx context.Context, tries int, err error) error {
	var nl *group.NotLeaderError
	if errors.As(err, &nl) && nl.Leader != 0 && tries < 4 {
		return ctx.Err()
	}
	d := min(5*time.Millisecond<<min(tries, 6), 200*time.Millisecond)
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patience is how long one attempt may take before another is made: the node that
// was asked may be frozen or cut off, and others may lead by now. It doubles with
// each attempt that had no answer, so that a fleet which is slow is not asked more
// and more.
const patience = 2 * time.Second

// errNoAnswer is returned by an attempt that ran out of patience.
var errNoAnswer = errors.New("the node did not answer in time")

// silence is what a call remembers of the last node that did not answer it.
type silence struct {
	asked cache.Route
	again time.Time // when that node may be asked again
	times int
}

// until is when the next attempt ends.
func (s *silence) until(deadline time.Time) time.Time {
	if t := time.Now().Add(patience << min(s.times, 4)); t.Before(deadline) {
		return t
	}
	return deadline
}

// note takes in how an attempt ended.
func (s *silence) note(asked cache.Route, err error) {
	if errors.Is(err, errNoAnswer) {
		s.asked, s.again = asked, time.Now().Add(patience)
		s.times++
	}
}

// of tells whether a route leads to the silent node, in a leadership that is not
// newer than the one in which it was silent.
func (s *silence) of(route cache.Route) bool {
	return s != nil && s.times > 0 && route.Leader == s.asked.Leader &&
		(s.asked.Term == 0 || route.Term <= s.asked.Term) && time.Now().Before(s.again)
}

// others are the members to ask instead; all of them when there is nobody else.
func (s *silence) others(members []ident.NodeID) []ident.NodeID {
	if s == nil || s.times == 0 || !time.Now().Before(s.again) {
		return members
	}
	var others []ident.NodeID
	for _, m := range members {
		if m != s.asked.Leader {
			others = append(others, m)
		}
	}
	if len(others) == 0 {
		return members
	}
	return others
}

// deadline is when a call without one gives up.
func (n *Node) deadline(ctx context.Context) time.Time {
	d := time.Now().Add(n.cfg.CallTimeout)
	if own, ok := ctx.Deadline(); ok {
		return own
	}
	return d
}

// Command replicates a command in the group of that name and returns what its
// machine answered. Any node takes it. It is tried again, always under the same
// command id, until ctx ends or, where ctx has no deadline, Config.CallTimeout is
// over; so it is applied at most once. Errors are of type *group.CallError, or
// *group.MachineError when the machine itself answered with one.
func (n *Node) Command(ctx context.Context, name string, command []byte, opts ...group.CallOption) ([]byte, error) {
	var o group.CallOptions
	if len(opts) > 0 {
		o = group.ResolveOptions(opts)
	}
	return n.router.command(ctx, name, command, o.CommandID)
}

func (r *router) command(ctx context.Context, name string, body []byte, repeat group.CommandID) ([]byte, error) {
	call := commandCall{router: r, name: name, deadline: r.node.deadline(ctx)}
	call.command.Body = body
	result, err := call.run(ctx, repeat)
	if err == nil {
		return result, nil
	}
	var answered *group.MachineError
	if errors.As(err, &answered) {
		return nil, err
	}
	return nil, &group.CallError{
		Op: "command", Group: name, Attempts: call.tries, Outcome: call.outcome(err), CommandID: call.report(), Err: err,
	}
}

// commandCall is one command on its way.
type commandCall struct {
	router   *router
	name     string
	deadline time.Time
	command  group.Proposal
	group    ident.GroupID // of the session in command.ID
	session  *group.SessionClient
	tries    int
	silent   silence
	maybe    bool // some attempt may have been proposed
	given    bool // the id was given by the application
}

func (c *commandCall) outcome(err error) group.Outcome {
	if c.maybe {
		return group.Unknown
	}
	switch group.OutcomeOf(err) {
	case group.Final:
		return group.Final
	}
	if errors.Is(err, ErrSessionExpired) && c.given {
		return group.Unknown
	}
	return group.NotProposed
}

// report returns the id with which the command can be repeated, if that makes sense.
func (c *commandCall) report() group.CommandID {
	if c.maybe {
		return c.command.ID
	}
	return group.CommandID{}
}

func (c *commandCall) run(ctx context.Context, repeat group.CommandID) ([]byte, error) {
	var last error
	for {
		route, err := c.router.locateBut(ctx, c.name, &c.silent)
		if err == nil {
			fresh := c.session == nil
			if err = c.prepare(ctx, route, repeat); err == nil {
				if fresh && c.silent.of(route) {
					continue // found out while the session was registered
				}
				c.tries++
				a := c.router.sendCommand(ctx, route, &c.command, c.silent.until(c.deadline))
				c.silent.note(route, a.err)
				if a.err == nil {
					c.finish()
					return group.DecodeResult(a.result)
				}
				err = a.err
				// An expired session says that this attempt applied nothing.
				c.maybe = c.maybe || a.sent && !errors.Is(err, group.ErrSessionExpired)
				c.router.learn(c.name, route, err)
			}
		}
		if !c.retriable(err) {
			if c.maybe && !errors.Is(err, group.ErrSessionExpired) {
				c.retain()
			} else {
				c.finish()
			}
			return nil, err
		}
		last = err
		if time.Now().After(c.deadline) {
			err = context.DeadlineExceeded
		} else {
			err = pause(ctx, c.tries, err)
		}
		if err != nil {
			c.retain()
			return nil, fmt.Errorf("%w; last: %w", err, noLeaderIfUnknown(last))
		}
	}
}

// noLeaderIfUnknown says it plainly when the reason was that nobody led.
func noLeaderIfUnknown(err error) error {
	var nl *group.NotLeaderError
	if errors.As(err, &nl) && nl.Leader == 0 {
		return fmt.Errorf("group %q: %w", nl.Group, ErrNoLeader)
	}
	return err
}

// prepare gives the command its id, once, in the group that the name stands for.
func (c *commandCall) prepare(ctx context.Context, route cache.Route, repeat group.CommandID) error {
	if c.session != nil {
		if c.group != route.Group {
			if c.maybe {
				return fmt.Errorf("group %q was removed and added again while the command was on its way: %w", c.name, ErrNoGroup)
			}
			c.finish()
			c.session = nil
		} else {
			if !c.given {
				c.command.AcknowledgeBelow = c.session.Mark(c.command.ID)
			}
			return nil
		}
	}
	s := c.router.session(route.Group)
	if !repeat.IsZero() {
		// The outcome of an earlier attempt is unknown: as far as we know it was proposed.
		c.given, c.maybe = true, true
		c.session, c.group, c.command.ID = s, route.Group, repeat
		c.command.AcknowledgeBelow, _ = s.Resume(repeat)
		return nil
	}
	id, below, err := s.Begin()
	if errors.Is(err, group.ErrNoSession) {
		if err := c.establish(ctx, s, route.Group); err != nil {
			return err
		}
		id, below, err = s.Begin()
	}
	if err != nil {
		return err
	}
	c.session, c.group, c.command.ID, c.command.AcknowledgeBelow = s, route.Group, id, below
	return nil
}

// establish registers a session; callers that come meanwhile wait for it.
func (c *commandCall) establish(ctx context.Context, s *group.SessionClient, g ident.GroupID) error {
	return s.Establish(ctx, func(ctx context.Context) (uint64, error) {
		for {
			route, err := c.router.locateBut(ctx, c.name, &c.silent)
			if err == nil && route.Group != g {
				return 0, fmt.Errorf("group %q was removed and added again: %w", c.name, ErrNoGroup)
			}
			if err == nil {
				c.tries++
				var id uint64
				if id, err = c.router.register(ctx, route, c.silent.until(c.deadline)); err == nil {
					return id, nil
				}
				c.silent.note(route, err)
				c.router.learn(c.name, route, err)
			}
			// A registration that was lost leaves a session that nobody uses and that
			// expires; it applied no command.
			if !c.retriable(err) {
				return 0, err
			}
			if time.Now().After(c.deadline) {
				return 0, fmt.Errorf("%w; last: %w", context.DeadlineExceeded, noLeaderIfUnknown(err))
			}
			if e := pause(ctx, c.tries, err); e != nil {
				return 0, fmt.Errorf("%w; last: %w", e, noLeaderIfUnknown(err))
			}
		}
	})
}

func (c *commandCall) finish() {
	if c.session != nil {
		c.session.Done(c.command.ID)
	}
}

// retain keeps the id repeatable when the outcome is unknown.
func (c *commandCall) retain() {
	if c.session == nil {
		return
	}
	if c.maybe {
		c.session.Retain(c.command.ID)
	} else {
		c.session.Done(c.command.ID)
	}
}

// retriable decides whether another attempt can help.
func (c *commandCall) retriable(err error) bool {
	if errors.Is(err, group.ErrSessionExpired) {
		if c.given || c.maybe {
			return false // never again under another id: it may have been applied
		}
		c.session.Reset(c.command.ID.Session)
		c.session = nil
		return true
	}
	return retriable(err)
}

func retriable(err error) bool {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrClosed):
		return false
	case errors.Is(err, group.ErrNotLeader), errors.Is(err, group.ErrTransferring), errors.Is(err, group.ErrLeadershipLost),
		errors.Is(err, group.ErrNoMember), errors.Is(err, group.ErrStopped), errors.Is(err, group.ErrMemberFailed),
		errors.Is(err, group.ErrOverloaded), errors.Is(err, group.ErrNoSession), errors.Is(err, group.ErrRemoved), errors.Is(err, errNobodyToAsk),
		errors.Is(err, wire.ErrNotSent), errors.Is(err, wire.ErrLost), errors.Is(err, errNoAnswer):
		return true
	}
	return false
}

// sendCommand tries a command at one node.
func (r *router) sendCommand(ctx context.Context, route cache.Route, c *group.Proposal, deadline time.Time) attempt {
	n := r.node
	if route.Leader == n.id {
		w := takeWaiter()
		n.host.Propose(route.Group, *c, w.done)
		if !w.wait(ctx) {
			return attempt{err: ctx.Err(), sent: true}
		}
		a := attempt{result: w.result, err: w.err}
		w.put()
		a.sent = a.err != nil && group.OutcomeOf(a.err) == group.Unknown
		return a
	}
	size := commandHead + len(c.Body)
	return r.ask(ctx, route, appendCommand(make([]byte, 0, size), route.Group, c), deadline)
}

// ask sends a request to the node of a route and waits for its answer.
func (r *router) ask(ctx context.Context, route cache.Route, request []byte, deadline time.Time) attempt {
	w := takeWaiter()
	r.node.wire.CallAsync(route.Leader, request, deadline, w.done)
	if !w.wait(ctx) {
		return attempt{err: ctx.Err(), sent: true}
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

func (r *router) register(ctx context.Context, route cache.Route, deadline time.Time) (uint64, error) {
	if route.Leader == r.node.id {
		got := make(chan uint64, 1)
		failed := make(chan error, 1)
		r.node.host.Register(route.Group, func(id uint64, err error) {
			if err != nil {
				failed <- err
				return
			}
			got <- id
		})
		select {
		case id := <-got:
			return id, nil
		case err := <-failed:
			return 0, err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	a := r.ask(ctx, route, appendGroup(nil, opRegister, route.Group, nil), deadline)
	if a.err != nil {
		return 0, a.err
	}
	if len(a.result) != 8 {
		return 0, errMalformedRequest
	}
	return leUint64(a.result), nil
}

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
	var silent silence
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
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w; last: %w", context.DeadlineExceeded, noLeaderIfUnknown(err))
		}
		if e := pause(ctx, *tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, noLeaderIfUnknown(err))
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
	if err := n.host.AwaitApplied(ctx, route.Group, index); err != nil {
		return nil, err
	}
	return n.host.QueryLocal(route.Group, query)
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
		if applied, _, err := n.host.Applied(g); err == nil && applied >= f.index && time.Since(f.asked) <= most {
			return n.host.QueryLocal(g, query)
		}
	}
	asked := time.Now()
	index, err := n.readIndex(ctx, route, deadline)
	if err != nil {
		return nil, err
	}
	if err := n.host.AwaitApplied(ctx, g, index); err != nil {
		return nil, err
	}
	n.router.fresh.Store(g, freshness{index, asked})
	return n.host.QueryLocal(g, query)
}

// waiter is where a call waits for its one answer; pooled, with its method value
// bound once, because there is one for each command.
type waiter struct {
	ready  chan struct{}
	result []byte
	err    error
	done   func([]byte, error)
}

var waiters = sync.Pool{New: func() any {
	w := &waiter{ready: make(chan struct{}, 1)}
	w.done = func(result []byte, err error) {
		w.result, w.err = result, err
		w.ready <- struct{}{}
	}
	return w
}}

func takeWaiter() *waiter { return waiters.Get().(*waiter) }

// wait returns false when ctx ended first; the waiter then belongs to whoever
// still answers, and is not used again.
func (w *waiter) wait(ctx context.Context) bool {
	if ctx.Done() == nil {
		<-w.ready
		return true
	}
	select {
	case <-w.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *waiter) put() {
	w.result, w.err = nil, nil
	waiters.Put(w)
}
