package fleet

import (
	"context"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// What tests of recovery need of a node: what it knows, and a way to say what nobody says.

func (n *Node) NodeID() ident.NodeID { return n.id }

func (n *Node) GroupRecord(name string) (*catalogue.Group, bool) {
	return n.catalogue.Load().Group(name)
}

func (n *Node) ProposeToCatalogue(ctx context.Context, c catalogue.Command) error {
	_, err := n.propose(ctx, c)
	return err
}

// StatusOfMember is what this node's member of a group has.
func (n *Node) StatusOfMember(ctx context.Context, g ident.GroupID) (leader ident.NodeID, durable uint64, err error) {
	r, err := n.memberStatus(ctx, g)
	return r.Leader, r.Durable, err
}

// SalvageOnly does what a recovery does before its last step, as if the process was killed then.
func (n *Node) SalvageOnly(ctx context.Context, name string) error {
	g, err := n.groupNow(ctx, name)
	if err != nil {
		return err
	}
	from, err := n.survey(ctx, g).survivor(nil)
	if err != nil {
		return err
	}
	_, err = n.salvage(ctx, g.ID, from)
	return err
}

// RecoverOnto recovers a group like Recover, with its new members on the given nodes.
func (n *Node) RecoverOnto(ctx context.Context, name string, nodes ...ident.NodeID) error {
	g, err := n.groupNow(ctx, name)
	if err != nil {
		return err
	}
	from, err := n.survey(ctx, g).survivor(nil)
	if err != nil {
		return err
	}
	return n.replace(ctx, g, from, &catalogue.RecoverGroup{Members: nodes})
}
