package placement

import (
	"cmp"
	"slices"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// none stands for no node where an index into ledger.nodes is wanted.
const none = int32(-1)

// ledger is the book in which a plan is worked out: who holds what, both ways,
// and what would be fair. Nodes, zones and groups are indices into its slices,
// in canonical order.
type ledger struct {
	policy  Policy
	nodes   []nodeEntry
	active  []int32 // nodes that may get something
	byID    map[ident.NodeID]int32
	zones   []zoneEntry
	groups  []groupEntry
	members bounds
	leaders bounds

	use        []int // scratch: members per zone of the group looked at
	infeasible []Reason
	few        map[int]*Reason // groups that lack nodes, by members wanted
}

type nodeEntry struct {
	Node
	zone   int32
	hash   uint64
	counts bool    // takes part in the division of what is fair
	hosted []int32 // groups, in no particular order
	leads  []int32 // groups that it should lead, likewise
	load   account // members, times cost
	share  account // leaders
}

type zoneEntry struct {
	name   string
	weight uint64 // of the nodes that count
	size   int    // nodes that count
	nodes  []int32
}

type groupEntry struct {
	Group
	hash    uint64
	members []int32 // by index
	leader  int32
	frozen  bool
	reason  Reason
	dead    []int32 // former members on dead nodes, used if nobody takes their place
	leaving []int32 // former members on draining or inactive nodes, likewise
}

func (g *groupEntry) has(node int32) bool {
	_, found := slices.BinarySearch(g.members, node)
	return found
}

// because records why g changes; the most urgent cause stays.
func (g *groupEntry) because(kind Kind, from, to ident.NodeID) {
	if g.reason.Kind == 0 || kind < g.reason.Kind {
		g.reason = Reason{Kind: kind, From: from, To: to}
	}
}

func newLedger(in Input) *ledger {
	l := newEmptyLedger(in.Nodes, in.Policy)
	l.openGroups(in.Groups)
	costs := make(map[int]int64)
	for i := range l.groups {
		costs[l.groups[i].replicas()] += l.groups[i].cost()
	}
	l.divideMembers(costs)
	return l
}

func newEmptyLedger(nodes []Node, policy Policy) *ledger {
	policy = policy.withDefaults()
	l := &ledger{policy: policy, few: make(map[int]*Reason)}
	percent := uint64(policy.EpsilonPercent)
	l.members = bounds{percent: percent, slack: uint64(policy.MemberSlack) * unit}
	l.leaders = bounds{percent: percent, slack: uint64(policy.LeaderSlack) * unit}
	l.openNodes(canonicalNodes(nodes))
	return l
}

func (l *ledger) openNodes(nodes []Node) {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Zone)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	l.zones = make([]zoneEntry, len(names))
	for i, name := range names {
		l.zones[i].name = name
	}
	l.use = make([]int, len(names))
	l.byID = make(map[ident.NodeID]int32, len(nodes))
	l.nodes = make([]nodeEntry, len(nodes))
	for i, n := range nodes {
		zone, _ := slices.BinarySearch(names, n.Zone)
		l.nodes[i] = nodeEntry{Node: n, zone: int32(zone), hash: hashNode(n.ID)}
		l.byID[n.ID] = int32(i)
		if n.State == Active {
			l.active = append(l.active, int32(i))
		}
	}
}

// openGroups enters what each group has and may keep.
func (l *ledger) openGroups(groups []Group) {
	l.groups = make([]groupEntry, 0, len(groups))
	for _, g := range groups {
		l.groups = append(l.groups, groupEntry{Group: g, hash: hashGroup(g.Name), leader: none})
	}
	slices.SortFunc(l.groups, func(a, b groupEntry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.ID, b.ID))
	})
	l.groups = slices.CompactFunc(l.groups, func(a, b groupEntry) bool { return a.hash == b.hash && a.ID == b.ID })
	for g := range l.groups {
		l.openGroup(int32(g))
	}
}

func (l *ledger) openGroup(g int32) {
	e := &l.groups[g]
	l.members.grain = max(l.members.grain, uint64(e.cost()-1)*unit)
	if leader, ok := l.byID[e.Leader]; ok && e.Leader != 0 {
		e.leader = leader
	}
	if e.frozen = !l.hasQuorum(e.Group); e.frozen {
		l.infeasible = append(l.infeasible, Reason{Kind: NoQuorum, Group: e.ID, Groups: 1,
			Text: "most voters of the group are on dead or unknown nodes: it is left as it is until they return or it is recovered by hand"})
	}
	for _, id := range e.Members {
		n, known := l.byID[id]
		switch {
		case !known:
			e.because(Repair, id, 0)
		case e.has(n) || slices.Contains(e.dead, n) || slices.Contains(e.leaving, n):
		case e.frozen || l.nodes[n].State.stays():
			l.put(g, n)
		case l.nodes[n].State == Dead:
			e.dead = append(e.dead, n)
		default:
			e.leaving = append(e.leaving, n)
		}
	}
	slices.Sort(e.dead)
	slices.Sort(e.leaving)
	if !e.frozen {
		l.dismissJoining(g, e)
	}
}

// dismissJoining takes members that e has too many of from joining nodes, which
// are the first to lose one, before what is fair is worked out: a joining node
// counts there only while it holds something.
func (l *ledger) dismissJoining(g int32, e *groupEntry) {
	for i := len(e.members) - 1; i >= 0 && len(e.members) > e.replicas(); i-- {
		if n := e.members[i]; l.nodes[n].State == Joining {
			l.take(g, n)
			e.because(Resize, l.nodes[n].ID, 0)
		}
	}
}

// hasQuorum tells whether most of the voters are on nodes that live. Without,
// any other member would only hide what was lost.
func (l *ledger) hasQuorum(g Group) bool {
	voters := g.Voters
	if len(voters) == 0 {
		voters = g.Members
	}
	if len(voters) == 0 {
		return true
	}
	voters = slices.Clone(voters)
	slices.Sort(voters)
	voters = slices.Compact(voters)
	alive := 0
	for _, id := range voters {
		if n, ok := l.byID[id]; ok && l.nodes[n].State.votes() {
			alive++
		}
	}
	return 2*alive > len(voters)
}

// put and take keep both directions of the book.
func (l *ledger) put(g, n int32) {
	e, node := &l.groups[g], &l.nodes[n]
	at, _ := slices.BinarySearch(e.members, n)
	e.members = slices.Insert(e.members, at, n)
	node.hosted = append(node.hosted, g)
	node.load.have += e.cost()
}

func (l *ledger) take(g, n int32) {
	e, node := &l.groups[g], &l.nodes[n]
	at, _ := slices.BinarySearch(e.members, n)
	e.members = slices.Delete(e.members, at, at+1)
	node.hosted = without(node.hosted, g)
	node.load.have -= e.cost()
}

func (l *ledger) lead(g, n int32) {
	e := &l.groups[g]
	if e.leader != none {
		old := &l.nodes[e.leader]
		if left := without(old.leads, g); len(left) < len(old.leads) {
			old.leads = left
			old.share.have--
		}
	}
	e.leader = n
	if n != none {
		l.nodes[n].leads = append(l.nodes[n].leads, g)
		l.nodes[n].share.have++
	}
}

func without(list []int32, v int32) []int32 {
	at := slices.Index(list, v)
	if at < 0 {
		return list
	}
	list[at] = list[len(list)-1]
	return list[:len(list)-1]
}

// zoneUse counts e's members per zone, in scratch space that the next call reuses.
func (l *ledger) zoneUse(e *groupEntry) []int {
	clear(l.use)
	for _, n := range e.members {
		l.use[l.nodes[n].zone]++
	}
	return l.use
}

// byFill sorts nodes by how full they are for their fair number, emptiest first.
func (l *ledger) byFill(nodes []int32, of func(*nodeEntry) account) []int32 {
	sorted := slices.Clone(nodes)
	slices.SortFunc(sorted, func(i, j int32) int {
		a, b := of(&l.nodes[i]), of(&l.nodes[j])
		switch {
		case a.lower(b):
			return -1
		case b.lower(a):
			return 1
		}
		return cmp.Compare(i, j)
	})
	return sorted
}

func loadOf(n *nodeEntry) account  { return n.load }
func shareOf(n *nodeEntry) account { return n.share }
