package fleet

import (
	"fmt"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// mostProblems bounds how many groups a status names for one kind of problem.
const mostProblems = 20

func (n *Node) problems(c *catalogue.Machine, nodes []catalogue.Node, ns names, table leaderTable, leaderless []*catalogue.Group) []view.Problem {
	var out []view.Problem
	if info, ok := n.host.Info(ident.Catalogue); ok && info.Leader == 0 {
		out = append(out, view.Problem{Kind: "catalogue_no_leader", Thing: "catalogue", Reason: "this node knows of no leader of the catalogue; nothing can be added, moved or removed", Remedy: "bring back a majority of its voters"})
	}
	for _, node := range nodes {
		alive := n.hears(node.ID)
		switch {
		case !alive && node.State != placement.Inactive && node.State != placement.Dead:
			out = append(out, view.Problem{
				Kind: "node_unreachable", Thing: ns.of(node.ID), Reason: "gossip does not hear it", Since: time.Unix(0, node.Since).UTC(),
				Remedy: fmt.Sprintf("start it again; after %s its members are replaced; if it never returns: fleetctl node forget %s", n.cfg.PurgeAfter, ns.of(node.ID)),
			})
		case node.State == placement.Dead:
			out = append(out, view.Problem{Kind: "node_dead", Thing: ns.of(node.ID), Reason: node.Reason, Since: time.Unix(0, node.Since).UTC(), Remedy: "start it again, or fleetctl node forget " + ns.of(node.ID)})
		}
	}
	if why := braked(nodes); why != "" {
		out = append(out, view.Problem{Kind: "repair_held", Thing: "fleet", Reason: why + ": members are not replaced meanwhile", Remedy: "bring the nodes back, or fleetctl node forget those that will not return"})
	}
	for i, g := range leaderless {
		if i == mostProblems {
			out = append(out, view.Problem{Kind: "no_leader", Thing: "groups", Reason: fmt.Sprintf("%d more groups have no leader", len(leaderless)-i)})
			break
		}
		out = append(out, n.leaderlessProblem(g, ns))
	}
	few := 0
	for _, g := range c.Groups("", c.NumGroups()) {
		if len(g.Configured) < g.Replicas {
			if few++; few <= mostProblems {
				out = append(out, view.Problem{Kind: "too_few_members", Thing: g.Name, Reason: fmt.Sprintf("%d of %d members", len(g.Configured), g.Replicas), Remedy: "activate more nodes"})
			}
		}
	}
	for _, info := range n.host.Infos() {
		if info.Failed != nil {
			out = append(out, view.Problem{Kind: "member_failed", Thing: info.Name, Reason: firstLine(info.Failed.Error()), Remedy: "mend the cause and restart node " + n.cfg.Name + ", or wipe it so that its members are replaced"})
		}
	}
	if n.wal.Full() {
		out = append(out, view.Problem{Kind: "disk_full", Thing: n.cfg.Name, Reason: "the log has no room for new segments; commands are refused", Remedy: "free space in " + n.cfg.DataDir})
	}
	if age := n.wal.SyncAge(); age > time.Second {
		out = append(out, view.Problem{Kind: "disk_slow", Thing: n.cfg.Name, Reason: fmt.Sprintf("a sync of the log takes %s already", age.Round(time.Millisecond)), Remedy: "look at the disk"})
	}
	for _, id := range table.deaf {
		out = append(out, view.Problem{Kind: "node_unreachable", Thing: ns.of(id), Reason: "gossip hears it, but it does not answer", Remedy: "look at its load, its disk, and the network between the nodes"})
	}
	if r := n.planner.infeasible.Load(); r != nil {
		for _, reason := range *r {
			out = append(out, view.Problem{Kind: "infeasible", Thing: "placement", Reason: reason.Text})
		}
	}
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// leaderlessProblem says whether a group lacks a quorum, and who is missing.
func (n *Node) leaderlessProblem(g *catalogue.Group, ns names) view.Problem {
	var missing []string
	for _, m := range g.Configured {
		if !n.hears(m.Node) {
			missing = append(missing, ns.of(m.Node))
		}
	}
	if len(missing)*2 >= len(g.Configured) && len(missing) > 0 {
		return view.Problem{
			Kind: "no_quorum", Thing: g.Name, Reason: fmt.Sprintf("%d of %d members are on nodes that are gone: %s", len(missing), len(g.Configured), strings.Join(missing, ", ")),
			Remedy: fmt.Sprintf("bring %s back; if it never returns: fleetctl group recover %s", missing[0], g.Name),
		}
	}
	return view.Problem{Kind: "no_leader", Thing: g.Name, Reason: "no node says that it leads it", Remedy: "an election should end this within seconds; if not, see fleetctl group show " + g.Name}
}
