package fleet

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// viewRequest asks a node with the catalogue for a view, on behalf of one without.
type viewRequest struct {
	Status bool
	Node   string // NodeDetail
	Drain  string // DrainProgress
	Check  string // Check
	Group  string // GroupStatus
	List   *listRequest
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
	return v, msgpack.Unmarshal(body, &v)
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
	case r.Node != "":
		return encode(n.NodeDetail(ctx, r.Node))
	case r.Drain != "":
		return encode(n.DrainProgress(ctx, r.Drain))
	case r.Check != "":
		return encode(n.Check(ctx, r.Check))
	case r.Group != "":
		return encode(n.GroupStatus(ctx, r.Group))
	case r.List != nil:
		return encode(n.ListGroups(ctx, r.List.Prefix, r.List.After, r.List.Limit))
	}
	return nil, errMalformedRequest
}

// led is what one node leads.
type led struct {
	Group ident.GroupID
	Term  uint64
}

// leadersHere lists what this node leads, in sixteen bytes a group.
func (n *Node) leadersHere() []byte {
	var b []byte
	for _, info := range n.host.Infos() {
		if info.Role == consensus.Leader {
			b = binary.LittleEndian.AppendUint64(b, uint64(info.Group))
			b = binary.LittleEndian.AppendUint64(b, info.Term)
		}
	}
	return b
}

// leaderTable is who leads which group, asked of every node that is heard.
type leaderTable struct {
	of   map[ident.GroupID]ident.NodeID
	term map[ident.GroupID]uint64
	each map[ident.NodeID]int
	deaf []ident.NodeID // heard by gossip, and did not answer
}

// leadersTimeout bounds how long a view waits for nodes that do not answer.
const leadersTimeout = time.Second

// leaders asks all nodes at once what they lead.
func (n *Node) leaders(ctx context.Context) leaderTable {
	t := leaderTable{of: make(map[ident.GroupID]ident.NodeID), term: make(map[ident.GroupID]uint64), each: make(map[ident.NodeID]int)}
	var mu sync.Mutex
	add := func(node ident.NodeID, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		for ; len(b) >= 16; b = b[16:] {
			l := led{ident.GroupID(leUint64(b)), leUint64(b[8:])}
			if old, ok := t.term[l.Group]; ok && old >= l.Term {
				continue
			}
			t.of[l.Group], t.term[l.Group] = node, l.Term
		}
	}
	add(n.id, n.leadersHere())
	ctx, cancel := context.WithTimeout(ctx, leadersTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, id := range n.activeNodes() {
		wg.Add(1)
		go func() {
			defer wg.Done()
			b, err := n.ask(ctx, id, []byte{byte(opLeaders)})
			if err != nil {
				mu.Lock()
				t.deaf = append(t.deaf, id)
				mu.Unlock()
				return
			}
			add(id, b)
		}()
	}
	wg.Wait()
	for g, node := range t.of {
		if g != ident.Catalogue {
			t.each[node]++
		}
	}
	return t
}

// names gives every node the name that views show: its id where the name is not
// its alone.
type names map[ident.NodeID]string

func namesOf(nodes []catalogue.Node) names {
	count := make(map[string]int)
	for _, node := range nodes {
		count[node.Name]++
	}
	out := make(names, len(nodes))
	for _, node := range nodes {
		out[node.ID] = node.Name
		if count[node.Name] > 1 || node.Name == "" {
			out[node.ID] = node.ID.String()
		}
	}
	return out
}

func (ns names) of(id ident.NodeID) string {
	if id == 0 {
		return ""
	}
	if s, ok := ns[id]; ok {
		return s
	}
	return id.String()
}

func (ns names) all(ms []catalogue.Member) []string {
	out := make([]string, 0, len(ms))
	for _, m := range ms {
		out = append(out, ns.of(m.Node))
	}
	return out
}

// findNode finds a node by name or id.
func (n *Node) findNode(ctx context.Context, node string) (catalogue.Node, error) {
	c := n.catalogue.Load()
	if c == nil {
		d, err := n.NodeDetail(ctx, node)
		return catalogue.Node{ID: d.ID, Name: d.Name}, err
	}
	var found []catalogue.Node
	for _, candidate := range c.Nodes() {
		if candidate.ID.String() == node {
			return candidate, nil
		}
		if candidate.Name == node {
			found = append(found, candidate)
		}
	}
	switch len(found) {
	case 0:
		return catalogue.Node{}, fmt.Errorf("node %q: %w", node, ErrNoNode)
	case 1:
		return found[0], nil
	}
	return catalogue.Node{}, fmt.Errorf("%d nodes are named %q: give the id: %w", len(found), node, group.ErrInvalidArgument)
}

// Nodes lists the nodes of the fleet.
func (n *Node) Nodes(ctx context.Context) ([]view.Node, error) {
	s, err := n.Status(ctx)
	return s.Nodes, err
}

// Status tells the state of the whole fleet as this node sees it, with what is
// wrong and what to do about it.
func (n *Node) Status(ctx context.Context) (view.Status, error) {
	return seen(ctx, n, viewRequest{Status: true}, n.statusHere)
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
	if info, ok := n.host.Info(ident.Catalogue); ok {
		s.Catalogue.Leader, s.Catalogue.Term = ns.of(info.Leader), info.Term
		if st, err := n.host.Status(ctx, ident.Catalogue); err == nil {
			for _, v := range st.Core.Config.Voters {
				s.Catalogue.Voters = append(s.Catalogue.Voters, ns.of(ident.NodeID(v.Node)))
			}
			slices.Sort(s.Catalogue.Voters)
		}
	}
	s.Problems = append(s.Problems, n.problems(c, nodes, ns, table, leaderless)...)
	return s, nil
}

func (n *Node) viewNode(c *catalogue.Machine, node catalogue.Node, table leaderTable) view.Node {
	v := view.Node{
		ID: node.ID, Name: node.Name, Zone: node.Zone, State: node.State.String(), Alive: n.hears(node.ID),
		Leaders: table.each[node.ID], Weight: node.Weight, Since: time.Unix(0, node.Since).UTC(), Reason: node.Reason,
		Addr: node.Wire, Admin: node.Admin,
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

// mostProblems bounds how many groups a status names for one kind of problem.
const mostProblems = 20

func (n *Node) problems(c *catalogue.Machine, nodes []catalogue.Node, ns names, table leaderTable, leaderless []*catalogue.Group) []view.Problem {
	var out []view.Problem
	if info, ok := n.host.Info(ident.Catalogue); ok && info.Leader == 0 {
		out = append(out, view.Problem{Kind: "catalogue_no_leader", Thing: "catalogue", Reason: "this node knows of no leader of the catalogue; nothing can be added, moved or removed", Remedy: "bring back a majority of its voters"})
	}
	for _, node := range nodes {
		alive := n.hears(node.ID)
		switch {
		case !alive && node.State != placement.Inactive && node.State != placement.Dead:
			out = append(out, view.Problem{
				Kind: "node_unreachable", Thing: ns.of(node.ID), Reason: "gossip does not hear it", Since: time.Unix(0, node.Since).UTC(),
				Remedy: fmt.Sprintf("start it again; after %s its members are replaced; if it never returns: fleetctl node forget %s", n.cfg.PurgeAfter, ns.of(node.ID)),
			})
		case node.State == placement.Dead:
			out = append(out, view.Problem{Kind: "node_dead", Thing: ns.of(node.ID), Reason: node.Reason, Since: time.Unix(0, node.Since).UTC(), Remedy: "start it again, or fleetctl node forget " + ns.of(node.ID)})
		}
	}
	if why := braked(nodes); why != "" {
		out = append(out, view.Problem{Kind: "repair_held", Thing: "fleet", Reason: why + ": members are not replaced meanwhile", Remedy: "bring the nodes back, or fleetctl node forget those that will not return"})
	}
	for i, g := range leaderless {
		if i == mostProblems {
			out = append(out, view.Problem{Kind: "no_leader", Thing: "groups", Reason: fmt.Sprintf("%d more groups have no leader", len(leaderless)-i)})
			break
		}
		out = append(out, n.leaderlessProblem(g, ns))
	}
	few := 0
	for _, g := range c.Groups("", c.NumGroups()) {
		if len(g.Configured) < g.Replicas {
			if few++; few <= mostProblems {
				out = append(out, view.Problem{Kind: "too_few_members", Thing: g.Name, Reason: fmt.Sprintf("%d of %d members", len(g.Configured), g.Replicas), Remedy: "activate more nodes"})
			}
		}
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
	if r := n.planner.infeasible.Load(); r != nil {
		for _, reason := range *r {
			out = append(out, view.Problem{Kind: "infeasible", Thing: "placement", Reason: reason.Text})
		}
	}
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// leaderlessProblem says whether a group lacks a quorum, and who is missing.
func (n *Node) leaderlessProblem(g *catalogue.Group, ns names) view.Problem {
	var missing []string
	for _, m := range g.Configured {
		if !n.hears(m.Node) {
			missing = append(missing, ns.of(m.Node))
		}
	}
	if len(missing)*2 >= len(g.Configured) && len(missing) > 0 {
		return view.Problem{
			Kind: "no_quorum", Thing: g.Name, Reason: fmt.Sprintf("%d of %d members are on nodes that are gone: %s", len(missing), len(g.Configured), strings.Join(missing, ", ")),
			Remedy: fmt.Sprintf("bring %s back; if it never returns: fleetctl group recover %s", missing[0], g.Name),
		}
	}
	return view.Problem{Kind: "no_leader", Thing: g.Name, Reason: "no node says that it leads it", Remedy: "an election should end this within seconds; if not, see fleetctl group show " + g.Name}
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

// memberReport is what a leader tells of its group to another node.
type memberReport struct {
	Leader       ident.NodeID
	Term, Commit uint64
	Last         uint64
	LastTerm     uint64
	LogBytes     uint64
	SnapshotSize int64
	Asleep       bool
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
	r := memberReport{Leader: s.Info.Leader, Term: s.Info.Term, Commit: s.Core.Commit, Last: s.Core.Last, LastTerm: s.Core.LastTerm, LogBytes: s.Core.LogBytes, SnapshotSize: s.SnapshotSize, Asleep: s.Info.Asleep}
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
		r, leads := n.askMembers(ctx, g)
		n.fillStatus(&v, c, ns, r)
		n.tellFailed(ctx, g.ID, &v, r)
		if !leads {
			v.Leader = ""
			v.Problems = append(v.Problems, n.leaderlessProblem(g, ns))
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
			if err := msgpack.Unmarshal(b, &r); err != nil {
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

// DrainProgress tells how far the drain of a node is, and what cannot leave it.
func (n *Node) DrainProgress(ctx context.Context, node string) (view.DrainProgress, error) {
	return seen(ctx, n, viewRequest{Drain: node}, func(ctx context.Context, c *catalogue.Machine) (view.DrainProgress, error) {
		found, err := n.findNode(ctx, node)
		if err != nil {
			return view.DrainProgress{}, err
		}
		var p view.DrainProgress
		hosted := c.HostedBy(found.ID)
		if found.State == placement.Inactive && len(hosted) == 0 {
			p.Done = true
			return p, nil
		}
		p.Leaders = n.leaders(ctx).each[found.ID]
		for _, g := range hosted {
			if _, ok := memberOn(g.Configured, found.ID); ok {
				p.Members++
			}
			if _, stays := memberOn(g.Target, found.ID); stays && len(p.Blocked) < mostProblems && !canReplace(c, g, found.ID) {
				p.Blocked = append(p.Blocked, fmt.Sprintf("%s: no other active node can take its member", g.Name))
			}
		}
		return p, nil
	})
}

// canReplace tells whether some active node could hold a group's member instead.
func canReplace(c *catalogue.Machine, g *catalogue.Group, leaving ident.NodeID) bool {
	for _, node := range c.Nodes() {
		if node.ID == leaving || node.State != placement.Active {
			continue
		}
		if _, has := memberOn(g.Target, node.ID); !has {
			return true
		}
	}
	return false
}
