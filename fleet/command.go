package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// deadline is when a call without one gives up.
func (n *Node) deadline(ctx context.Context) time.Time {
	d := n.exec.Now().Add(n.cfg.CallTimeout)
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
	call := commandCall{router: r, name: name, deadline: r.node.deadline(ctx), silent: silence{exec: r.node.exec}}
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
		if c.router.node.exec.Now().After(c.deadline) {
			err = context.DeadlineExceeded
		} else {
			err = c.router.node.pause(ctx, c.tries, err)
		}
		if err != nil {
			c.retain()
			return nil, fmt.Errorf("%w; last: %w", err, noLeaderIfUnknown(c.name, last))
		}
	}
}

// noLeaderIfUnknown says it plainly when the reason was that nobody led.
func noLeaderIfUnknown(name string, err error) error {
	var nl *group.NotLeaderError
	if errors.As(err, &nl) && nl.Leader == 0 {
		return fmt.Errorf("group %q: %w", name, ErrNoLeader)
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
	return s.Establish(ctx, c.router.node.exec, func(ctx context.Context) (uint64, error) {
		for {
			route, err := c.router.locateBut(ctx, c.name, &c.silent)
			if err == nil && route.Group != g {
				// Nothing was proposed yet: the call goes to the group that has the name now.
				return 0, fmt.Errorf("group %q: the route led to what had the name before: %w", c.name, group.ErrNoMember)
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
			if c.router.node.exec.Now().After(c.deadline) {
				return 0, fmt.Errorf("%w; last: %w", context.DeadlineExceeded, noLeaderIfUnknown(c.name, err))
			}
			if e := c.router.node.pause(ctx, c.tries, err); e != nil {
				return 0, fmt.Errorf("%w; last: %w", e, noLeaderIfUnknown(c.name, err))
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
		if err := w.wait(ctx, n.exec, deadline); err != nil {
			return attempt{err: unanswered(ctx, n.id, err), sent: true}
		}
		a := attempt{result: w.result, err: w.err}
		w.put()
		a.sent = a.err != nil && group.OutcomeOf(a.err) == group.Unknown
		return a
	}
	size := commandHead + len(c.Body)
	return r.ask(ctx, route, appendCommand(make([]byte, 0, size), route.Group, c), deadline)
}

func (r *router) register(ctx context.Context, route cache.Route, deadline time.Time) (uint64, error) {
	if route.Leader == r.node.id {
		w := takeWaiter()
		var session uint64
		r.node.host.Register(route.Group, func(id uint64, err error) {
			session = id
			w.done(nil, err)
		})
		if err := w.wait(ctx, r.node.exec, deadline); err != nil {
			return 0, unanswered(ctx, r.node.id, err)
		}
		err := w.err
		w.put()
		return session, err
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
