package placement

import (
	"cmp"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// none stands for no node or group where a slot is wanted.
const none = int32(-1)

// ledger is the book in which plans are worked out: who holds what, both ways,
// and what would be fair. It is kept up to date change by change (planner.go),
// and a plan written into it can be taken back (journal.go).
//
// Nodes, zones and groups are slots in its slices. Which slot something has
// depends on history, so no decision may: everything is gone through in
// canonical order, nodes by identifier and groups by the hash of their names.
type ledger struct {
	policy Policy

	nodes     []nodeEntry
	freeNodes []int32
	byID      map[ident.NodeID]int32 // known nodes, and those that groups mention
	order     []int32                // known nodes by identifier
	active    []int32                // those of them that may get something
	stale     bool                   // order, active and zones are out of date

	zones     []zoneEntry
	zoneByID  map[string]int32
	zoneOrder []int32 // by name
	spreadOf  uint64  // changes when a group may be spread that could not be before

	groups     []groupEntry
	freeGroups []int32
	groupByID  map[ident.GroupID]int32
	costs      map[int]int64 // of all groups, by members wanted
	prices     map[int64]int // groups by cost
	members    bounds
	leaders    bounds
	led        int // groups that are not frozen and have a member that counts

	// What a plan has to look at, without looking at all groups.
	needy      slotSet // groups that do not hold what they want
	leaderless slotSet // groups that nobody leads who may
	crowded    slotSet // groups with more than one member in a zone
	frozen     slotSet // groups without a quorum

	journal journal

	use        []int32 // scratch: members per zone of the group looked at
	search     search  // scratch of chains of leaders
	infeasible []Reason
	few        map[int]*Reason // groups that lack nodes, by members wanted
}

type nodeEntry struct {
	Node
	known    bool // false: only mentioned by groups
	zone     int32
	rank     int32 // place in ledger.order
	fill     int32 // the shelf of its zone on which its seat is, none if it may get nothing
	seat     int32 // place on that shelf
	hash     uint64
	counts   bool    // takes part in the division of what is fair
	mentions []int32 // groups whose record names it, in no particular order
	hosted   []int32 // groups, likewise
	leads    []int32 // groups that it should lead, likewise
	live     int     // hosted groups that are not frozen
	load     account // members, times cost
	share    account // leaders
	version  uint64  // grows when balancing gives a group that it hosts other members
	gained   uint64  // grows when balancing gives it a member
}

type zoneEntry struct {
	name   string
	weight uint64 // of the nodes that count
	size   int    // nodes that count
	active int    // nodes that may get something
	room   int    // active, as far as it matters to spread
	nodes  []int32

	shelves [fills][]seat // its active nodes by how full they are, in no particular order
}

type groupEntry struct {
	// What a search over many groups reads comes first, to be near.
	hash    uint64
	members []int32 // slots, by identifier
	leader  int32
	leading bool // leader is a member that may lead, and counted
	frozen  bool
	price   int64 // cost of a member

	touched   uint64 // the plan that has changed it last
	spreadOf  uint64 // ledger.spreadOf for which it cannot be spread better
	standing  int    // members that count
	cause     cause
	dead      []int32 // former members on dead nodes, used if nobody takes their place
	leaving   []int32 // former members on draining or inactive nodes, likewise
	mentioned []int32 // nodes that its record names, each once
	Group
}

// cause is why a group changes.
type cause struct {
	kind     Kind
	from, to ident.NodeID
}

// because records why g changes; the most urgent cause stays.
func (g *groupEntry) because(kind Kind, from, to ident.NodeID) {
	if g.cause.kind == 0 || kind < g.cause.kind {
		g.cause = cause{kind, from, to}
	}
}

func (g *groupEntry) has(node int32) bool { return slices.Contains(g.members, node) }

// newLedger returns an empty book with room for so many nodes and groups.
func newLedger(policy Policy, nodes, groups int) *ledger {
	policy = policy.withDefaults()
	l := &ledger{policy: policy, stale: true, spreadOf: 1,
		nodes: make([]nodeEntry, 0, nodes), order: make([]int32, 0, nodes), active: make([]int32, 0, nodes),
		groups: make([]groupEntry, 0, groups),
		byID:   make(map[ident.NodeID]int32, nodes), zoneByID: make(map[string]int32), groupByID: make(map[ident.GroupID]int32, groups),
		costs: make(map[int]int64), prices: make(map[int64]int)}
	permille := uint64(policy.EpsilonPermille)
	l.members = bounds{permille: permille, slack: uint64(policy.MemberSlack) * unit}
	l.leaders = bounds{permille: permille, slack: uint64(policy.LeaderSlack) * unit}
	return l
}

// compareGroups is the canonical order of slots.
func (l *ledger) compareGroups(a, b int32) int {
	return cmp.Or(cmp.Compare(l.groups[a].hash, l.groups[b].hash), cmp.Compare(l.groups[a].ID, l.groups[b].ID))
}

// canonical is what a set holds, in canonical order.
func (l *ledger) canonical(s *slotSet) []int32 {
	slots := slices.Clone(s.slots)
	slices.SortFunc(slots, l.compareGroups)
	return slots
}

// slotOf is the slot of a node that is known or mentioned, a new one if need be.
func (l *ledger) slotOf(id ident.NodeID) int32 {
	if n, ok := l.byID[id]; ok {
		return n
	}
	fresh := nodeEntry{Node: Node{ID: id}, zone: none, rank: none, fill: none, hash: hashNode(id)}
	var n int32
	if last := len(l.freeNodes) - 1; last >= 0 {
		n = l.freeNodes[last]
		l.freeNodes = l.freeNodes[:last]
		l.nodes[n] = fresh
	} else {
		n = int32(len(l.nodes))
		l.nodes = append(l.nodes, fresh)
	}
	l.byID[id] = n
	return n
}

// forget frees the slot of a node that is neither known nor mentioned.
func (l *ledger) forget(n int32) {
	if node := &l.nodes[n]; !node.known && len(node.mentions) == 0 {
		delete(l.byID, node.ID)
		*node = nodeEntry{}
		l.freeNodes = append(l.freeNodes, n)
	}
}

func (l *ledger) zoneOf(name string) int32 {
	if z, ok := l.zoneByID[name]; ok {
		return z
	}
	z := int32(len(l.zones))
	l.zones = append(l.zones, zoneEntry{name: name})
	l.zoneByID[name] = z
	l.zoneOrder = append(l.zoneOrder, z)
	slices.SortFunc(l.zoneOrder, func(a, b int32) int { return cmp.Compare(l.zones[a].name, l.zones[b].name) })
	l.use = append(l.use, 0)
	return z
}

// refresh brings what follows from the nodes up to date: their order, and what
// is fair for each.
func (l *ledger) refresh() {
	if l.stale {
		l.stale = false
		l.order, l.active = l.order[:0], l.active[:0]
		for n := range l.nodes {
			if l.nodes[n].known {
				l.order = append(l.order, int32(n))
			}
		}
		slices.SortFunc(l.order, func(a, b int32) int { return cmp.Compare(l.nodes[a].ID, l.nodes[b].ID) })
		for z := range l.zones {
			l.zones[z].active = 0
		}
		for rank, n := range l.order {
			node := &l.nodes[n]
			node.rank, node.fill = int32(rank), none
			if node.gets() {
				l.active = append(l.active, n)
				l.zones[node.zone].active++
			}
		}
	}
	l.refreshRoom()
	l.members.grain = 0
	for price := range l.prices {
		l.members.grain = max(l.members.grain, uint64(price-1)*unit)
	}
	l.divideMembers()
	l.fillShelves()
}

// refreshRoom tells all groups to look again whether they can be spread better,
// if a zone has room that it had not.
func (l *ledger) refreshRoom() {
	most := 0
	for replicas := range l.costs {
		most = max(most, replicas)
	}
	changed := false
	for z := range l.zones {
		if room := min(l.zones[z].active, most+1); room != l.zones[z].room {
			l.zones[z].room, changed = room, true
		}
	}
	if changed {
		l.spreadOf++
	}
}

// zoneUse counts e's members per zone, in scratch space that the next call reuses.
func (l *ledger) zoneUse(e *groupEntry) []int32 {
	clear(l.use)
	for _, n := range e.members {
		if z := l.nodes[n].zone; z != none {
			l.use[z]++
		}
	}
	return l.use
}

// slotSet is a set of slots of groups.
type slotSet struct {
	slots []int32
	at    []int32 // by slot, one more than its place in slots; 0 is not in the set
}

func (s *slotSet) has(g int32) bool { return int(g) < len(s.at) && s.at[g] != 0 }

func (s *slotSet) set(g int32, in bool) {
	switch {
	case in == s.has(g):
	case in:
		for int(g) >= len(s.at) {
			s.at = append(s.at, 0)
		}
		s.slots = append(s.slots, g)
		s.at[g] = int32(len(s.slots))
	default:
		at, last := s.at[g]-1, s.slots[len(s.slots)-1]
		s.slots[at], s.at[last] = last, at+1
		s.slots = s.slots[:len(s.slots)-1]
		s.at[g] = 0
	}
}
