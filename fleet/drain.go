package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Drain has a node's leaders and members leave it; see Deactivate for what the
// node itself calls. The node is named by name or id.
func (n *Node) Drain(ctx context.Context, node string) error {
	return n.setState(ctx, node, placement.Draining)
}

// Undrain makes a draining node an active one again.
func (n *Node) Undrain(ctx context.Context, node string) error {
	return n.setState(ctx, node, placement.Active)
}

func (n *Node) setState(ctx context.Context, node string, to placement.State) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{State: &stateRequest{node, to}}); err != nil {
		return fmt.Errorf("fleet: make node %q %s: %w", node, to, err)
	}
	return nil
}

func (n *Node) setStateHere(ctx context.Context, r *stateRequest) error {
	node, err := n.findNode(ctx, r.Node)
	if err != nil {
		return err
	}
	from := []placement.State{placement.Active, placement.Suspect, placement.Joining}
	reason := "drained by an operator, or its process is stopping"
	if r.To == placement.Active {
		from, reason = []placement.State{placement.Draining, placement.Inactive}, "undrained by an operator"
	}
	if r.To == placement.Active && !n.hears(node.ID) {
		return fmt.Errorf("node %s is not heard: start it first: %w", node.Name, ErrRefused)
	}
	if node.State == r.To || (r.To == placement.Draining && node.State == placement.Inactive) {
		return nil
	}
	if c := n.catalogue.Load(); c != nil && r.To == placement.Draining {
		n.drains.begin(c, node.ID)
	}
	if _, err = n.propose(ctx, &catalogue.SetNodeState{ID: node.ID, To: r.To, Reason: reason, IfState: from}); err != nil {
		return err
	}
	n.events.add(view.Event{Kind: "node_" + r.To.String(), Node: node.Name, Detail: reason})
	return nil
}

// Forget is an operator's word that a node will not return. One that hosts members is
// made dead, and they are replaced wherever a majority of their group is left; what only
// that node had is lost. Called again after that, or for a node without members, it takes
// the node off the list; so it does at once with force. A node that is alive is refused
// with ErrNodeInUse unless it is inactive or force is set. What the node has that no
// other has is not looked at: nobody knows, as it is away.
func (n *Node) Forget(ctx context.Context, node string, force bool) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Forget: &forgetRequest{node, force}}); err != nil {
		return fmt.Errorf("fleet: forget node %q: %w", node, err)
	}
	return nil
}

func (n *Node) forgetHere(ctx context.Context, c *catalogue.Machine, r *forgetRequest) error {
	node, err := n.findNode(ctx, r.Node)
	if err != nil {
		return err
	}
	if n.hears(node.ID) && !r.Force && node.State != placement.Inactive {
		return fmt.Errorf("node %s is alive: %w", node.Name, ErrNodeInUse)
	}
	if hosted := c.HostedBy(node.ID); len(hosted) > 0 && node.State != placement.Dead {
		// Dead first: the planner replaces its members while the groups have a quorum.
		_, err := n.propose(ctx, &catalogue.SetNodeState{ID: node.ID, To: placement.Dead, Reason: "forgotten by an operator"})
		if err != nil {
			return err
		}
		n.events.add(view.Event{Kind: "node_dead", Node: node.Name, Detail: "forgotten by an operator; " + count(len(hosted), "member") + " to be replaced"})
		if !r.Force {
			return nil
		}
	}
	if _, err = n.propose(ctx, &catalogue.ForgetNode{ID: node.ID, Force: r.Force}); err != nil && !errors.Is(err, ErrNoNode) {
		return err
	}
	n.gossip.Forget(node.ID)
	n.events.add(view.Event{Kind: "node_forgotten", Node: node.Name, Detail: "forgotten by an operator"})
	return nil
}

// DrainProgress tells how far the drain of a node is, and what cannot leave it.
func (n *Node) DrainProgress(ctx context.Context, node string) (view.DrainProgress, error) {
	return seen(ctx, n, viewRequest{Drain: node}, func(ctx context.Context, c *catalogue.Machine) (view.DrainProgress, error) {
		found, err := n.findNode(ctx, node)
		if err != nil {
			return view.DrainProgress{}, err
		}
		p := n.drainOf(c, found)
		hosted := c.HostedBy(found.ID)
		if found.State == placement.Inactive && len(hosted) == 0 {
			p.Done, err = n.dispensableVoter(ctx, c, found.ID)
			p.Votes = !p.Done
			return p, err
		}
		p.Leaders = n.leaders(ctx).each[found.ID]
		return p, nil
	})
}

// dispensableVoter tells whether the catalogue can do without a drained node: it does
// not vote there any more, or active nodes are a majority of those who do. Several
// nodes that are drained at once would take the quorum with them. Where no node is
// active there is nobody to take the vote.
func (n *Node) dispensableVoter(ctx context.Context, c *catalogue.Machine, id ident.NodeID) (bool, error) {
	active := make(map[uint64]bool)
	for _, node := range c.Nodes() {
		if node.State == placement.Active {
			active[uint64(node.ID)] = true
		}
	}
	if len(active) == 0 {
		return true, nil
	}
	status, err := n.host.Status(ctx, ident.Catalogue)
	if err != nil {
		return false, err
	}
	s := &status.Core
	return s.ConfigIndex <= s.Commit && doesWithout(s.Config.Voters, active, uint64(id)) && doesWithout(s.Config.Outgoing, active, uint64(id)), nil
}

// doesWithout tells whether a node is none of the voters or active ones are a majority.
func doesWithout(voters []consensus.Member, active map[uint64]bool, id uint64) bool {
	votes, up := false, 0
	for _, v := range voters {
		votes = votes || v.Node == id
		if active[v.Node] {
			up++
		}
	}
	return !votes || up > len(voters)/2
}

// canReplace tells whether some active node could hold a group's member instead.
func canReplace(c *catalogue.Machine, g *catalogue.Group, leaving ident.NodeID) bool {
	for _, node := range c.Nodes() {
		if node.ID == leaving || node.State != placement.Active {
			continue
		}
		if _, has := memberOn(g.Target, node.ID); !has {
			return true
		}
	}
	return false
}
