package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// Package placement says what would have to move. That it could not be decided, or would
// not begin, it does not know: the catalogue is no group to it, and the brake is the
// planner's.

// failing are the nodes that a question has fail.
func failing(nodes []catalogue.Node, change *placement.Change) map[ident.NodeID]bool {
	gone := make(map[ident.NodeID]bool)
	for _, id := range change.Remove {
		gone[id] = true
	}
	for _, node := range nodes {
		if slices.Contains(change.ZonesDown, node.Zone) {
			gone[node.ID] = true
		}
	}
	return gone
}

// tellRisks adds to an outcome that the catalogue would lose its quorum, and what would
// keep the moves from beginning.
func (n *Node) tellRisks(ctx context.Context, v *view.Outcome, c *catalogue.Machine, change *placement.Change, ns names) {
	nodes := c.Nodes()
	gone := failing(nodes, change)
	if len(gone) == 0 {
		return
	}
	n.tellLostGroups(v, c, gone)
	if s, err := n.host.Status(ctx, ident.Catalogue); err == nil {
		for _, voters := range [][]ident.NodeID{nodesOfVoters(s.Core.Config.Voters), nodesOfVoters(s.Core.Config.Outgoing)} {
			if lost := n.lostVoters(voters, gone); lost != nil {
				tellCatalogueLost(v, ns.allOf(lost), len(voters))
				return
			}
		}
	}
	after := slices.Clone(nodes)
	for i := range after {
		if gone[after[i].ID] {
			after[i].State = placement.Suspect // as they are until they are given up
		}
	}
	for _, set := range change.Set {
		if i := slices.IndexFunc(after, func(node catalogue.Node) bool { return node.ID == set.ID }); i < 0 {
			after = append(after, catalogue.Node{ID: set.ID, Zone: set.Zone, State: set.State})
		} else if !gone[set.ID] {
			after[i].State = set.State
		}
	}
	limits, _ := planner.FromSettings(c.Settings(), n.cfg.limits())
	if why := planner.Brake(c, after, limits.BrakePercent, n.hears); why != "" {
		v.Held = why + ": members are not replaced until the nodes are back or forgotten"
	}
}

// tellLostGroups adds to an outcome the groups that would lose their quorum because
// nodes that are not heard now are missing as well: package placement counts those as
// there until they are given up.
func (n *Node) tellLostGroups(v *view.Outcome, c *catalogue.Machine, gone map[ident.NodeID]bool) {
	told := make(map[ident.GroupID]bool)
	for id := range gone {
		for _, g := range c.HostedBy(id) {
			if told[g.ID] {
				continue
			}
			told[g.ID] = true
			dead, silent := 0, 0
			for _, m := range g.Configured {
				if node, ok := c.Node(m.Node); gone[m.Node] || !ok || node.State == placement.Dead {
					dead++
				}
				if !n.hears(m.Node) {
					silent++
				}
			}
			// Either placement has counted it, or it has no quorum as things are.
			if 2*dead >= len(g.Configured) || 2*silent >= len(g.Configured) || n.lostVoters(g.ConfiguredNodes(), gone) == nil {
				continue
			}
			if v.QuorumsLost++; len(v.LoseQuorum) < mostOutcomeMoves {
				v.LoseQuorum = append(v.LoseQuorum, g.Name)
			}
		}
	}
}

// lostVoters are those of a set of voters that would be missing, nil while the others are
// a majority or nothing that is asked has to do with it.
func (n *Node) lostVoters(voters []ident.NodeID, gone map[ident.NodeID]bool) []ident.NodeID {
	var lost []ident.NodeID
	asked := false
	for _, id := range voters {
		if gone[id] || !n.hears(id) {
			lost = append(lost, id)
			asked = asked || gone[id]
		}
	}
	if !asked || 2*len(lost) < len(voters) {
		return nil
	}
	return lost
}

func tellCatalogueLost(v *view.Outcome, lost []string, voters int) {
	why := fmt.Sprintf("%d of the %d voters of the catalogue are gone: %s", len(lost), voters, strings.Join(lost, ", "))
	if voters == 1 {
		why = "the only voter of the catalogue is gone: " + lost[0]
	}
	v.Held = why + "; nothing can be decided any more"
	v.QuorumsLost++
	v.LoseQuorum = slices.Insert(v.LoseQuorum, 0, catalogueName)
	v.Problems = slices.Insert(v.Problems, 0, view.Problem{Kind: "catalogue_no_leader", Thing: catalogueName, Reason: why + "; nothing can be added, moved or removed without a majority of them",
		Remedy: "drain these nodes one after another instead: their votes go over to other nodes"})
}
