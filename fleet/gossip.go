package fleet

import (
	"context"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// GossipMembers lists whom this node's gossip knows, by id, also nodes that the
// catalogue does not list yet or no longer. Every node sees its own list: where two
// differ, the network between nodes is cut.
func (n *Node) GossipMembers(context.Context) ([]view.GossipMember, error) {
	if err := n.Err(); err != nil {
		return nil, err
	}
	out := []view.GossipMember{}
	for _, m := range n.gossip.Members() {
		v := view.GossipMember{
			ID: m.Node, Name: m.Name, Zone: m.Zone, FleetID: m.Fleet, Health: "dead", Says: m.State.String(), Since: m.Since.UTC(),
			Gossip: m.Addr, Addr: m.Wire, Admin: m.Admin, ProtocolMin: m.ProtocolMin, ProtocolMax: m.ProtocolMax,
		}
		switch {
		case m.Suspect:
			v.Health = "suspect"
		case m.Alive:
			v.Health = "alive"
		case m.Left:
			v.Health = "left"
		}
		out = append(out, v)
	}
	return out, nil
}
