package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Activate makes the node a place where members may go, in a zone. It returns when
// the catalogue lists the node as active and the node's copy of it holds all that was
// committed when Activate was called, also after a crash; or when ctx ends, with an
// error that says what it waited for. It may then be called again. On an active node
// it changes nothing, or reports that the zone differs. A node whose process begins again
// goes on with the members that it has, and gets new ones when it has stayed for a while
// (the limit trust_after).
func (n *Node) Activate(ctx context.Context, zone string) error {
	if err := CheckZone(zone); err != nil {
		return err
	}
	if err := n.entering.take(ctx, n.exec); err != nil {
		return fmt.Errorf("fleet: activate node %s: it is being activated already: %w", n.cfg.Name, err)
	}
	defer n.entering.pass()
	if n.ctx.Err() != nil {
		return n.Err()
	}
	if n.zone != "" && n.zone != zone {
		return fmt.Errorf("fleet: node %s is active in zone %q, not %q: deactivate it first", n.cfg.Name, n.zone, zone)
	}
	if err := n.gossip.UpdateMeta(func(m *gossip.Meta) { m.Zone = zone }); err != nil {
		return fmt.Errorf("fleet: zone %q: %w", zone, err)
	}
	if n.fleet == 0 {
		if err := n.findFleet(ctx); err != nil {
			return err
		}
	}
	if err := n.takePart(ctx, zone); err != nil {
		return fmt.Errorf("fleet: activate node %s in fleet %s: %w", n.cfg.Name, n.fleet, n.explainUnreached(err))
	}
	if n.zone != zone {
		n.zone = zone
		n.events.add(view.Event{Kind: "node_active", Node: n.cfg.Name, Detail: "activated in zone " + zone})
	}
	return n.gossip.UpdateMeta(func(m *gossip.Meta) { m.State = gossip.StateActive })
}

// CheckZone says why a zone cannot be one: it must have 1 to 64 bytes and no spaces.
func CheckZone(zone string) error {
	if zone == "" || len(zone) > 64 || strings.ContainsFunc(zone, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("fleet: zone %q: give 1 to 64 bytes without spaces", zone)
	}
	return nil
}

// adopt makes this node one of a fleet, for ever.
func (n *Node) adopt(fleet ident.FleetID) error {
	identity := n.store.Identity()
	identity.Fleet = fleet
	if err := n.store.SetIdentity(identity); err != nil {
		return fmt.Errorf("fleet: record that the node belongs to fleet %s: %w", fleet, err)
	}
	n.wire.SetFleet(fleet)
	n.fleet = fleet
	return n.gossip.UpdateMeta(func(m *gossip.Meta) { m.Fleet = fleet })
}

// takePart has the node take part in the fleet, unless it does.
func (n *Node) takePart(ctx context.Context, zone string) error {
	if n.zone == zone && n.isListed(zone) {
		// To register again would say that this process is another. But who was forgotten
		// meanwhile is told nothing more, and has to.
		asking, cancel := exec.WithTimeout(ctx, n.exec, askTimeout)
		err := n.awaitCopy(asking)
		cancel()
		if err == nil && n.isListed(zone) {
			return nil
		}
	}
	return n.enter(ctx, zone)
}

// isListed tells whether this node's copy of the catalogue lists it as active in a zone.
func (n *Node) isListed(zone string) bool {
	c := n.catalogue.Load()
	if c == nil {
		return false
	}
	node, ok := c.Node(n.id)
	return ok && node.State == placement.Active && node.Zone == zone
}

// enter registers the node, gives it its copy of the catalogue, and waits until
// the catalogue lists it as active.
func (n *Node) enter(ctx context.Context, zone string) error {
	self := n.gossip.Self()
	register := &catalogue.RegisterNode{ID: n.id, Name: n.cfg.Name, Zone: zone, Weight: n.cfg.Weight, Wire: self.Wire, Admin: self.Admin}
	info, hosted := n.host.Info(ident.Catalogue)
	if hosted && info.Failed == nil {
		// Where the fleet gave this node up, its member may still be among the voters,
		// perhaps the only one that has everything: it is kept.
		register.Has = info.Member
	}
	result, err := n.retry(ctx, func(ctx context.Context) ([]byte, error) { return n.propose(ctx, register) })
	if err != nil {
		return err
	}
	me, err := register.Result(result)
	if err != nil {
		return err
	}
	if hosted && info.Member != me.Member {
		// The fleet gave this node up for dead meanwhile, and its member cannot go on.
		n.catalogue.Store(nil)
		if err := n.host.Destroy(ident.Catalogue); err != nil {
			return err
		}
		hosted = false
	}
	if !hosted {
		if err := n.hostCatalogue(ctx, me.Member); err != nil {
			return err
		}
	}
	for {
		changed := n.catalogueWatch()
		// Once its copy has the registration, it is caught up enough to take part.
		if c := n.catalogue.Load(); c != nil {
			if node, ok := c.Node(n.id); ok && node.Member == me.Member && node.Zone == zone {
				if me.State == placement.Active && node.State == placement.Active {
					return n.awaitCopy(ctx)
				}
				if me.State != placement.Active {
					if me, err = n.becomeActive(ctx, me, register); err != nil {
						return err
					}
					continue
				}
			}
		}
		if err := n.await(ctx, 0, changed); err != nil {
			return fmt.Errorf("wait for a copy of the catalogue: %w", err)
		}
	}
}

// becomeActive has the catalogue list the node as active, whatever it was before:
// new, drained, or not heard for a while. One that was gone keeps what it has from now
// on; the planner gives it new members only when it has stayed for a while. It returns
// the node as it then is.
func (n *Node) becomeActive(ctx context.Context, me *catalogue.Node, register *catalogue.RegisterNode) (*catalogue.Node, error) {
	set := &catalogue.SetNodeState{ID: n.id, To: placement.Active, IfState: []placement.State{me.State}}
	result, err := n.retry(ctx, func(ctx context.Context) ([]byte, error) { return n.propose(ctx, set) })
	if err == nil {
		return set.Result(result)
	}
	if !errors.Is(err, catalogue.ErrStateMoved) {
		return nil, err
	}
	// The planner was faster: see what it made of the node.
	if result, err = n.retry(ctx, func(ctx context.Context) ([]byte, error) { return n.propose(ctx, register) }); err != nil {
		return nil, err
	}
	return register.Result(result)
}

// retry repeats an act of the life cycle for as long as nobody can be asked.
func (n *Node) retry(ctx context.Context, act func(context.Context) ([]byte, error)) ([]byte, error) {
	for tries := 0; ; tries++ {
		result, err := act(ctx)
		if err == nil || ctx.Err() != nil || n.ctx.Err() != nil {
			return result, err
		}
		if !retriable(err) && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if e := n.pause(ctx, tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

// hostCatalogue starts this node's member of the catalogue, which the catalogue's
// leader adds as a learner because the node is registered.
func (n *Node) hostCatalogue(ctx context.Context, member ident.MemberID) error {
	var last error = errNobodyToAsk
	for {
		changed := n.gossipChanged.wait()
		for _, id := range n.activeNodes() {
			body, err := n.ask(ctx, id, encodeRequest(opEnter, enterRequest{n.id}))
			if err != nil {
				last = err
				continue
			}
			var r enterReply
			if err := decodeBody(body, &r); err != nil {
				return err
			}
			return n.host.Start(group.Spec{
				Group: ident.Catalogue, Member: member, Name: catalogueName, Type: catalogueTypeName,
				Config: catalogueConfig.Encode(), First: r.First,
			})
		}
		if err := n.await(ctx, 200*time.Millisecond, changed); err != nil {
			return fmt.Errorf("%w; last: %w", err, last)
		}
	}
}

// enterHere tells a node with whom the catalogue began.
func (n *Node) enterHere() (enterReply, error) {
	spec, ok := n.host.Spec(ident.Catalogue)
	if !ok {
		return enterReply{}, ErrNotActive
	}
	return enterReply{First: spec.First}, nil
}

// catalogueWatch returns a channel that is closed when this node's catalogue
// changes, or when it gets one.
func (n *Node) catalogueWatch() <-chan struct{} { return n.catalogueChanged.wait() }

// Deactivate drains the node: nothing new is placed on it, leaders and members
// leave, and at the end it hosts nothing and is inactive. progress, if not nil, is
// called with how far it is whenever that changes. It returns when the node is
// drained, or when ctx ends; the drain then goes on, and Deactivate can be called
// again.
func (n *Node) Deactivate(ctx context.Context, progress func(view.DrainProgress)) error {
	if _, hosted := n.host.Info(ident.Catalogue); !hosted {
		return nil // it never was active
	}
	listed, drained, err := n.isOut(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("fleet: drain node %s: %w", n.cfg.Name, err)
	case !listed:
		return n.leftFleet(ctx)
	case !drained:
		if err := n.Drain(ctx, n.id.String()); err != nil {
			return err
		}
		if err := n.gossip.UpdateMeta(func(m *gossip.Meta) { m.State = gossip.StateDraining }); err != nil {
			return err
		}
	}
	var last view.DrainProgress
	first := true
	for {
		changed := n.catalogueWatch()
		p, err := n.DrainProgress(ctx, n.id.String())
		if err != nil {
			return err
		}
		if progress != nil && (first || !sameProgress(p, last)) {
			progress(p)
		}
		last, first = p, false
		if p.Done {
			return n.leftFleet(ctx)
		}
		// The last leaders leave without a change of the catalogue.
		if err := n.await(ctx, 500*time.Millisecond, changed); err != nil {
			return fmt.Errorf("fleet: drain node %s: %d members and %d leaders are still here, the drain goes on: %w", n.cfg.Name, p.Members, p.Leaders, err)
		}
	}
}

// isOut tells whether the catalogue lists this node, and if so whether as inactive.
// After a restart its copy may be missing or old: then it is waited for.
func (n *Node) isOut(ctx context.Context) (listed, drained bool, err error) {
	for tries := 0; ; tries++ {
		known := false
		if c := n.catalogue.Load(); c != nil {
			var node catalogue.Node
			if node, known = c.Node(n.id); known && node.State != placement.Inactive {
				return true, false, nil
			}
		}
		err := n.catchUp(ctx)
		if c := n.catalogue.Load(); c != nil && (err == nil || known) {
			node, ok := c.Node(n.id)
			return ok, ok && node.State == placement.Inactive, nil
		}
		if n.Err() != nil {
			return false, false, n.Err()
		}
		if e := n.pause(ctx, tries, err); e != nil {
			return false, false, fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

func sameProgress(a, b view.DrainProgress) bool {
	return a.Members == b.Members && a.Leaders == b.Leaders && a.Moved == b.Moved && a.Votes == b.Votes && a.Done == b.Done &&
		a.Stuck == b.Stuck && slices.Equal(a.Blocked, b.Blocked) && slices.Equal(a.Later, b.Later)
}

// leftFleet marks the node as inactive for itself.
func (n *Node) leftFleet(ctx context.Context) error {
	if err := n.entering.take(ctx, n.exec); err != nil {
		return err
	}
	defer n.entering.pass()
	n.zone = ""
	return n.gossip.UpdateMeta(func(m *gossip.Meta) { m.State = gossip.StateInactive })
}

// followGossip adopts a fleet that a node without one meets, so that it can call
// groups before it is activated, and keeps what the node says of itself in gossip
// as the catalogue has it: after a restart, a drain, or an operator's undrain.
func (n *Node) followGossip(ctx context.Context) {
	for {
		heard, changed := n.gossipChanged.wait(), n.catalogueWatch()
		n.meetFleet()
		n.tellState()
		if n.await(ctx, 0, heard, changed) != nil {
			return
		}
	}
}

// meetFleet adopts the fleet of the join addresses on a node that is in none and
// may not found one.
func (n *Node) meetFleet() {
	if len(n.cfg.Join) == 0 || !n.entering.try() {
		return // Activate is at it
	}
	defer n.entering.pass()
	if n.fleet != 0 {
		return
	}
	if begun, _ := n.store.Get(foundingKey); len(begun) == 8 {
		return
	}
	if fleet := fleetOf(n.gossip.Members()); fleet != 0 {
		if err := n.adopt(fleet); err != nil {
			n.log.Error("the fleet that was met could not be joined", "fleet", fleet, "error", err)
		}
	}
}

// tellState says in gossip what the catalogue says of this node.
func (n *Node) tellState() {
	c := n.catalogue.Load()
	if c == nil {
		return
	}
	node, ok := c.Node(n.id)
	if !ok {
		return
	}
	state := gossip.StateInactive
	switch node.State {
	case placement.Active, placement.Suspect:
		state = gossip.StateActive
	case placement.Draining:
		state = gossip.StateDraining
	}
	if self := n.gossip.Self(); self.State == state || self.State == gossip.StateLeaving {
		return
	}
	if err := n.gossip.UpdateMeta(func(m *gossip.Meta) { m.State, m.Zone = state, node.Zone }); err != nil {
		n.log.Warn("gossip was not told of the node's state", "state", state, "error", err)
	}
}
