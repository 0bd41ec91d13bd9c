package fleet

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
)

// plannerState is what the planner of this node tells the others: package
// internal/planner decides, and the node that leads the catalogue carries it out.
type plannerState struct {
	report    atomic.Pointer[planner.Report] // nil while another node leads
	transfers transferGate
}

const (
	// planEvery is how often the planner looks without being told of a change.
	planEvery = time.Second
	// damagedEvery is how often it asks for damaged members.
	damagedEvery = 10 * time.Second
	// planGather is how long it waits for what follows one change.
	planGather = 20 * time.Millisecond
	// inspectParallel is how many leaders it asks at once.
	inspectParallel = 16
)

// limits are those that this node was configured with; the catalogue's settings go first.
func (c *Config) limits() planner.Limits {
	l := planner.Defaults()
	l.PurgeAfter, l.StuckAfter = c.PurgeAfter, c.PurgeAfter
	l.Settle, l.SettleMost = c.Settle, 10*c.Settle
	l.TrustAfter, l.Rest = min(l.TrustAfter, c.Settle), min(l.Rest, 20*c.Settle)
	return l
}

// leads tells whether this node's member leads a group.
func (n *Node) leads(g ident.GroupID) bool {
	info, ok := n.host.Info(g)
	return ok && info.Role == consensus.Leader
}

// plan runs the planner for as long as this node leads the catalogue.
func (n *Node) plan(ctx context.Context) {
	var run planRun
	for {
		changed, gossip, leaders := n.catalogueWatch(), n.gossipChanged.wait(), n.leadersChanged.wait()
		wait := planEvery
		if c := n.catalogue.Load(); c != nil && n.leads(ident.Catalogue) {
			if run.n == nil {
				run = planRun{n: n}
			}
			wait = run.once(ctx, c)
		} else if run.n != nil {
			run = planRun{}
			n.planner.report.Store(nil) // what another leader finds is its to say
			n.planner.transfers.clear()
		}
		if n.await(ctx, wait, gossip, changed, leaders) != nil {
			return
		}
		if !n.sleep(ctx, planGather) {
			return
		}
	}
}

// planRun is one leadership of the planner.
type planRun struct {
	n         *Node
	planner   planner.Planner
	took      time.Duration
	damaged   map[ident.GroupID][]catalogue.Member
	damagedAt time.Time
	inspect   []ident.GroupID
	failed    error // why the last targets could not be committed
	confirm   []ident.NodeID
	brake     string
}

// once looks, decides, and does what was decided. It returns how long to wait.
func (r *planRun) once(ctx context.Context, c *catalogue.Machine) time.Duration {
	n := r.n
	v := planner.View{Catalogue: c, Limits: n.cfg.limits(), Hearing: n.hearing(), Took: r.took,
		Missed: n.missed(ctx, r.confirm), Lag: n.lagging(ctx, c, r.inspect)}
	if now := n.exec.Now(); now.Sub(r.damagedAt) >= damagedEvery {
		r.damaged, r.damagedAt = n.damagedMembers(ctx), now
	}
	v.Damaged = r.damaged
	v.Now = n.exec.Now()
	d := r.planner.Decide(v)
	r.took = n.exec.Now().Sub(v.Now)
	if len(d.Targets) > 0 {
		d.Report.Uncommitted = r.failed
	}
	n.planner.report.Store(d.Report)
	r.confirm, r.inspect = d.Confirm, d.Inspect
	n.mover.look(ident.Catalogue, n.exec.Now()) // who should vote in it depends on who is heard, and answers
	r.tell(c, &d)
	if r.failed = r.carryOut(ctx, c, &d); r.failed != nil {
		n.log.Warn("new targets could not be committed", "targets", len(d.Targets), "error", r.failed)
		report := *d.Report
		report.Uncommitted = r.failed
		n.planner.report.Store(&report)
	}
	switch {
	case len(d.Confirm) > 0 && len(v.Missed) == 0:
		return time.Millisecond // ask, and look again
	case d.Next.IsZero():
		return planEvery
	}
	return min(planEvery, max(d.Next.Sub(n.exec.Now()), time.Millisecond))
}

// carryOut commits what was decided. What fails is decided anew from what there is then;
// the error is that of targets.
func (r *planRun) carryOut(ctx context.Context, c *catalogue.Machine, d *planner.Decision) error {
	n := r.n
	ns := namesOf(c.Nodes())
	for i := range d.States {
		s := &d.States[i]
		if _, err := n.decide(ctx, s); err != nil {
			n.log.Warn("a node's state could not be changed", "about", ns.of(s.ID), "to", s.To, "error", err)
			continue
		}
		n.events.add(view.Event{Kind: "node_" + s.To.String(), Node: ns.of(s.ID), Detail: s.Reason})
	}
	for batch := range slices.Chunk(d.Targets, catalogue.MaxTargets) {
		set := &catalogue.SetTargets{Targets: batch, Now: d.Time}
		result, err := n.decide(ctx, set)
		var outcomes []catalogue.TargetOutcome
		if err == nil {
			outcomes, err = set.Result(result)
		}
		if err != nil {
			return err
		}
		for i, t := range batch {
			if i < len(outcomes) && (outcomes[i].Err != nil || outcomes[i].Epoch == t.IfEpoch) {
				continue // the group was removed or changed meanwhile
			}
			e := view.Event{Kind: "move_started", Detail: causeText(t.Cause, ns)}
			if t.Back {
				e.Kind, e.Detail = "move_failed", t.Cause.Text+"; see the members of the group for the reason"
			}
			if g, ok := c.GroupByID(t.Group); ok {
				e.Group = g.Name
				n.events.add(e)
			}
		}
	}
	return nil
}

// tell has an event when the brake takes hold and when it lets go.
func (r *planRun) tell(c *catalogue.Machine, d *planner.Decision) {
	was := r.brake
	r.brake = d.Report.Brake
	switch {
	case was == "" && r.brake != "":
		r.n.events.add(view.Event{Kind: "moves_held", Detail: r.brake})
	case was != "" && r.brake == "":
		r.n.events.add(view.Event{Kind: "moves_released", Detail: "enough nodes are back, or were given up"})
	}
}

// causeText puts the cause of a target into words, with the names of this fleet's nodes.
func causeText(cause catalogue.Cause, ns names) string {
	if cause.Kind == 0 {
		return "since it was added"
	}
	return cause.Kind.String() + ": " + ns.in(cause.Text)
}

func (n *Node) hearing() map[ident.NodeID]planner.Hearing {
	out := make(map[ident.NodeID]planner.Hearing)
	for _, m := range n.gossip.Members() {
		out[m.Node] = planner.Hearing{Alive: m.Alive, Since: m.Since}
	}
	self := out[n.id]
	self.Alive = true
	out[n.id] = self
	return out
}

// lagging asks the leaders of groups on the move how far behind the members to come are.
func (n *Node) lagging(ctx context.Context, c *catalogue.Machine, groups []ident.GroupID) map[ident.GroupID]uint64 {
	if len(groups) == 0 {
		return nil
	}
	var mu sync.Mutex
	lag := make(map[ident.GroupID]uint64)
	_ = n.each(len(groups), inspectParallel, func(i int) error {
		g, ok := c.GroupByID(groups[i])
		if !ok {
			return nil
		}
		r, leads := n.askMembers(ctx, g)
		if !leads {
			return nil
		}
		var most uint64
		for _, m := range r.Members {
			if _, wanted := memberOn(g.Target, m.Node); wanted && m.Role == "learner" {
				most = max(most, m.Lag)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		lag[g.ID] = most
		return nil
	})
	return lag
}
