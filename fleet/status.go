package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// viewRequest asks a node with the catalogue for a view, on behalf of one without.
type viewRequest struct {
	Status   bool
	Archives bool
	Node     string // NodeDetail
	Drain    string // DrainProgress
	Check    string // Check
	Group    string // GroupStatus
	List     *listRequest
	Balance  bool
	Limits   bool
	Moves    *listRequest
	Plan     *listRequest
	Skew     bool
	Explain  string // a group
	WhatIf   *view.WhatIf
}

type listRequest struct {
	Prefix, After string
	Limit         int
}

// seen answers a view here, or through a node that has the catalogue.
func seen[T any](ctx context.Context, n *Node, r viewRequest, here func(context.Context, *catalogue.Machine) (T, error)) (T, error) {
	var v T
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if c := n.catalogue.Load(); c != nil {
		return here(ctx, c)
	}
	body, err := n.forwardFor(ctx, forwardRequest{View: &r})
	if err != nil {
		return v, err
	}
	return v, decodeBody(body, &v)
}

func (n *Node) viewHere(ctx context.Context, r *viewRequest) ([]byte, error) {
	encode := func(v any, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return msgpack.Marshal(v)
	}
	switch {
	case r.Status:
		return encode(n.Status(ctx))
	case r.Archives:
		return encode(n.Archives(ctx))
	case r.Node != "":
		return encode(n.NodeDetail(ctx, r.Node))
	case r.Drain != "":
		return encode(n.DrainProgress(ctx, r.Drain))
	case r.Check != "":
		return encode(n.Check(ctx, r.Check))
	case r.Group != "":
		return encode(n.GroupStatus(ctx, r.Group))
	case r.Balance:
		return encode(n.Balance(ctx))
	case r.Limits:
		return encode(n.Limits(ctx))
	case r.Moves != nil:
		return encode(n.Moves(ctx, r.Moves.Limit))
	case r.Plan != nil:
		return encode(n.Plan(ctx, r.Plan.Limit))
	case r.Skew:
		return encode(n.Skew(ctx))
	case r.Explain != "":
		return encode(n.Explain(ctx, r.Explain))
	case r.WhatIf != nil:
		return encode(n.WhatIf(ctx, *r.WhatIf))
	case r.List != nil:
		return encode(n.ListGroups(ctx, r.List.Prefix, r.List.After, r.List.Limit))
	}
	return nil, errMalformedRequest
}

// Nodes lists the nodes of the fleet.
func (n *Node) Nodes(ctx context.Context) ([]view.Node, error) {
	s, err := n.Status(ctx)
	if err == nil && s.Joining != nil {
		_, err = n.joining(nil)
	}
	return s.Nodes, err
}

func (n *Node) statusHere(ctx context.Context, c *catalogue.Machine) (view.Status, error) {
	table := n.leaders(ctx)
	nodes := c.Nodes()
	ns := namesOf(nodes)
	s := view.Status{FleetID: n.store.Identity().Fleet, Node: n.cfg.Name, Groups: c.NumGroups(), Problems: []view.Problem{}}
	for _, node := range nodes {
		s.Nodes = append(s.Nodes, n.viewNode(c, node, table))
	}
	slices.SortFunc(s.Nodes, func(a, b view.Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	var leaderless []*catalogue.Group
	for _, g := range c.Groups("", c.NumGroups()) {
		s.Members += len(g.Configured)
		if g.Settled != g.Epoch {
			s.MovesInFlight++
		}
		if table.of[g.ID] == 0 {
			leaderless = append(leaderless, g)
		}
	}
	s.GroupsWithoutLeader = len(leaderless)
	s.Catalogue.Voters = []string{}
	var voters []ident.NodeID
	if info, ok := n.host.Info(ident.Catalogue); ok {
		s.Catalogue.Leader, s.Catalogue.Term = ns.of(info.Leader), info.Term
		if st, err := n.host.Status(ctx, ident.Catalogue); err == nil {
			voters = nodesOfVoters(st.Core.Config.Voters)
			s.Catalogue.Voters = ns.allOf(voters)
		}
	}
	s.Problems = append(s.Problems, n.problems(c, nodes, ns, table, leaderless, voters)...)
	return s, nil
}

func (n *Node) viewNode(c *catalogue.Machine, node catalogue.Node, table leaderTable) view.Node {
	v := view.Node{
		ID: node.ID, Name: node.Name, Zone: node.Zone, State: node.State.String(), Alive: n.hears(node.ID),
		Leaders: table.each[node.ID], Weight: node.Weight, Since: time.Unix(0, node.Since).UTC(), Reason: node.Reason,
		Addr: node.Wire, Admin: node.Admin,
	}
	if node.State == placement.Suspect && v.Alive {
		v.Reason = "it is heard again, and trusted when it has been for a while"
	}
	for _, g := range c.HostedBy(node.ID) {
		if _, ok := memberOn(g.Configured, node.ID); ok {
			v.Members++
		}
	}
	for _, m := range n.gossip.Members() {
		if m.Node == node.ID && m.Alive {
			v.Addr, v.Admin = m.Wire, m.Admin
		}
	}
	return v
}

// NodeDetail tells of one node, by name or id, with what it hosts.
func (n *Node) NodeDetail(ctx context.Context, node string) (view.NodeDetail, error) {
	return seen(ctx, n, viewRequest{Node: node}, func(ctx context.Context, c *catalogue.Machine) (view.NodeDetail, error) {
		found, err := n.findNode(ctx, node)
		if err != nil {
			return view.NodeDetail{}, err
		}
		table := n.leaders(ctx)
		d := view.NodeDetail{Node: n.viewNode(c, found, table), Groups: []view.HostedMember{}, Problems: []view.Problem{}}
		for _, g := range c.HostedBy(found.ID) {
			h := view.HostedMember{Group: g.Name, Role: "learner"}
			_, h.Target = memberOn(g.Target, found.ID)
			if _, ok := memberOn(g.Configured, found.ID); ok {
				h.Role = "follower"
			}
			if table.of[g.ID] == found.ID {
				h.Role = "leader"
			} else if table.of[g.ID] == 0 {
				h.Role = "unknown"
			}
			d.Groups = append(d.Groups, h)
		}
		slices.SortFunc(d.Groups, func(a, b view.HostedMember) int { return cmp.Compare(a.Group, b.Group) })
		return d, nil
	})
}

// ListGroups returns at most limit groups whose name begins with prefix and comes
// after the given name, by name.
func (n *Node) ListGroups(ctx context.Context, prefix, after string, limit int) ([]view.Group, error) {
	r := listRequest{prefix, after, limit}
	return seen(ctx, n, viewRequest{List: &r}, func(ctx context.Context, c *catalogue.Machine) ([]view.Group, error) {
		table := n.leaders(ctx)
		ns := namesOf(c.Nodes())
		out := []view.Group{}
		// Names with the prefix stand together, from the prefix itself on.
		from := after
		if from < prefix {
			if g, ok := c.Group(prefix); ok && limit > 0 {
				out = append(out, viewGroup(g, ns, table))
			}
			from = prefix
		}
		for len(out) < limit {
			page := c.Groups(from, limit-len(out))
			for _, g := range page {
				if !strings.HasPrefix(g.Name, prefix) {
					return out, nil
				}
				out = append(out, viewGroup(g, ns, table))
				from = g.Name
			}
			if len(page) == 0 {
				break
			}
		}
		return out, nil
	})
}

func viewGroup(g *catalogue.Group, ns names, table leaderTable) view.Group {
	return view.Group{
		Name: g.Name, GroupID: g.ID, Type: g.Type, Replicas: g.Replicas,
		Leader: ns.of(table.of[g.ID]), Members: ns.all(g.Configured), Target: ns.all(g.Target),
	}
}
