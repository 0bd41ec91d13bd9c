package admintest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// Balancing is what the fleet tells of balancing.
type Balancing struct {
	State view.Balance
	// Next are the states that Balance tells first, one after the other, before State.
	Next   []view.Balance
	Plan   []view.PlannedMove
	Moves  []view.Move
	Skew   view.Skew
	Limits []view.BalanceLimit
	// Outcome is the answer to every WhatIf, and Asked the last of them.
	Outcome view.Outcome
	Asked   view.WhatIf
}

// balanced is a fleet in which nothing is to move.
func balanced() Balancing {
	b := Balancing{
		State: view.Balance{State: view.BalanceDone, Why: "every group is where it should be", Planner: "a", At: Began, MoveLimit: 4},
		Limits: []view.BalanceLimit{
			{Name: "moves", Value: "0 (half the nodes, 4 to 64)", Default: "0 (half the nodes, 4 to 64)", Doc: "groups whose members move at once"},
			{Name: "stuck_after", Value: "10m0s", Default: "10m0s", Doc: "how long a move may make no end before it is given up"},
			{Name: "brake_percent", Value: "30", Default: "20", Set: true, Doc: "more nodes gone at once than this hold all moves"},
		},
		Skew: view.Skew{MemberMax: 1, LeaderMax: 1.5},
	}
	for i, name := range []string{"a", "b", "c"} {
		zone := fmt.Sprintf("z%d", i+1)
		n := view.SkewNode{Node: name, Zone: zone, State: view.StateActive, Weight: 1, Members: 2, Share: 2, Ratio: 1, Leaders: 1 - min(1, i), LeaderShare: 0.67}
		if i == 0 {
			n.LeaderRatio = 1.5
		}
		b.Skew.Nodes = append(b.Skew.Nodes, n)
		b.Skew.Zones = append(b.Skew.Zones, view.SkewZone{Zone: zone, Nodes: 1, Weight: 1, Members: 2, Share: 2, Ratio: 1, Leaders: n.Leaders})
	}
	return b
}

// Balance implements admin.Node.
func (n *Node) Balance(ctx context.Context) (view.Balance, error) {
	if err := n.begin(ctx, "Balance"); err != nil {
		return view.Balance{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.Balancing.Next) > 0 {
		v := n.Balancing.Next[0]
		n.Balancing.Next = n.Balancing.Next[1:]
		return v, nil
	}
	return n.Balancing.State, nil
}

func atMost[T any](list []T, limit int) []T {
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return slices.Clone(list)
}

// Plan implements admin.Node.
func (n *Node) Plan(ctx context.Context, limit int) ([]view.PlannedMove, error) {
	if err := n.begin(ctx, "Plan", limit); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return atMost(n.Balancing.Plan, limit), nil
}

// Moves implements admin.Node.
func (n *Node) Moves(ctx context.Context, limit int) ([]view.Move, error) {
	if err := n.begin(ctx, "Moves", limit); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return atMost(n.Balancing.Moves, limit), nil
}

// Skew implements admin.Node.
func (n *Node) Skew(ctx context.Context) (view.Skew, error) {
	if err := n.begin(ctx, "Skew"); err != nil {
		return view.Skew{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Balancing.Skew, nil
}

// Explain implements admin.Node: every node is a candidate.
func (n *Node) Explain(ctx context.Context, name string) (view.Explanation, error) {
	if err := n.begin(ctx, "Explain", name); err != nil {
		return view.Explanation{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.group(name)
	if err != nil {
		return view.Explanation{}, err
	}
	g := n.Groups[i]
	v := view.Explanation{Group: name, Replicas: g.Replicas, Target: g.Target, Preferred: g.Preferred, Since: Began}
	for _, m := range g.Members {
		v.Members = append(v.Members, m.Node)
	}
	for i, node := range n.Fleet.Nodes {
		c := view.Candidate{Node: node.Name, Zone: node.Zone, State: node.State, Rank: i + 1, Members: node.Members, Share: 2,
			Member: slices.Contains(g.Target, node.Name), Leader: node.Name == g.Preferred, Why: "its zone has no other member of the group"}
		if !c.Member {
			c.Why = "the group has all its members"
		}
		v.Candidates = append(v.Candidates, c)
	}
	return v, nil
}

// WhatIf implements admin.Node.
func (n *Node) WhatIf(ctx context.Context, q view.WhatIf) (view.Outcome, error) {
	if err := n.begin(ctx, "WhatIf"); err != nil {
		return view.Outcome{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Balancing.Asked = q
	for _, name := range slices.Concat(q.Remove, q.Drain, slices.Sorted(maps.Keys(q.Weights))) {
		if _, err := n.node(name); err != nil {
			return view.Outcome{}, err
		}
	}
	return n.Balancing.Outcome, nil
}

// Pause implements admin.Node.
func (n *Node) Pause(ctx context.Context, by, reason string) error {
	if err := n.begin(ctx, "Pause", by, reason); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Balancing.State.State = view.BalancePaused
	n.Balancing.State.Pause = &view.BalancePause{By: by, Reason: reason, Since: Began}
	return nil
}

// Resume implements admin.Node.
func (n *Node) Resume(ctx context.Context, by string) error {
	if err := n.begin(ctx, "Resume", by); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Balancing.State = balanced().State
	return nil
}

// Limits implements admin.Node.
func (n *Node) Limits(ctx context.Context) ([]view.BalanceLimit, error) {
	if err := n.begin(ctx, "Limits"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.Balancing.Limits), nil
}

// SetLimits implements admin.Node.
func (n *Node) SetLimits(ctx context.Context, values map[string]string) error {
	var args []any
	for _, name := range slices.Sorted(maps.Keys(values)) {
		args = append(args, name+"="+values[name])
	}
	if err := n.begin(ctx, "SetLimits", args...); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	next := slices.Clone(n.Balancing.Limits)
	for name, value := range values {
		i := slices.IndexFunc(next, func(l view.BalanceLimit) bool { return l.Name == name })
		switch {
		case i < 0:
			return Failure{Text: fmt.Sprintf("no limit is named %q", name), What: admin.KindInvalid, Try: "use one of moves, stuck_after, brake_percent"}
		case strings.HasPrefix(value, "-"):
			return Failure{Text: fmt.Sprintf("%s is %q: give a number from 0 to 10000", name, value), What: admin.KindInvalid}
		case value == "":
			next[i].Value, next[i].Set = next[i].Default, false
		default:
			next[i].Value, next[i].Set = value, true
		}
	}
	n.Balancing.Limits = next
	return nil
}
