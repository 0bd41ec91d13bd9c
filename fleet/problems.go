package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// mostProblems bounds how many groups a status names for one kind of problem.
const mostProblems = 20

func (n *Node) problems(c *catalogue.Machine, nodes []catalogue.Node, ns names, table leaderTable, leaderless []*catalogue.Group, voters []ident.NodeID) []view.Problem {
	var out []view.Problem
	settings := c.Settings()
	limits, _ := planner.FromSettings(settings, n.cfg.limits())
	if info, ok := n.host.Info(ident.Catalogue); ok && info.Leader == 0 {
		out = append(out, n.catalogueProblem(voters, ns))
	}
	for _, node := range nodes {
		switch alive := n.hears(node.ID); {
		case node.State == placement.Dead:
			out = append(out, deadProblem(node, ns.of(node.ID), alive, len(c.HostedBy(node.ID))))
		case !alive && node.State != placement.Inactive:
			out = append(out, view.Problem{
				Kind: "node_unreachable", Thing: ns.of(node.ID), Reason: "gossip does not hear it", Since: n.silentSince(node),
				Remedy: fmt.Sprintf("start it again; after %s its members are replaced; if it never returns: fleetctl node forget %s", limits.PurgeAfter, quoted(ns.of(node.ID))),
			})
		}
	}
	if pause := planner.PauseIn(settings); pause != nil {
		out = append(out, pausedProblem(pause))
	}
	if why := planner.Brake(c, nodes, limits.BrakePercent, n.hears); why != "" {
		out = append(out, view.Problem{Kind: "repair_held", Thing: "fleet", Reason: why + ": members are not replaced meanwhile", Remedy: "bring the nodes back, or fleetctl node forget those that will not return"})
	}
	for i, g := range leaderless {
		if i == mostProblems {
			out = append(out, view.Problem{Kind: "no_leader", Thing: "groups", Reason: fmt.Sprintf("%d more groups have no leader", len(leaderless)-i), Remedy: "see fleetctl group ls for which"})
			break
		}
		out = append(out, n.leaderlessProblem(g, ns, table.deaf))
	}
	few := 0
	for _, g := range c.Groups("", c.NumGroups()) {
		if len(g.Configured) < g.Replicas {
			if few++; few <= mostProblems {
				out = append(out, view.Problem{Kind: "too_few_members", Thing: g.Name, Reason: fmt.Sprintf("%d of %d members", len(g.Configured), g.Replicas), Remedy: "activate more nodes"})
			}
		}
	}
	if few > mostProblems {
		out = append(out, view.Problem{Kind: "too_few_members", Thing: "groups", Reason: fmt.Sprintf("%d more groups have too few members", few-mostProblems), Remedy: "activate more nodes"})
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
	out = append(out, n.foreignProblems()...)
	if r := n.planner.report.Load(); r != nil {
		out = append(out, infeasibleProblems(r.Infeasible, c, ns)...)
	}
	return out
}

// catalogueProblem names the voters that are missed.
func (n *Node) catalogueProblem(voters []ident.NodeID, ns names) view.Problem {
	p := view.Problem{
		Kind: "catalogue_no_leader", Thing: "catalogue", Reason: "this node knows of no leader of the catalogue; nothing can be added, moved or removed",
		Remedy: "an election should end this within seconds; if not, look at the nodes that hold it: " + strings.Join(ns.allOf(voters), ", "),
	}
	var missing []ident.NodeID
	for _, id := range voters {
		if !n.hears(id) {
			missing = append(missing, id)
		}
	}
	if len(missing)*2 >= len(voters) && len(missing) > 0 {
		p.Reason += fmt.Sprintf("; of its %s these are not heard: %s", count(len(voters), "voter"), strings.Join(ns.allOf(missing), ", "))
		p.Remedy = fmt.Sprintf("bring back %d of them, with their data", len(missing)-(len(voters)-1)/2)
	}
	return p
}

// silentSince is when a node ceased to be heard or, where this node never heard it,
// when it entered its state.
func (n *Node) silentSince(node catalogue.Node) time.Time {
	for _, m := range n.gossip.Members() {
		if m.Node == node.ID && !m.Alive {
			return m.Since.UTC()
		}
	}
	return time.Unix(0, node.Since).UTC()
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// deadProblem says what is left to do about a node that was given up, by the fleet or
// by somebody who forgot it.
func deadProblem(node catalogue.Node, name string, alive bool, groups int) view.Problem {
	p := view.Problem{Kind: "node_dead", Thing: name, Reason: node.Reason, Since: time.Unix(0, node.Since).UTC()}
	if p.Reason == "" {
		p.Reason = "it was given up"
	}
	switch {
	case alive:
		p.Reason += "; it is heard again"
		p.Remedy = "nothing: it comes back by itself within seconds; if it does not, restart it"
	case groups > 0:
		p.Reason += fmt.Sprintf("; members that it had are being replaced, of %s still", count(groups, "group"))
		p.Remedy = "wait until they are; if it returns after all, start it: it comes back"
	default:
		p.Reason += "; it has no members any more"
		p.Remedy = "take it off the list: fleetctl node forget " + quoted(name) + "; or start it: it comes back"
	}
	return p
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// infeasibleProblems tells what placement cannot help; of groups without a quorum, which
// may be many, the first ones.
func infeasibleProblems(reasons []placement.Reason, c *catalogue.Machine, ns names) []view.Problem {
	var out []view.Problem
	lost := 0
	for _, reason := range reasons {
		p, more := infeasibleProblem(reason, c, ns)
		if !more {
			continue
		}
		if reason.Kind == placement.NoQuorum {
			if lost++; lost > mostProblems {
				continue
			}
		}
		out = append(out, p)
	}
	if lost > mostProblems {
		out = append(out, view.Problem{Kind: "infeasible", Thing: "groups", Reason: fmt.Sprintf("%d more groups have lost most of their voters", lost-mostProblems), Remedy: "bring the missing nodes back"})
	}
	return out
}

// infeasibleProblem puts what placement cannot help into the words of this fleet:
// placement knows ids only. It is false for what another problem tells already.
func infeasibleProblem(r placement.Reason, c *catalogue.Machine, ns names) (view.Problem, bool) {
	p := view.Problem{Kind: "infeasible", Thing: "placement", Reason: r.Text}
	if r.From != 0 {
		p.Thing = ns.of(r.From)
		p.Reason = strings.ReplaceAll(p.Reason, r.From.String(), ns.of(r.From))
	} else if r.Zone != "" {
		p.Thing = "zone " + r.Zone
	}
	switch r.Kind {
	case placement.NoQuorum:
		g, ok := c.GroupByID(r.Group)
		if !ok {
			return p, false // it was removed meanwhile
		}
		p.Thing = g.Name
		p.Remedy = fmt.Sprintf("bring the missing nodes back; if they never return: fleetctl group recover %s", quoted(g.Name))
	case placement.FewNodes:
		p.Remedy = "activate more nodes"
	case placement.Stranded:
		p.Remedy = "activate another node; or take the drain back: fleetctl node undrain " + quoted(ns.of(r.From))
	case placement.ZoneLimit:
		p.Remedy = "activate nodes in more zones"
	case placement.ZoneSkew:
		p.Remedy = "activate more nodes in zone " + r.Zone + ", or leave it: the groups are safe, the load is uneven"
	default:
		p.Remedy = "activate more nodes in other zones, or leave it: the groups are safe, the load is uneven"
	}
	return p, true
}

// mostStrangers bounds how many nodes of other fleets a status names.
const mostStrangers = 5

// foreignProblems tells of nodes of other fleets that this node and they refused lately.
func (n *Node) foreignProblems() []view.Problem {
	own := n.gossip.Self().Fleet
	var out []view.Problem
	for i, s := range n.gossip.Strangers() {
		if i == mostStrangers {
			break
		}
		out = append(out, view.Problem{
			Kind: "other_fleet", Thing: n.cfg.Name, Since: s.At.UTC(),
			Reason: fmt.Sprintf("node %s at %s is of fleet %s and this node, %s, of fleet %s: they refuse each other", s.Name, s.Addr, s.Fleet, n.cfg.Name, own),
			Remedy: "check the join addresses of both; a node can change its fleet only with an empty data folder",
		})
	}
	return out
}

// leaderlessProblem says whether a group lacks a quorum, and who is missing. Nodes
// that gossip hears may still not answer: those are deaf.
func (n *Node) leaderlessProblem(g *catalogue.Group, ns names, deaf []ident.NodeID) view.Problem {
	var missing, mute []string
	for _, m := range g.Configured {
		switch {
		case !n.hears(m.Node):
			missing = append(missing, ns.of(m.Node))
		case slices.Contains(deaf, m.Node):
			mute = append(mute, ns.of(m.Node))
		}
	}
	return withoutLeader(g.Name, len(g.Configured), missing, mute)
}

func withoutLeader(group string, members int, missing, mute []string) view.Problem {
	silent := append(mute, missing...)
	switch {
	case len(missing)*2 >= members && len(missing) > 0:
		return view.Problem{
			Kind: "no_quorum", Thing: group, Reason: fmt.Sprintf("%d of %d members are on nodes that are gone: %s", len(missing), members, strings.Join(missing, ", ")),
			Remedy: fmt.Sprintf("bring %s back; if it never returns: fleetctl group recover %s", missing[0], quoted(group)),
		}
	case len(silent)*2 >= members && len(silent) > 0:
		return view.Problem{
			Kind: "no_leader", Thing: group, Reason: fmt.Sprintf("no node says that it leads it; %d of %d members are on nodes that do not answer: %s", len(silent), members, strings.Join(silent, ", ")),
			Remedy: "look at these nodes: it needs a majority of its members",
		}
	}
	return view.Problem{Kind: "no_leader", Thing: group, Reason: "no node says that it leads it", Remedy: "an election should end this within seconds; if not, see fleetctl group show " + quoted(group)}
}
