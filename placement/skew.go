package placement

import (
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Skew is how evenly a fleet is filled now, by committed targets, against what
// would be fair. Numbers called milli are thousandths of a member or leader;
// permille are thousandths of the fair number, 1000 where it is met, and 0 where
// nothing is fair and nothing is there.
type Skew struct {
	Nodes []NodeBalance `json:"nodes"` // by identifier
	Zones []ZoneBalance `json:"zones"` // by name

	// The fullest node that may get members, and the one that leads most.
	MembersPermille int64 `json:"members_permille"`
	LeadersPermille int64 `json:"leaders_permille"`

	Groups        int       `json:"groups"`
	BelowReplicas GroupList `json:"below_replicas"` // fewer living members than wanted
	TooFewZones   GroupList `json:"too_few_zones"`  // living members in fewer zones than could be
	NoQuorum      GroupList `json:"no_quorum"`

	// Infeasible is what no move can help.
	Infeasible []Reason `json:"infeasible"`
}

// NodeBalance is what a node has and what would be fair.
type NodeBalance struct {
	Node
	Members         int64 `json:"members"` // times cost
	MembersFair     int64 `json:"members_fair_milli"`
	MembersPermille int64 `json:"members_permille"`
	MembersLeast    int64 `json:"members_least"` // bounds within which nothing is moved
	MembersMost     int64 `json:"members_most"`
	Leaders         int64 `json:"leaders"`
	LeadersFair     int64 `json:"leaders_fair_milli"`
	LeadersPermille int64 `json:"leaders_permille"`
}

// ZoneBalance is the sum over a zone's nodes.
type ZoneBalance struct {
	Zone            string `json:"zone"`
	Nodes           int    `json:"nodes"`  // that take part
	Weight          int64  `json:"weight"` // of these
	Members         int64  `json:"members"`
	MembersFair     int64  `json:"members_fair_milli"`
	MembersPermille int64  `json:"members_permille"`
	Leaders         int64  `json:"leaders"`
	LeadersFair     int64  `json:"leaders_fair_milli"`
	LeadersPermille int64  `json:"leaders_permille"`
}

// listedGroups is how many groups of a kind are named.
const listedGroups = 100

// GroupList counts groups and names the first of them by identifier.
type GroupList struct {
	Count int             `json:"count"`
	First []ident.GroupID `json:"first"` // at most 100
}

func listGroups(ids []ident.GroupID) GroupList {
	slices.Sort(ids)
	return GroupList{Count: len(ids), First: slices.Clone(ids[:min(len(ids), listedGroups)])}
}

// Skew says how evenly the fleet is filled. It looks at every group and plans
// once.
func (p *Planner) Skew() Skew {
	l := p.ledger
	l.refresh()
	l.divideLeaders()
	s := Skew{Groups: len(l.groupByID), Nodes: make([]NodeBalance, 0, len(l.order)), Zones: []ZoneBalance{}}
	members, leaders := make([]int64, len(l.nodes)), make([]int64, len(l.nodes))
	var below, few, lost []ident.GroupID
	wide := 0
	for z := range l.zones {
		if l.zones[z].active > 0 {
			wide++
		}
	}
	for _, g := range l.groupByID {
		e := &l.groups[g]
		living, zones := l.countRecord(e, members, leaders)
		if living < e.replicas() {
			below = append(below, e.ID)
		}
		if zones < l.zonesFor(e.replicas(), wide) {
			few = append(few, e.ID)
		}
		if e.frozen {
			lost = append(lost, e.ID)
		}
	}
	s.BelowReplicas, s.TooFewZones, s.NoQuorum = listGroups(below), listGroups(few), listGroups(lost)
	zones := make([]ZoneBalance, len(l.zones))
	for _, n := range l.order {
		node := &l.nodes[n]
		row := NodeBalance{Node: node.Node, Members: members[n], MembersFair: milli(node.load.fair), Leaders: leaders[n], LeadersFair: milli(node.share.fair),
			MembersLeast: node.load.least, MembersMost: node.load.most}
		row.MembersPermille, row.LeadersPermille = permille(row.Members, row.MembersFair), permille(row.Leaders, row.LeadersFair)
		s.Nodes = append(s.Nodes, row)
		if node.gets() {
			s.MembersPermille = max(s.MembersPermille, row.MembersPermille)
			s.LeadersPermille = max(s.LeadersPermille, row.LeadersPermille)
		}
		zone := &zones[node.zone]
		zone.Zone = node.Zone
		zone.Members += row.Members
		zone.MembersFair += row.MembersFair
		zone.Leaders += row.Leaders
		zone.LeadersFair += row.LeadersFair
	}
	for _, z := range l.zoneOrder {
		row := zones[z]
		row.Nodes, row.Weight = l.zones[z].size, int64(l.zones[z].weight)
		row.MembersPermille, row.LeadersPermille = permille(row.Members, row.MembersFair), permille(row.Leaders, row.LeadersFair)
		if row.Nodes > 0 || row.Members > 0 {
			s.Zones = append(s.Zones, row)
		}
	}
	s.Infeasible = p.Plan().Infeasible
	return s
}

// countRecord adds what a group's record gives its nodes, and says how many of
// its members live and in how many zones.
func (l *ledger) countRecord(e *groupEntry, members, leaders []int64) (living, zones int) {
	clear(l.use)
	for i, id := range e.Members {
		n := l.byID[id]
		node := &l.nodes[n]
		if slices.Contains(e.Members[:i], id) || !node.known {
			continue
		}
		members[n] += e.price
		if e.Leader == id {
			leaders[n]++
		}
		if !node.State.votes() {
			continue
		}
		living++
		if l.use[node.zone]++; l.use[node.zone] == 1 {
			zones++
		}
	}
	return living, zones
}

// zonesFor is in how many zones a group of n members should be, of so many that
// have an active node.
func (l *ledger) zonesFor(n, zones int) int {
	if limit := l.policy.MaxPerZone; limit > 0 {
		n = (n + limit - 1) / limit
	}
	return min(n, zones)
}

func milli(fair uint64) int64 {
	thousandths, _ := mulDiv(fair, 1000, unit)
	return int64(thousandths)
}

func permille(have, fairMilli int64) int64 {
	if have == 0 {
		return 0
	}
	return have * 1_000_000 / max(fairMilli, 1)
}
