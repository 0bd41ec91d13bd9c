package placement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Verdict is why a node should hold a member of a group, or should not.
type Verdict string

// Verdicts.
const (
	VerdictKept    Verdict = "kept"    // it holds a member, which stays
	VerdictAdded   Verdict = "added"   // it gets one
	VerdictLeaves  Verdict = "leaves"  // it holds one, which goes
	VerdictState   Verdict = "state"   // nodes in its state get nothing
	VerdictSpread  Verdict = "spread"  // its zone has as many of the members as it may
	VerdictLoad    Verdict = "load"    // it is no emptier than the nodes that it could stand in for
	VerdictScore   Verdict = "score"   // another node's score for the group was better
	VerdictSettled Verdict = "settled" // it could hold one, but what is settled stays
	VerdictRests   Verdict = "rests"   // the group moved a short while ago
	VerdictFrozen  Verdict = "frozen"  // the group has no quorum: nothing of it moves
	VerdictUnknown Verdict = "unknown" // it holds one, but the fleet does not know it
)

// Explanation is why a group is where it is, and where it goes.
type Explanation struct {
	Group      Group       `json:"group"`            // as it is committed
	Target     *Target     `json:"target,omitempty"` // as it should be, nil if nothing should change
	Candidates []Candidate `json:"candidates"`       // all nodes, the best score first
}

// Candidate is a node seen by one group. Loads and zone use are those after all
// planned changes.
type Candidate struct {
	Node
	Rank            int     `json:"rank"`     // by score, from 1
	Score           string  `json:"score"`    // 16 hexadecimal digits, more is better
	ZoneUse         int     `json:"zone_use"` // members of the group on other nodes of its zone
	Members         int64   `json:"members"`  // of all groups, times cost
	MembersFair     int64   `json:"members_fair_milli"`
	MembersPermille int64   `json:"members_permille"`
	Leaders         int64   `json:"leaders"`
	LeadersFair     int64   `json:"leaders_fair_milli"`
	LeadersPermille int64   `json:"leaders_permille"`
	Holds           bool    `json:"holds"`  // a committed member
	Chosen          bool    `json:"chosen"` // a member as it should be
	Leads           bool    `json:"leads"`  // should lead
	Verdict         Verdict `json:"verdict"`
	Why             string  `json:"why"` // one plain sentence
}

// Explain says of every node why it should hold a member of a group or should
// not. It is false when the planner knows no such group. It plans once.
func (p *Planner) Explain(id ident.GroupID) (Explanation, bool) {
	l := p.ledger
	g, ok := l.groupByID[id]
	if !ok {
		return Explanation{}, false
	}
	l.work()
	defer l.undoPlan()
	e := &l.groups[g]
	x := Explanation{Group: e.Group, Candidates: make([]Candidate, 0, len(l.order))}
	x.Group.Members, x.Group.Voters = slices.Clone(e.Members), slices.Clone(e.Voters)
	if t, changed := l.target(e); changed && !e.frozen {
		x.Target = &t
	}
	for _, n := range l.order {
		x.Candidates = append(x.Candidates, l.candidateOf(e, n, x.Target))
	}
	for _, member := range uniqueSorted(e.Members) {
		if n := l.byID[member]; !l.nodes[n].known {
			x.Candidates = append(x.Candidates, Candidate{Node: Node{ID: member, State: Dead}, Score: scoreText(e, l.nodes[n].hash), Holds: true,
				Verdict: VerdictUnknown, Why: "the fleet does not know this node any more: its member is lost"})
		}
	}
	slices.SortFunc(x.Candidates, func(a, b Candidate) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID)) })
	for i := range x.Candidates {
		x.Candidates[i].Rank = i + 1
	}
	return x, true
}

func scoreText(e *groupEntry, hash uint64) string { return fmt.Sprintf("%016x", score(e.hash, hash)) }

func (l *ledger) candidateOf(e *groupEntry, n int32, t *Target) Candidate {
	node := &l.nodes[n]
	c := Candidate{Node: node.Node, Score: scoreText(e, node.hash),
		Members: node.load.have, MembersFair: milli(node.load.fair), Leaders: node.share.have, LeadersFair: milli(node.share.fair),
		Holds: slices.Contains(e.Members, node.ID), Chosen: e.has(n), Leads: e.leading && e.leader == n}
	c.MembersPermille, c.LeadersPermille = permille(c.Members, c.MembersFair), permille(c.Leaders, c.LeadersFair)
	for _, m := range e.members {
		if m != n && l.nodes[m].zone == node.zone {
			c.ZoneUse++
		}
	}
	c.Verdict, c.Why = l.verdict(e, n, &c, t)
	return c
}

func (l *ledger) verdict(e *groupEntry, n int32, c *Candidate, t *Target) (Verdict, string) {
	node := &l.nodes[n]
	switch {
	case e.frozen && !c.Chosen:
		return VerdictFrozen, "the group has no quorum: nothing of it moves"
	case c.Chosen && c.Holds:
		if node.gets() {
			return VerdictKept, "it holds a member, and what is there stays"
		}
		return VerdictKept, fmt.Sprintf("it is %s and keeps its member", node.condition())
	case c.Chosen:
		return VerdictAdded, t.Reason.Text
	case c.Holds:
		if !node.State.stays() {
			return VerdictLeaves, fmt.Sprintf("it is %s: its member goes", node.State)
		}
		return VerdictLeaves, t.Reason.Text
	case node.State == Active && node.Returned:
		return VerdictState, "it is back for a short while only: it gets members when it has stayed for longer"
	case node.State != Active:
		return VerdictState, fmt.Sprintf("it is %s: only active nodes get members", node.State)
	}
	return l.rival(e, n, c)
}

// rival compares an active node that is not chosen with the members whose place
// it could have.
func (l *ledger) rival(e *groupEntry, n int32, c *Candidate) (Verdict, string) {
	node := &l.nodes[n]
	elsewhere, emptier := false, false // whether it could stand in for a member of another zone, and be a gain
	winner := none                     // the best of those that were chosen now and beat it by score
	for _, m := range e.members {
		if !l.mayMove(e, m, n) {
			continue
		}
		member := &l.nodes[m]
		elsewhere = elsewhere || member.zone != node.zone
		emptier = emptier || gains(member.load, node.load, e.price)
		added := !slices.Contains(e.Members, member.ID)
		if added && score(e.hash, member.hash) > score(e.hash, node.hash) &&
			(winner == none || score(e.hash, member.hash) > score(e.hash, l.nodes[winner].hash)) {
			winner = m
		}
	}
	switch {
	case winner != none:
		return VerdictScore, fmt.Sprintf("node %s, which gets a member, has a better score for the group", l.nodes[winner].ID)
	case emptier && e.Resting:
		return VerdictRests, "it could hold a member, but the group moved a short while ago and rests"
	case emptier:
		return VerdictSettled, "it could hold a member, but members move only where a node is outside its bounds"
	case !elsewhere && c.ZoneUse > 0:
		return VerdictSpread, fmt.Sprintf("zone %q has %s already and should not have more, and this node is no emptier", node.Zone, plural(c.ZoneUse, "member"))
	}
	return VerdictLoad, fmt.Sprintf("it has %d.%d %% of its fair number of members: no emptier than the nodes in whose place it could be",
		c.MembersPermille/10, c.MembersPermille%10)
}
