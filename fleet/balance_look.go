package fleet

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// What is told here is worked out from the copy of the catalogue of the node that is
// asked, by the same code that plans: any active node can tell it, also while the
// catalogue has no leader, and it costs the planner nothing.

// Skew tells how evenly the fleet is loaded by the present targets.
func (n *Node) Skew(ctx context.Context) (view.Skew, error) {
	return seen(ctx, n, viewRequest{Skew: true}, func(_ context.Context, c *catalogue.Machine) (view.Skew, error) {
		return viewSkew(planner.Placement(c, n.cfg.limits(), time.Time{}).Skew(), c, namesOf(c.Nodes())), nil
	})
}

func viewSkew(s placement.Skew, c *catalogue.Machine, ns names) view.Skew {
	v := view.Skew{Nodes: []view.SkewNode{}, Zones: []view.SkewZone{}, Problems: []view.Problem{},
		FewGroups: s.BelowReplicas.Count, FewZones: s.TooFewZones.Count}
	for _, row := range s.Nodes {
		if row.State == placement.Active {
			v.MemberMax = max(v.MemberMax, shareRatio(row.MembersPermille, row.MembersFair))
			v.LeaderMax = max(v.LeaderMax, shareRatio(row.LeadersPermille, row.LeadersFair))
		}
		v.Nodes = append(v.Nodes, view.SkewNode{Node: ns.of(row.ID), Zone: row.Zone, State: row.State.String(), Weight: row.Weight,
			Members: int(row.Members), Share: thousandth(row.MembersFair), Ratio: shareRatio(row.MembersPermille, row.MembersFair),
			Leaders: int(row.Leaders), LeaderShare: thousandth(row.LeadersFair), LeaderRatio: shareRatio(row.LeadersPermille, row.LeadersFair)})
	}
	for _, row := range s.Zones {
		v.Zones = append(v.Zones, view.SkewZone{Zone: row.Zone, Nodes: row.Nodes, Weight: int(row.Weight), Members: int(row.Members),
			Share: thousandth(row.MembersFair), Ratio: shareRatio(row.MembersPermille, row.MembersFair), Leaders: int(row.Leaders)})
	}
	v.Problems = append(v.Problems, infeasibleProblems(s.Infeasible, c, ns)...)
	return v
}

func thousandth(milli int64) float64 { return float64(milli) / 1000 }

// ratio is rounded to hundredths: more would tell nothing.
func ratio(permille int64) float64 { return math.Round(float64(permille)/10) / 100 }

// shareRatio is 0 for who has no share.
func shareRatio(permille, fair int64) float64 {
	if fair == 0 {
		return 0
	}
	return ratio(permille)
}

// Explain tells why a group is where it is: for every node why it holds a member, or
// does not.
func (n *Node) Explain(ctx context.Context, name string) (view.Explanation, error) {
	return seen(ctx, n, viewRequest{Explain: name}, func(ctx context.Context, c *catalogue.Machine) (view.Explanation, error) {
		g, ok := c.Group(name)
		if !ok {
			n.catchUpBriefly(ctx) // it may be new
			if g, ok = c.Group(name); !ok {
				return view.Explanation{}, fmt.Errorf("fleet: explain group %q: %w", name, ErrNoGroup)
			}
		}
		x, ok := planner.Placement(c, n.cfg.limits(), n.exec.Now()).Explain(g.ID)
		if !ok {
			return view.Explanation{}, fmt.Errorf("fleet: explain group %q: it was removed a moment ago: %w", name, ErrNoGroup)
		}
		ns := namesOf(c.Nodes())
		v := view.Explanation{Group: g.Name, Replicas: g.Replicas, Members: ns.allOf(g.ConfiguredNodes()), Target: ns.allOf(g.TargetNodes()), Preferred: ns.of(g.Preferred),
			Cause: kindName(g.Cause.Kind), Reason: ns.in(g.Cause.Text), Since: time.Unix(0, g.Since).UTC(), Candidates: []view.Candidate{}}
		if x.Target != nil {
			v.Next = ns.in(x.Target.Reason.String())
			v.Held = heldBack(planner.HolderOf(c, n.cfg.limits(), n.exec.Now(), n.hears), g, x.Target.Reason.Kind, true)
		}
		for _, candidate := range x.Candidates {
			v.Candidates = append(v.Candidates, view.Candidate{Node: ns.of(candidate.ID), Zone: candidate.Zone, State: candidate.State.String(), Rank: candidate.Rank,
				Member: candidate.Holds, Leader: candidate.Leads, InZone: candidate.ZoneUse, Members: int(candidate.Members), Share: thousandth(candidate.MembersFair),
				Why: ns.in(candidate.Why)})
		}
		return v, nil
	})
}

// heldBack says why a change that is wanted for some cause does not begin, as far as the
// catalogue tells; empty where nothing there keeps it. What holds all groups is told in
// full where only one is asked about.
func heldBack(h *planner.Holder, g *catalogue.Group, kind placement.Kind, alone bool) string {
	switch hold, until := h.Hold(g, kind); hold {
	case planner.HeldPaused:
		if alone {
			return byline("moves were paused", h.Pause.By, h.Pause.Reason)
		}
		return "moves are paused"
	case planner.HeldBraked:
		if alone {
			return h.Brake
		}
		return "too much of the fleet is gone at once"
	case planner.HeldNoQuorum:
		return "most voters of the group are not heard: it can move when they are back"
	case planner.HeldMoving:
		return "it is on the move to its present target"
	case planner.HeldResting:
		what := "it moved for balance"
		if g.Back {
			what = fmt.Sprintf("its last move failed (%s so far)", count(g.Failures, "time"))
		}
		return what + " and rests until " + until.UTC().Format(time.DateTime)
	}
	return ""
}

const (
	// mostOutcomeMoves bounds how many changes an outcome names.
	mostOutcomeMoves = 1000
	// mostAdded bounds how many nodes a question adds.
	mostAdded = 1000
)

// WhatIf tells what the planner would do, and what the fleet would look like then, if
// nodes went, came, or had other weights. It changes nothing.
func (n *Node) WhatIf(ctx context.Context, question view.WhatIf) (view.Outcome, error) {
	return seen(ctx, n, viewRequest{WhatIf: &question}, func(ctx context.Context, c *catalogue.Machine) (view.Outcome, error) {
		fail := func(err error) (view.Outcome, error) { return view.Outcome{}, fmt.Errorf("fleet: what if: %w", err) }
		ns := namesOf(c.Nodes())
		change, err := n.changeOf(ctx, c, &question, ns)
		if err != nil {
			return fail(err)
		}
		o := planner.Placement(c, n.cfg.limits(), n.exec.Now()).WhatIf(change)
		if len(o.UnknownZones) > 0 {
			return fail(fmt.Errorf("no node is in zone %q: %w", o.UnknownZones[0], group.ErrInvalidArgument))
		}
		v := view.Outcome{Moves: plannedMoves(o.Moves, c, ns), Groups: o.GroupsChanged, MembersMoved: o.MembersMoved, LeadersMoved: o.LeadersMoved,
			Before: viewSkew(o.Before, c, ns), After: viewSkew(o.After, c, ns), LoseQuorum: groupNames(o.LosesQuorum.First, c), LoseSpread: groupNames(o.LosesSpread.First, c),
			QuorumsLost: o.LosesQuorum.Count, SpreadsLost: o.LosesSpread.Count, Problems: []view.Problem{}}
		v.Problems = append(v.Problems, v.After.Problems...)
		n.tellRisks(ctx, &v, c, &change, ns)
		b, err := n.Balance(ctx)
		if pause := planner.PauseIn(c.Settings()); pause != nil && v.Held == "" {
			v.Held = byline("moves are paused", pause.By, pause.Reason)
		}
		if err == nil && b.PerMinute > 0 && v.Held == "" {
			v.ETA = math.Round(float64(v.Groups) / b.PerMinute * 60)
		}
		return v, nil
	})
}

// changeOf puts a question into the words of package placement, and adds to the names
// those of nodes that might come.
func (n *Node) changeOf(ctx context.Context, c *catalogue.Machine, q *view.WhatIf, ns names) (placement.Change, error) {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, group.ErrInvalidArgument)...)
	}
	change := placement.Change{ZonesDown: q.ZoneDown}
	set := make(map[ident.NodeID]placement.Node)
	find := func(name string) (placement.Node, error) {
		found, err := n.findNode(ctx, name)
		if err != nil {
			return placement.Node{}, err
		}
		if s, ok := set[found.ID]; ok {
			return s, nil
		}
		return placement.Node{ID: found.ID, Zone: found.Zone, Weight: found.Weight, State: found.State}, nil
	}
	for _, name := range q.Remove {
		node, err := find(name)
		if err != nil {
			return change, err
		}
		change.Remove = append(change.Remove, node.ID)
	}
	for _, name := range q.Drain {
		node, err := find(name)
		if err != nil {
			return change, err
		}
		node.State = placement.Draining
		set[node.ID] = node
	}
	for name, weight := range q.Weights {
		if weight < 1 || weight > placement.MaxWeight {
			return change, invalid("the weight of node %q is %d: give 1 to %d", name, weight, placement.MaxWeight)
		}
		node, err := find(name)
		if err != nil {
			return change, err
		}
		node.Weight = weight
		set[node.ID] = node
	}
	for _, node := range set {
		change.Set = append(change.Set, node)
	}
	added := 0
	for _, a := range q.Add {
		weight, number := a.Weight, a.Count
		if weight == 0 {
			weight = 1
		}
		if number == 0 {
			number = 1
		}
		if weight < 1 || weight > placement.MaxWeight || number < 1 || number > mostAdded-added {
			return change, invalid("%d nodes of weight %d are to be added: give 1 to %d nodes in all, each of weight 1 to %d", number, weight, mostAdded, placement.MaxWeight)
		}
		for range number {
			added++
			id := ident.NodeID(added)
			for _, taken := c.Node(id); taken; _, taken = c.Node(id) {
				id += mostAdded
			}
			ns[id] = fmt.Sprintf("new-%d", added)
			change.Set = append(change.Set, placement.Node{ID: id, Zone: a.Zone, Weight: weight, State: placement.Active})
		}
	}
	if len(change.Set)+len(change.Remove)+len(change.ZonesDown) == 0 {
		return change, invalid("nothing is asked: name nodes to remove, drain, add or weigh, or a zone that is down")
	}
	return change, nil
}

// plannedMoves puts the moves of one group together, in the order of the first of each.
func plannedMoves(moves []placement.Move, c *catalogue.Machine, ns names) []view.PlannedMove {
	out := []view.PlannedMove{}
	at := make(map[ident.GroupID]int)
	for _, m := range moves {
		i, seen := at[m.Group]
		if !seen {
			g, ok := c.GroupByID(m.Group)
			if !ok || len(out) == mostOutcomeMoves {
				continue
			}
			i = len(out)
			at[m.Group] = i
			out = append(out, view.PlannedMove{Group: g.Name, Cause: m.Kind.String(), From: []string{}, To: []string{}, Leader: ns.of(g.Preferred)})
		}
		v := &out[i]
		if m.Kind == placement.Lead {
			v.Leader = ns.of(m.To)
			continue
		}
		if m.From != 0 {
			v.From = append(v.From, ns.of(m.From))
		}
		if m.To != 0 {
			v.To = append(v.To, ns.of(m.To))
		}
	}
	return out
}

func groupNames(ids []ident.GroupID, c *catalogue.Machine) []string {
	out := []string{}
	for _, id := range ids {
		if g, ok := c.GroupByID(id); ok {
			out = append(out, g.Name)
		}
	}
	slices.Sort(out)
	return out
}
