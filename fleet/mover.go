package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// The mover brings the groups that this node leads from what they have to their
// target, one safe step at a time: learners are added and catch up, one joint
// change promotes them and removes who leaves, leadership goes where it should.
// It keeps no state that matters: a new leader, or this node after a restart,
// finds the same target and the group's own configuration, and goes on.
type mover struct {
	mu      sync.Mutex
	pending map[ident.GroupID]time.Time // when to look next
	ready   []ident.GroupID             // whose time has come, until a worker takes them
	workers int                         // that run
	leading map[ident.GroupID]leading   // since when this node leads a group
	wake    chan struct{}
	silent  silentVoters
	told    map[ident.GroupID]stepTold // of the groups that this node leads

	wayGivers wayGivers
}

// silentVoters are members of the catalogue that this node, its leader in term, does not
// hear, and since when.
type silentVoters struct {
	term  uint64
	since map[consensus.MemberID]time.Time
}

// leading is one leadership of this node.
type leading struct {
	term  uint64
	since time.Time
}

const (
	// moveRetry is how soon a group whose next step must wait is looked at again.
	moveRetry = 100 * time.Millisecond
	// preferredRetry is how soon it is looked again, at the earliest, whether the preferred
	// leader can lead.
	preferredRetry = time.Second
	// moveWorkers is how many groups of this node take a step at the same time.
	moveWorkers = 8
	// caughtUpEntries is how far behind a learner may be to be promoted.
	caughtUpEntries = 250
	// leaderRest is how long a leader leads before it gives way to the preferred one:
	// its copy of the catalogue may not have heard yet that it is the preferred one.
	leaderRest = time.Second
	// stepTimeout bounds one step.
	stepTimeout = 5 * time.Second
)

func (m *mover) init() {
	m.pending = make(map[ident.GroupID]time.Time)
	m.leading = make(map[ident.GroupID]leading)
	m.wake = make(chan struct{}, 1)
}

// look puts a group on the list.
func (m *mover) look(g ident.GroupID, at time.Time) {
	m.mu.Lock()
	if old, ok := m.pending[g]; !ok || at.Before(old) {
		m.pending[g] = at
	}
	m.mu.Unlock()
	m.ring()
}

func (m *mover) ring() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// leadsSince tells since when this node leads a group in a term.
func (m *mover) leadsSince(g ident.GroupID, term uint64, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leading[g]
	if l.term != term {
		l = leading{term, now}
		m.leading[g] = l
	}
	return l.since
}

// led forgets a leadership that ended.
func (m *mover) led(g ident.GroupID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.leading, g)
	delete(m.told, g)
	m.wayGivers.forget(g)
}

// silence tells for how long a voter of the catalogue has not answered.
func (m *mover) silence(term uint64, voter consensus.MemberID, answers bool, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.silent.term != term || m.silent.since == nil {
		m.silent = silentVoters{term, make(map[consensus.MemberID]time.Time)}
	}
	if answers {
		delete(m.silent.since, voter)
		return 0
	}
	since, known := m.silent.since[voter]
	if !known {
		m.silent.since[voter], since = now, now
	}
	return now.Sub(since)
}

// due makes the groups ready whose time has come, unless some still are. It tells
// when the next one is due, zero if none is, and how many workers are to be started.
func (m *mover) due(now time.Time) (next time.Time, start int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ready) > 0 {
		return next, 0 // the worker that takes the last one rings
	}
	for g, at := range m.pending {
		if !at.After(now) {
			m.ready = append(m.ready, g)
			delete(m.pending, g)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	slices.Sort(m.ready)
	start = min(len(m.ready), moveWorkers-m.workers)
	m.workers += start
	return next, start
}

// take gives a worker its next group; false when there is none and the worker ends.
func (m *mover) take() (ident.GroupID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ready) == 0 {
		m.workers--
		return 0, false
	}
	g := m.ready[0]
	m.ready = m.ready[1:]
	if len(m.ready) == 0 {
		m.ring() // for those that became due meanwhile
	}
	return g, true
}

// memberChanged is told by the host, on a lane: it must not block.
func (n *Node) memberChanged(info group.Info) {
	if info.Leader != 0 && info.Failed == nil {
		n.router.table.Put(info.Name, cache.Route{Group: info.Group, Leader: info.Leader, Term: info.Term})
	}
	if info.Role == consensus.Leader {
		now := n.exec.Now()
		n.mover.leadsSince(info.Group, info.Term, now)
		n.mover.look(info.Group, now)
	} else {
		n.mover.led(info.Group)
	}
	n.leadersChanged.raise()
}

// move works off the list for as long as the node runs.
func (n *Node) move(ctx context.Context) {
	n.background(n.watchTargets)
	for {
		now := n.exec.Now()
		next, start := n.mover.due(now)
		for range start {
			n.background(n.moveReady)
		}
		var wait time.Duration
		if !next.IsZero() {
			wait = max(next.Sub(now), time.Millisecond)
		}
		if n.await(ctx, wait, n.mover.wake) != nil {
			return
		}
	}
}

// moveReady is a worker: it has groups take steps until none is ready.
func (n *Node) moveReady(ctx context.Context) {
	for {
		g, ok := n.mover.take()
		if !ok {
			return
		}
		if ctx.Err() == nil {
			n.moveOne(ctx, g)
		}
	}
}

// watchTargets puts every group on the list whose record changed and that this
// node leads.
func (n *Node) watchTargets(ctx context.Context) {
	var seen uint64
	var of *catalogue.Machine
	for {
		changed := n.catalogueWatch()
		if c := n.catalogue.Load(); c != nil {
			if c != of {
				of, seen = c, 0
			}
			n.followLimits(c)
			groups, nodes, index, complete := c.Changes(seen)
			if !complete {
				groups = nil
				for _, info := range n.host.Infos() {
					groups = append(groups, info.Group)
				}
			}
			seen = index
			now := n.exec.Now()
			for _, g := range groups {
				if info, ok := n.host.Info(g); ok && info.Role == consensus.Leader {
					n.mover.look(g, now)
				}
			}
			// A node that came back may be the one that should lead.
			for _, id := range nodes {
				for _, g := range c.HostedBy(id) {
					if info, ok := n.host.Info(g.ID); ok && g.Preferred == id && info.Role == consensus.Leader {
						n.mover.look(g.ID, now)
					}
				}
			}
			if len(nodes) > 0 || !complete {
				n.mover.look(ident.Catalogue, now)
			}
		}
		if n.await(ctx, 0, changed) != nil {
			return
		}
	}
}

// moveOne takes the next step of one group, if there is one to take.
func (n *Node) moveOne(ctx context.Context, id ident.GroupID) {
	info, ok := n.host.Info(id)
	if !ok || info.Role != consensus.Leader {
		return
	}
	c := n.catalogue.Load()
	if c == nil {
		return
	}
	ctx, cancel := exec.WithTimeout(ctx, n.exec, stepTimeout)
	defer cancel()
	s, g, wanted, ok := n.wanted(ctx, c, id)
	if !ok {
		return
	}
	step := nextStep(s, wanted, n.id, n.mayLead, n.hears)
	if step.mustBeTrue() {
		// This copy may be of the past, as after a restart, and would take members away
		// that were added since. Without a leader of the catalogue nothing is urgent.
		if err := n.catchUp(ctx); err != nil {
			n.log.Debug("a step of a move waits for the catalogue", "group", info.Name, "step", step.String(), "error", err)
			n.mover.look(id, n.exec.Now().Add(moveRetry))
			return
		}
		if c = n.catalogue.Load(); c == nil {
			return // it is being replaced
		}
		if s, g, wanted, ok = n.wanted(ctx, c, id); !ok {
			return
		}
		step = nextStep(s, wanted, n.id, n.mayLead, n.hears)
	}
	if step.kind == stepTransfer && step.optional {
		now := n.exec.Now()
		if rested := n.mover.leadsSince(id, s.Term, now).Add(leaderRest); now.Before(rested) {
			n.mover.look(id, rested)
			step = noStep
		}
	}
	if step.kind == stepNone {
		n.mover.wayGivers.forget(id)
		if g != nil {
			n.settle(ctx, g, s)
		}
		if wanted.unready {
			n.mover.look(id, n.exec.Now().Add(moveRetry))
		}
		if wanted.preferred != 0 && wanted.preferred != n.id && n.mayLead(wanted.preferred) {
			n.mover.look(id, n.exec.Now().Add(preferredRetry)) // it is there, and not caught up yet
		}
		return
	}
	gated := step.kind == stepTransfer && step.optional && id != ident.Catalogue
	if gated && !n.mayGiveWay(ctx, id) {
		return
	}
	if step.kind != stepWait {
		var epoch uint64
		if g != nil {
			epoch = g.Epoch
		}
		n.tellStep(c, id, info.Name, s.Term, epoch, step)
	}
	again := moveRetry
	if err := n.take(ctx, id, s, step); err != nil {
		n.log.Debug("a step of a move was not taken", "group", info.Name, "step", step.String(), "error", err)
		if gated {
			again = preferredRetry
		}
	}
	if gated {
		n.gaveWay(ctx, id)
	}
	n.mover.look(id, n.exec.Now().Add(again))
}

// wanted is what a group that this node leads has and what it should have, by a copy of
// the catalogue. g is nil for the catalogue itself.
func (n *Node) wanted(ctx context.Context, c *catalogue.Machine, id ident.GroupID) (s *consensus.Status, g *catalogue.Group, t target, ok bool) {
	status, err := n.host.Status(ctx, id)
	s = &status.Core
	if err != nil || s.Role != consensus.Leader {
		return nil, nil, t, false
	}
	if id == ident.Catalogue {
		return s, nil, n.catalogueTarget(c, s), true
	}
	if g, ok = c.GroupByID(id); !ok {
		return nil, nil, t, false // removed: the members stop by themselves
	}
	return s, g, targetOf(g), true
}

// take carries one step out.
func (n *Node) take(ctx context.Context, id ident.GroupID, s *consensus.Status, st step) error {
	switch st.kind {
	case stepChange:
		return n.outcome(ctx, func(done func(error)) { n.host.Change(id, st.change, s.ConfigIndex, done) })
	case stepTransfer:
		return n.outcome(ctx, func(done func(error)) { n.host.Transfer(id, st.to, done) })
	}
	return nil
}

// settle reports a group's configuration once it is its target, so that members
// who left may be deleted and the planner knows that the move is done.
func (n *Node) settle(ctx context.Context, g *catalogue.Group, s *consensus.Status) {
	if g.Settled == g.Epoch && g.ConfiguredIndex >= s.ConfigIndex {
		return
	}
	r := catalogue.Report{Group: g.ID, Index: s.ConfigIndex, Epoch: g.Epoch}
	for _, v := range s.Config.Voters {
		r.Members = append(r.Members, catalogue.Member{ID: ident.MemberID(v.ID), Node: ident.NodeID(v.Node)})
	}
	if _, err := n.propose(ctx, &r); err != nil && !errors.Is(err, ErrNoGroup) {
		n.mover.look(g.ID, n.exec.Now().Add(moveRetry))
		return
	}
	n.events.add(view.Event{Kind: "move_done", Node: n.cfg.Name, Group: g.Name, Detail: fmt.Sprintf("members are as targeted (epoch %d)", g.Epoch)})
}

// mayLead tells whether leadership may be given to a node.
func (n *Node) mayLead(id ident.NodeID) bool {
	if !n.hears(id) {
		return false
	}
	c := n.catalogue.Load()
	if c == nil {
		return false
	}
	node, ok := c.Node(id)
	return ok && (node.State == placement.Active || node.State == placement.Suspect)
}

// catalogueTarget is who should hold the catalogue: all registered nodes, a few of
// them as voters. Who would not be caught up is not chosen: nobody waits for a node
// while another is ready.
func (n *Node) catalogueTarget(c *catalogue.Machine, s *consensus.Status) target {
	nodes := c.Nodes()
	in := make([]placement.Node, 0, len(nodes))
	members := make(map[ident.NodeID]ident.MemberID, len(nodes))
	var t target
	limits, _ := planner.FromSettings(c.Settings(), n.cfg.limits())
	for _, node := range nodes {
		if node.Member == 0 || node.State == placement.Dead {
			continue
		}
		members[node.ID] = node.Member
		state, member := node.State, consensus.MemberID(node.Member)
		switch behind, answers := lag(s, member); {
		case !n.hears(node.ID):
			switch state {
			case placement.Active:
				state = placement.Suspect // no reason to make it a voter, nor to hurry it out
			case placement.Draining:
				state = placement.Suspect // with its members, which it takes up again
				if c.NumHosted(node.ID) == 0 {
					state = placement.Dead
				}
			case placement.Inactive:
				state = placement.Dead // it was drained and stopped
			}
		case s.Config.IsVoter(member):
			if silent := n.mover.silence(s.Term, member, answers, n.exec.Now()); silent > limits.StuckAfter {
				state = placement.Dead // the node is there, and its member does not answer
			}
		case state == placement.Active && (!answers || behind > caughtUpEntries):
			state, t.unready = placement.Suspect, true
		}
		in = append(in, placement.Node{ID: node.ID, Zone: node.Zone, Weight: node.Weight, State: state})
	}
	var voting []ident.NodeID
	for _, v := range s.Config.Voters {
		voting = append(voting, ident.NodeID(v.Node))
	}
	voter := make(map[ident.NodeID]bool)
	for _, id := range placement.CatalogueVoters(in, voting) {
		voter[id] = true
	}
	for _, node := range in {
		id, m := node.ID, members[node.ID]
		p := consensus.Member{ID: consensus.MemberID(m), Node: uint64(id)}
		if voter[id] {
			t.voters = append(t.voters, p)
		} else {
			t.learners = append(t.learners, p)
		}
	}
	return t
}

func targetOf(g *catalogue.Group) target {
	t := target{preferred: g.Preferred}
	for _, m := range g.Target {
		t.voters = append(t.voters, consensus.Member{ID: consensus.MemberID(m.ID), Node: uint64(m.Node)})
	}
	return t
}
