package planner

import (
	"math"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// book is the catalogue as far as it was followed: the groups that are on the move,
// and what placement would change. Between two looks only what changed is read anew.
type book struct {
	of     *catalogue.Machine
	index  uint64
	groups map[ident.GroupID]*catalogue.Group
	moving map[ident.GroupID]*catalogue.Group // whose target is not reached
	rests  map[ident.GroupID]int64            // log time until which placement was told that it rests
	nodes  map[ident.NodeID]placement.Node    // as placement was told

	policy  placement.Policy
	trust   time.Duration // Limits.TrustAfter
	planner *placement.Planner
	plan    *placement.Result // nil where something changed since

	now  int64
	done int // moves of members that ended well since doneLog looked
}

// follow reads what changed.
func (b *book) follow(now time.Time, c *catalogue.Machine, nodes []catalogue.Node, limits *Limits) {
	policy := limits.policy()
	b.now, b.trust = now.UnixNano(), limits.TrustAfter
	groups, _, index, complete := c.Changes(b.index)
	if c != b.of || !complete || policy != b.policy {
		*b = book{of: c, policy: policy, trust: b.trust, planner: placement.NewPlanner(policy), done: b.done,
			groups: make(map[ident.GroupID]*catalogue.Group), moving: make(map[ident.GroupID]*catalogue.Group),
			rests: make(map[ident.GroupID]int64), now: b.now, nodes: make(map[ident.NodeID]placement.Node)}
		b.followNodes(nodes)
		for _, g := range c.Groups("", 0) {
			b.enter(g.ID, g)
		}
		b.index = index
		return
	}
	b.followNodes(nodes)
	for _, id := range groups {
		g, _ := c.GroupByID(id)
		b.enter(id, g)
	}
	for id, until := range b.rests {
		if until <= b.now {
			b.enter(id, b.groups[id])
		}
	}
	b.index = index
}

// followNodes tells placement which nodes came, went or changed.
func (b *book) followNodes(nodes []catalogue.Node) {
	there := make(map[ident.NodeID]bool, len(nodes))
	for i := range nodes {
		n := placementNode(&nodes[i], b.now, b.trust)
		there[n.ID] = true
		if b.nodes[n.ID] != n {
			b.nodes[n.ID], b.plan = n, nil
			b.planner.SetNode(n)
		}
	}
	for id := range b.nodes {
		if !there[id] {
			delete(b.nodes, id)
			b.plan = nil
			b.planner.RemoveNode(id)
		}
	}
}

// enter takes a group in, or out where it is gone.
func (b *book) enter(id ident.GroupID, g *catalogue.Group) {
	b.plan = nil
	if g == nil {
		delete(b.groups, id)
		delete(b.moving, id)
		delete(b.rests, id)
		b.planner.RemoveGroup(id)
		return
	}
	if was := b.moving[id]; was != nil && was.Epoch == g.Epoch && g.Settled == g.Epoch && !g.Back && g.Cause.Kind != placement.Lead {
		b.done++
	}
	b.groups[id] = g
	if g.Settled != g.Epoch {
		b.moving[id] = g
	} else {
		delete(b.moving, id)
	}
	told := placementGroup(g)
	if told.Resting = g.RestUntil > b.now; told.Resting {
		b.rests[id] = g.RestUntil
	} else {
		delete(b.rests, id)
	}
	b.planner.SetGroup(told)
}

// rested is when the first group that rests has rested; zero when none does.
func (b *book) rested() time.Time {
	var first int64
	for _, until := range b.rests {
		if first == 0 || until < first {
			first = until
		}
	}
	if first == 0 {
		return time.Time{}
	}
	return time.Unix(0, first)
}

// best is what placement would change now.
func (b *book) best() *placement.Result {
	if b.plan == nil {
		plan := b.planner.Plan()
		b.plan = &plan
	}
	return b.plan
}

// Placement is a planner of package placement that knows all of the catalogue: what the
// planner works with, for somebody who only looks. Groups that rest at the given time
// rest, and nodes that came back a short while ago get nothing; at the zero time none
// does, and all may. Telling it everything costs time in proportion to the number of
// groups.
func Placement(c *catalogue.Machine, given Limits, now time.Time) *placement.Planner {
	p := placement.NewPlanner(Policy(c, given))
	for _, n := range Nodes(c, given, now) {
		p.SetNode(n)
	}
	for _, g := range c.Groups("", 0) {
		told := placementGroup(g)
		told.Resting = !now.IsZero() && g.RestUntil > now.UnixNano()
		p.SetGroup(told)
	}
	return p
}

// Nodes are the catalogue's nodes as package placement is told of them at a time, or as
// they will be when all have stayed for long enough, at the zero time.
func Nodes(c *catalogue.Machine, given Limits, now time.Time) []placement.Node {
	limits, _ := FromSettings(c.Settings(), given)
	if now.IsZero() {
		return placementNodes(c.Nodes(), math.MaxInt64, 0)
	}
	return placementNodes(c.Nodes(), max(now.UnixNano(), c.Time()), limits.TrustAfter)
}

func placementNodes(nodes []catalogue.Node, now int64, trust time.Duration) []placement.Node {
	out := make([]placement.Node, len(nodes))
	for i := range nodes {
		out[i] = placementNode(&nodes[i], now, trust)
	}
	return out
}

func placementNode(n *catalogue.Node, now int64, trust time.Duration) placement.Node {
	return placement.Node{ID: n.ID, Zone: n.Zone, Weight: n.Weight, State: n.State, Returned: trustedFrom(n, trust).After(time.Unix(0, now))}
}

// trustedFrom is the log time from which a node gets new members: at once if it is new,
// and a while after it returned, however it came to be gone. One whose process falls and
// begins again for ever gets none, whether or not anybody missed it meanwhile.
func trustedFrom(n *catalogue.Node, trust time.Duration) time.Time {
	if n.Returned == 0 {
		return time.Time{}
	}
	return time.Unix(0, n.Returned).Add(trust)
}

func placementGroup(g *catalogue.Group) placement.Group {
	return placement.Group{ID: g.ID, Name: g.Name, Replicas: g.Replicas, Leader: g.Preferred, Cost: 1, Epoch: g.Epoch,
		Members: g.TargetNodes(), Voters: g.ConfiguredNodes()}
}
