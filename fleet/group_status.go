package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// memberReport is what a member tells of its group to another node.
type memberReport struct {
	Member       ident.MemberID // who tells
	Config       []byte         // the configuration that it goes by, as consensus encodes it
	Leader       ident.NodeID
	Term, Commit uint64
	Durable      uint64 // index of the last entry that is on its disk
	DurableTerm  uint64 // never 0
	LogBytes     uint64
	SnapshotSize int64
	Asleep       bool
	Step         string // the next one to the target, as the leader sees it
	Waits        bool   // the step cannot be taken yet
	Members      []reportedMember
}

type reportedMember struct {
	ID           ident.MemberID
	Node         ident.NodeID
	Role         string
	Applied, Lag uint64
	Unresponsive bool
}

// memberStatus tells of a group as this node's member sees it.
func (n *Node) memberStatus(ctx context.Context, g ident.GroupID) (memberReport, error) {
	s, err := n.host.Status(ctx, g)
	if err != nil {
		return memberReport{}, err
	}
	if s.Info.Failed != nil {
		return memberReport{}, s.Info.Failed
	}
	r := memberReport{
		Member: ident.MemberID(s.Core.ID), Config: s.Core.Config.AppendBinary(nil), Leader: s.Info.Leader, Term: s.Info.Term, Commit: s.Core.Commit,
		Durable: s.Core.Durable, DurableTerm: s.Core.DurableTerm, LogBytes: s.Core.LogBytes, SnapshotSize: s.SnapshotSize, Asleep: s.Info.Asleep,
	}
	add := func(ms []consensus.Member, role string) {
		for _, m := range ms {
			if slices.ContainsFunc(r.Members, func(have reportedMember) bool { return have.ID == ident.MemberID(m.ID) }) {
				continue
			}
			rm := reportedMember{ID: ident.MemberID(m.ID), Node: ident.NodeID(m.Node), Role: role}
			if rm.Node == r.Leader && r.Leader != 0 {
				rm.Role = "leader"
			}
			behind, ok := lag(&s.Core, m.ID)
			rm.Lag, rm.Unresponsive = behind, !ok
			rm.Applied = s.Core.Last - behind
			if m.ID == s.Core.ID {
				rm.Applied = s.Core.Applied
			}
			r.Members = append(r.Members, rm)
		}
	}
	add(s.Core.Config.Voters, "voter")
	add(s.Core.Config.Outgoing, "outgoing")
	add(s.Core.Config.Learners, "learner")
	if c := n.catalogue.Load(); c != nil && s.Core.Role == consensus.Leader {
		if known, ok := c.GroupByID(g); ok {
			next := nextStep(&s.Core, targetOf(known), n.id, n.mayLead, n.hears)
			r.Step, r.Waits = next.String(), next.kind == stepWait
			if next.optional && n.mover.wayGivers.waiting(g) {
				r.Step, r.Waits = "wait until leaders may change: moves are paused or held, or as many change as may; then "+r.Step, true
			}
		}
	}
	return r, nil
}

// GroupStatus tells of one group: from its leader or, where it has none, from
// what any of its members knows.
func (n *Node) GroupStatus(ctx context.Context, name string) (view.GroupStatus, error) {
	return seen(ctx, n, viewRequest{Group: name}, func(ctx context.Context, c *catalogue.Machine) (view.GroupStatus, error) {
		if name == catalogueName {
			return n.catalogueStatus(ctx, c)
		}
		if _, err := n.locateHere(ctx, name); errors.Is(err, ErrNoGroup) {
			return view.GroupStatus{}, fmt.Errorf("fleet: %w", err)
		}
		g, ok := c.Group(name)
		if !ok {
			return view.GroupStatus{}, fmt.Errorf("fleet: group %q: %w", name, ErrNoGroup)
		}
		ns := namesOf(c.Nodes())
		v := view.GroupStatus{
			Name: g.Name, GroupID: g.ID, Type: g.Type, Replicas: g.Replicas, Target: ns.all(g.Target), Preferred: ns.of(g.Preferred),
			Members: []view.Member{}, Problems: []view.Problem{},
		}
		if g.Recovered != "" {
			v.Recovered = time.Unix(0, g.Created).UTC().Format(time.DateTime) + ": " + g.Recovered
		}
		r, leads := n.askMembers(ctx, g)
		n.fillStatus(&v, c, ns, r)
		n.tellFailed(ctx, g.ID, &v, r)
		if !leads {
			v.Leader = ""
			v.Problems = append(v.Problems, n.leaderlessProblem(g, ns, n.leaders(ctx).deaf))
		}
		return v, nil
	})
}

func (n *Node) catalogueStatus(ctx context.Context, c *catalogue.Machine) (view.GroupStatus, error) {
	ns := namesOf(c.Nodes())
	v := view.GroupStatus{Name: catalogueName, GroupID: ident.Catalogue, Type: catalogueTypeName, Members: []view.Member{}, Target: []string{}, Problems: []view.Problem{}}
	r, err := n.memberStatus(ctx, ident.Catalogue)
	if err != nil {
		return v, err
	}
	if r.Leader != 0 && r.Leader != n.id {
		if b, err := n.ask(ctx, r.Leader, appendGroup(nil, opStatus, ident.Catalogue, nil)); err == nil {
			if err := decodeBody(b, &r); err != nil {
				return v, err
			}
		}
	}
	n.fillStatus(&v, c, ns, r)
	for _, m := range v.Members {
		if m.Role != "learner" {
			v.Replicas++
		}
	}
	return v, nil
}

func (n *Node) fillStatus(v *view.GroupStatus, c *catalogue.Machine, ns names, r memberReport) {
	v.Leader, v.Term, v.Commit, v.LogBytes, v.SnapshotSize, v.Asleep = ns.of(r.Leader), r.Term, r.Commit, r.LogBytes, r.SnapshotSize, r.Asleep
	for _, m := range r.Members {
		node, _ := c.Node(m.Node)
		v.Members = append(v.Members, view.Member{
			Node: ns.of(m.Node), Zone: node.Zone, MemberID: m.ID, Role: m.Role, Applied: m.Applied, Lag: m.Lag, Unresponsive: m.Unresponsive,
		})
	}
}

// tellFailed asks members that do not answer their leader whether they failed.
func (n *Node) tellFailed(ctx context.Context, g ident.GroupID, v *view.GroupStatus, r memberReport) {
	for i, m := range r.Members {
		if !m.Unresponsive || !n.hears(m.Node) {
			continue
		}
		if _, err := n.reportOf(ctx, g, m.Node); errors.Is(err, group.ErrMemberFailed) {
			v.Members[i].Failed = firstLine(err.Error())
			v.Problems = append(v.Problems, view.Problem{
				Kind: "member_failed", Thing: v.Name, Reason: fmt.Sprintf("its member on node %s: %s", v.Members[i].Node, v.Members[i].Failed),
				Remedy: "mend the cause and restart node " + v.Members[i].Node + ", or wipe it so that its members are replaced",
			})
		}
	}
}

// askMembers gets the report of a group's leader, or else of any member; leads
// tells which.
func (n *Node) askMembers(ctx context.Context, g *catalogue.Group) (best memberReport, leads bool) {
	asked := make(map[ident.NodeID]bool)
	var next []ident.NodeID
	if route, ok := n.router.table.Get(g.Name); ok && route.Group == g.ID {
		next = append(next, route.Leader)
	}
	for _, m := range append(slices.Clone(g.Configured), g.Target...) {
		if n.hears(m.Node) {
			next = append(next, m.Node)
		}
	}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if id == 0 || asked[id] {
			continue
		}
		asked[id] = true
		r, err := n.reportOf(ctx, g.ID, id)
		if err != nil {
			continue
		}
		if r.Leader == id {
			return r, true
		}
		if r.Term >= best.Term {
			best = r
		}
		if r.Leader != 0 && !asked[r.Leader] {
			next = append([]ident.NodeID{r.Leader}, next...)
		}
	}
	return best, false
}
