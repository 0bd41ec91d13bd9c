package fleet

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// The planner runs on the node that leads the catalogue. It watches who is there,
// decides whom the fleet trusts, asks package placement for better targets, and
// commits so many of them at a time as may move at once. All that it decides is in
// the catalogue, so the next leader goes on where this one stopped.
type planner struct {
	infeasible atomic.Pointer[[]placement.Reason]
}

const (
	// planEvery is how often the planner looks without being told of a change.
	planEvery = time.Second
	// trustAfter is how long a node that was gone must be heard before it is
	// trusted again, where Settle does not ask for less.
	trustAfter = 30 * time.Second
	// observers is how many other nodes must agree that one is gone.
	observers = 2
)

// moveLimit is how many groups may be on the move at once in a fleet of so many nodes.
func moveLimit(nodes int) int { return min(64, max(4, nodes/2)) }

func (n *Node) plan(ctx context.Context) {
	p := planRun{n: n, heardSince: make(map[ident.NodeID]time.Time), moves: make(map[ident.GroupID]*stuckMove)}
	for {
		changed, gossip, leaders := n.catalogueWatch(), n.gossipChanged.wait(), n.leadersChanged.wait()
		if c := n.catalogue.Load(); c != nil && n.leads(ident.Catalogue) {
			p.once(ctx, c)
		} else {
			p.quiet = time.Time{}
			clear(p.heardSince)
			n.planner.infeasible.Store(nil) // what another leader finds is its to say
		}
		if n.await(ctx, planEvery, gossip, changed, leaders) != nil {
			return
		}
		// What follows one change within a moment is planned for with it.
		if !n.sleep(ctx, 20*time.Millisecond) {
			return
		}
	}
}

// leads tells whether this node's member leads a group.
func (n *Node) leads(g ident.GroupID) bool {
	info, ok := n.host.Info(g)
	return ok && info.Role == consensus.Leader
}

// planRun is the planner's memory while it leads; losing it costs a wait.
type planRun struct {
	n           *Node
	heardSince  map[ident.NodeID]time.Time
	nodesIndex  string    // the nodes and their states that were planned for last
	quiet       time.Time // when the nodes last changed
	first       time.Time // when the wait for quiet began
	planned     string
	plannedAt   time.Time
	moves       map[ident.GroupID]*stuckMove
	stuckLook   time.Time
	damagedLook time.Time
	next        time.Time // when it may plan again while nothing is urgent
}

const (
	// planPause and planShare keep the planner from planning all the time while
	// groups are added one after another: it rests for as long as it worked, and more.
	planPause = 200 * time.Millisecond
	planShare = 20
)

func (p *planRun) once(ctx context.Context, c *catalogue.Machine) {
	p.judge(ctx, c)
	nodes := c.Nodes()
	now := p.n.exec.Now()
	if is := fingerprint(nodes); is != p.nodesIndex {
		if p.nodesIndex == "" || p.quiet.IsZero() {
			p.first = now
		}
		p.nodesIndex, p.quiet = is, now
	}
	if p.quiet.IsZero() {
		p.quiet, p.first = now, now
	}
	p.unstick(ctx, c, nodes, now)
	p.replaceDamaged(ctx, c, nodes, now)
	p.replan(ctx, c, nodes, now)
}

// fingerprint changes when a node comes, goes, or changes its state or weight.
func fingerprint(nodes []catalogue.Node) string {
	var b []byte
	for _, node := range nodes {
		b = binary.LittleEndian.AppendUint64(b, uint64(node.ID))
		b = append(b, byte(node.State), byte(node.Weight), byte(node.Weight>>8))
		b = append(b, node.Zone...)
		b = append(b, 0)
	}
	return string(b)
}

// judge moves nodes between the states that the fleet decides by watching them.
func (p *planRun) judge(ctx context.Context, c *catalogue.Machine) {
	n := p.n
	now := n.exec.Now()
	alive := make(map[ident.NodeID]bool)
	gone := make(map[ident.NodeID]time.Time)
	for _, m := range n.gossip.Members() {
		if m.Alive {
			alive[m.Node] = true
		} else {
			gone[m.Node] = m.Since
		}
	}
	alive[n.id] = true
	for _, node := range c.Nodes() {
		if alive[node.ID] {
			if p.heardSince[node.ID].IsZero() {
				p.heardSince[node.ID] = now
			}
		} else {
			delete(p.heardSince, node.ID)
		}
		to, reason := node.State, ""
		switch node.State {
		case placement.Active, placement.Joining:
			if !alive[node.ID] && node.State == placement.Active {
				to, reason = placement.Suspect, "gossip does not hear it"
			}
		case placement.Suspect:
			switch {
			case alive[node.ID] && now.Sub(p.heardSince[node.ID]) >= min(trustAfter, n.cfg.Settle):
				to, reason = placement.Active, "it is heard again"
			case !alive[node.ID] && p.purgeable(ctx, c, node, gone[node.ID], now):
				to, reason = placement.Dead, fmt.Sprintf("not heard for %s, and other nodes agree", n.cfg.PurgeAfter)
			}
		case placement.Draining:
			if len(c.HostedBy(node.ID)) == 0 {
				to, reason = placement.Inactive, "drained"
			}
		}
		if to == node.State {
			continue
		}
		_, err := n.propose(ctx, &catalogue.SetNodeState{ID: node.ID, To: to, Reason: reason, IfState: []placement.State{node.State}})
		if err != nil {
			n.log.Warn("a node's state could not be changed", "about", node.Name, "to", to, "error", err)
			continue
		}
		n.events.add(view.Event{Kind: "node_" + to.String(), Node: node.Name, Detail: reason})
	}
}

// purgeable tells whether a node that is not heard may be given up: for long
// enough, and by the word of others too. One observer alone may be the one that
// is cut off.
func (p *planRun) purgeable(ctx context.Context, c *catalogue.Machine, node catalogue.Node, since, now time.Time) bool {
	n := p.n
	if since.IsZero() {
		since = time.Unix(0, node.Since)
	}
	if now.Sub(since) < n.cfg.PurgeAfter || now.Sub(time.Unix(0, node.Since)) < n.cfg.PurgeAfter {
		return false
	}
	if braked(c.Nodes()) != "" {
		return false
	}
	others := n.activeNodes()
	wanted, agree := min(observers, len(others)), 0 // all there are, when they are fewer
	for _, id := range others {
		b, err := n.ask(ctx, id, appendGroup(nil, opObserve, ident.GroupID(node.ID), nil))
		if err != nil {
			continue
		}
		if len(b) == 1 && b[0] == 1 {
			return false // somebody hears it
		}
		if agree++; agree == wanted {
			return true
		}
	}
	return wanted == 0
}

// braked says why repair holds still: too much of the fleet is gone at once, and
// more likely to come back than to be replaceable. Empty when it does not.
func braked(nodes []catalogue.Node) string {
	total, suspect := 0, 0
	zones := make(map[string][2]int)
	for _, node := range nodes {
		switch node.State {
		case placement.Active, placement.Draining, placement.Suspect:
		default:
			continue
		}
		z := zones[node.Zone]
		total++
		z[0]++
		if node.State == placement.Suspect {
			suspect++
			z[1]++
		}
		zones[node.Zone] = z
	}
	if suspect > 1 && suspect*5 > total {
		return fmt.Sprintf("%d of %d nodes are gone, which is more than 20 %%", suspect, total)
	}
	for zone, z := range zones {
		if len(zones) > 1 && z[0] > 1 && z[0] == z[1] {
			return fmt.Sprintf("all %d nodes of zone %s are gone", z[0], zone)
		}
	}
	return ""
}

// hopeless tells whether a group waits for a node that was given up: its move ends
// only with another target.
func hopeless(g *catalogue.Group, nodes []catalogue.Node) bool {
	return slices.ContainsFunc(g.Target, func(m catalogue.Member) bool { return gaveUp(m.Node, nodes) })
}

// gaveUp tells whether a node is not listed, or dead.
func gaveUp(id ident.NodeID, nodes []catalogue.Node) bool {
	return !slices.ContainsFunc(nodes, func(node catalogue.Node) bool { return node.ID == id && node.State != placement.Dead })
}

// replan commits better targets, as many as may move now.
func (p *planRun) replan(ctx context.Context, c *catalogue.Machine, nodes []catalogue.Node, now time.Time) {
	n := p.n
	index := c.Index()
	state := fmt.Sprint(p.nodesIndex, index)
	if state == p.planned || now.Before(p.next) && p.quiet.Before(p.plannedAt) {
		return // nothing changed since a plan that had nothing to do, or nothing urgent
	}
	p.plannedAt = now
	defer func() {
		end := n.exec.Now()
		p.next = end.Add(max(planPause, planShare*end.Sub(now)))
	}()
	all := c.Groups("", c.NumGroups())
	moving := 0
	in := placement.Input{Groups: make([]placement.Group, 0, len(all))}
	for _, g := range all {
		if g.Settled != g.Epoch {
			moving++
		}
		pg := placement.Group{ID: g.ID, Name: g.Name, Replicas: g.Replicas, Leader: g.Preferred, Cost: 1}
		for _, m := range g.Target {
			pg.Members = append(pg.Members, m.Node)
		}
		for _, m := range g.Configured {
			pg.Voters = append(pg.Voters, m.Node)
		}
		in.Groups = append(in.Groups, pg)
	}
	for _, node := range nodes {
		in.Nodes = append(in.Nodes, placement.Node{ID: node.ID, Zone: node.Zone, Weight: node.Weight, State: node.State})
	}
	result := placement.Plan(in)
	p.n.planner.infeasible.Store(&result.Infeasible)
	if len(result.Targets) == 0 {
		p.planned = state
		return
	}
	settled := now.Sub(p.quiet) >= n.cfg.Settle || now.Sub(p.first) >= 5*n.cfg.Settle
	batch := p.chosen(c, nodes, result.Targets, moveLimit(len(nodes))-moving, settled, now)
	if len(batch) == 0 {
		return
	}
	if _, err := n.propose(ctx, &catalogue.SetTargets{Targets: batch}); err != nil {
		n.log.Warn("new targets could not be committed", "targets", len(batch), "error", err)
	}
}

// chosen are the targets of a plan that may be committed now: of at most room groups
// more than move already, and while nodes come and go only what is urgent.
func (p *planRun) chosen(c *catalogue.Machine, nodes []catalogue.Node, targets []placement.Target, room int, settled bool, now time.Time) (batch []catalogue.Target) {
	for _, t := range targets {
		urgent := t.Reason.Kind == placement.Repair || t.Reason.Kind == placement.Drain || t.Reason.Kind == placement.Resize
		if !settled && !urgent {
			continue
		}
		g, ok := c.GroupByID(t.Group)
		if !ok {
			continue
		}
		lost := t.Reason.Kind == placement.Repair && hopeless(g, nodes)
		if p.rests(g.ID, now) && !lost {
			continue
		}
		if g.Settled == g.Epoch {
			if room <= 0 {
				continue
			}
			room--
		} else if !lost {
			continue // one change of a group at a time, unless it can never end
		}
		batch = append(batch, catalogue.Target{Group: t.Group, IfEpoch: g.Epoch, Members: t.Members, Preferred: t.Leader})
		p.n.events.add(view.Event{Kind: "move_started", Group: g.Name, Detail: t.Reason.String()})
	}
	return batch
}
