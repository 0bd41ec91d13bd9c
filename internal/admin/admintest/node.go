// Package admintest holds a Node for tests of the admin API and of what speaks to
// it: a small fleet in memory that does what it is told and can be made to fail.
package admintest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/ident"
)

var _ admin.Node = (*Node)(nil)

// Node is a fleet of three nodes, a b c in zones z1 z2 z3, with the groups orders
// (a counter) and stock (kv, without a leader). Its fields are read under its lock;
// change them with Do.
type Node struct {
	mu      sync.Mutex
	changed chan struct{}

	Fleet    view.Status
	Groups   []view.GroupStatus
	EventLog []view.Event
	Counter  int64
	// Balancing is balanced at the beginning.
	Balancing Balancing
	// Kept are the archives.
	Kept []view.Archive
	// Drains are what DrainProgress tells, one after the other; the last one stays.
	Drains []view.DrainProgress
	// AtRisk are the groups that CheckNode tells for every node.
	AtRisk []view.GroupAtRisk
	// Fail maps a method's name to the error that it returns, "*" all of them.
	Fail map[string]error
	// Calls are the methods that were called, with their arguments.
	Calls []string
	// Hold, when set, is received from at the beginning of every method of the
	// fleet, or until the context ends.
	Hold chan struct{}
	// ReadyError and LiveError are what health says.
	ReadyError, LiveError error
}

// Failure is an error with a kind and a remedy.
type Failure struct {
	Text, What, Try string
	ID              string // of the command, where the outcome is unknown
}

func (f Failure) Error() string     { return f.Text }
func (f Failure) Kind() string      { return f.What }
func (f Failure) Remedy() string    { return f.Try }
func (f Failure) CommandID() string { return f.ID }

// Began is when everything in the fleet began.
var Began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// New returns a fleet as Node describes it.
func New() *Node {
	n := &Node{changed: make(chan struct{}), Fail: make(map[string]error)}
	n.Fleet = view.Status{
		FleetID: 0xf1ee7, Node: "a", Groups: 2, GroupsWithoutLeader: 1, Members: 6, MovesInFlight: 1,
		Catalogue: view.Catalogue{Leader: "a", Term: 3, Voters: []string{"a", "b", "c"}},
		Problems:  []view.Problem{{Kind: "no_leader", Thing: "stock", Reason: "no leader for 12s", Remedy: "see fleetctl group show stock"}},
	}
	for i, name := range []string{"a", "b", "c"} {
		n.Fleet.Nodes = append(n.Fleet.Nodes, view.Node{
			ID: ident.NodeID(0x10 + i), Name: name, Zone: fmt.Sprintf("z%d", i+1), State: "active", Alive: true,
			Members: 2, Leaders: 1 - min(1, i), Weight: 1, Since: Began, Addr: fmt.Sprintf("127.0.0.1:%d", 7100+i),
		})
	}
	n.Groups = []view.GroupStatus{group("orders", 2, "counter", "a"), group("stock", 3, "kv", "")}
	n.EventLog = []view.Event{
		{Seq: 1, Time: Began, Kind: "node_joined", Node: "a", Detail: "in zone z1"},
		{Seq: 2, Time: Began.Add(time.Second), Kind: "group_added", Group: "orders", Detail: "counter, 3 replicas"},
	}
	n.Drains = []view.DrainProgress{{Done: true}}
	n.Balancing = balanced()
	return n
}

func group(name string, id ident.GroupID, typeName, leader string) view.GroupStatus {
	g := view.GroupStatus{Name: name, GroupID: id, Type: typeName, Replicas: 3, Leader: leader, Term: 4, Commit: 17, Target: []string{"a", "b", "c"}, Preferred: "a"}
	for i, node := range g.Target {
		role := "voter"
		if node == leader {
			role = "leader"
		}
		g.Members = append(g.Members, view.Member{Node: node, Zone: fmt.Sprintf("z%d", i+1), MemberID: ident.MemberID(i + 1), Role: role, Applied: 17 - uint64(i), Lag: uint64(i)})
	}
	return g
}

// Do runs f with the lock held.
func (n *Node) Do(f func(n *Node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
	close(n.changed)
	n.changed = make(chan struct{})
}

// Called returns the calls so far.
func (n *Node) Called() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.Calls)
}

// AwaitCall returns when a call that begins with prefix was made, or with the
// context's error.
func (n *Node) AwaitCall(ctx context.Context, prefix string) error {
	for {
		n.mu.Lock()
		changed := n.changed
		found := slices.ContainsFunc(n.Calls, func(c string) bool { return strings.HasPrefix(c, prefix) })
		n.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("await the call %q: %w", prefix, ctx.Err())
		}
	}
}

func (n *Node) begin(ctx context.Context, method string, args ...any) error {
	n.mu.Lock()
	n.Calls = append(n.Calls, strings.TrimSpace(method+" "+strings.TrimSuffix(fmt.Sprintln(args...), "\n")))
	close(n.changed)
	n.changed = make(chan struct{})
	hold, err := n.Hold, n.Fail[method]
	if err == nil {
		err = n.Fail["*"]
	}
	n.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

func notFound(what, name string) error {
	return Failure{Text: fmt.Sprintf("there is no %s %q", what, name), What: admin.KindNotFound, Try: "list what there is: fleetctl " + what + " ls"}
}

// node returns the index of a node.
func (n *Node) node(name string) (int, error) {
	for i, v := range n.Fleet.Nodes {
		if v.Name == name || v.ID.String() == name {
			return i, nil
		}
	}
	return 0, notFound("node", name)
}

func (n *Node) group(name string) (int, error) {
	i := slices.IndexFunc(n.Groups, func(g view.GroupStatus) bool { return g.Name == name })
	if i < 0 {
		return 0, notFound("group", name)
	}
	return i, nil
}

// Status implements admin.Node.
func (n *Node) Status(ctx context.Context) (view.Status, error) {
	if err := n.begin(ctx, "Status"); err != nil {
		return view.Status{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.Fleet
	s.Nodes = slices.Clone(s.Nodes)
	return s, nil
}

// NodeDetail implements admin.Node.
func (n *Node) NodeDetail(ctx context.Context, node string) (view.NodeDetail, error) {
	if err := n.begin(ctx, "NodeDetail", node); err != nil {
		return view.NodeDetail{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.node(node)
	if err != nil {
		return view.NodeDetail{}, err
	}
	return view.NodeDetail{Node: n.Fleet.Nodes[i], Groups: []view.HostedMember{{Group: "orders", Role: "leader", Target: true}}}, nil
}

// CheckNode implements admin.Node.
func (n *Node) CheckNode(ctx context.Context, node string) (view.NodeCheck, error) {
	if err := n.begin(ctx, "CheckNode", node); err != nil {
		return view.NodeCheck{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.node(node)
	if err != nil {
		return view.NodeCheck{}, err
	}
	v := n.Fleet.Nodes[i]
	return view.NodeCheck{Node: v.Name, Critical: len(n.AtRisk) > 0, AtRisk: len(n.AtRisk), Groups: n.AtRisk, Leaders: v.Leaders}, nil
}

// GossipMembers implements admin.Node.
func (n *Node) GossipMembers(ctx context.Context) ([]view.GossipMember, error) {
	if err := n.begin(ctx, "GossipMembers"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []view.GossipMember
	for _, v := range n.Fleet.Nodes {
		health := "dead"
		if v.Alive {
			health = "alive"
		}
		out = append(out, view.GossipMember{
			ID: v.ID, Name: v.Name, Zone: v.Zone, FleetID: n.Fleet.FleetID, Health: health, Says: v.State, Since: v.Since, Addr: v.Addr, Admin: v.Admin,
			ProtocolMin: 1, ProtocolMax: 2,
		})
	}
	return out, nil
}

func (n *Node) setState(ctx context.Context, method, node, state string) error {
	if err := n.begin(ctx, method, node); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.node(node)
	if err == nil {
		n.Fleet.Nodes[i].State = state
	}
	return err
}

// Drain implements admin.Node.
func (n *Node) Drain(ctx context.Context, node string) error {
	return n.setState(ctx, "Drain", node, "draining")
}

// Undrain implements admin.Node.
func (n *Node) Undrain(ctx context.Context, node string) error {
	return n.setState(ctx, "Undrain", node, "active")
}

// DrainProgress implements admin.Node.
func (n *Node) DrainProgress(ctx context.Context, node string) (view.DrainProgress, error) {
	if err := n.begin(ctx, "DrainProgress", node); err != nil {
		return view.DrainProgress{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.node(node); err != nil {
		return view.DrainProgress{}, err
	}
	p := n.Drains[0]
	if len(n.Drains) > 1 {
		n.Drains = n.Drains[1:]
	}
	return p, nil
}

// ForgetNode implements admin.Node.
func (n *Node) ForgetNode(ctx context.Context, node string, force bool) error {
	if err := n.begin(ctx, "ForgetNode", node, force); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.node(node)
	if err != nil {
		return err
	}
	if n.Fleet.Nodes[i].Alive && !force {
		return Failure{Text: fmt.Sprintf("node %q is alive", node), What: admin.KindRefused, Try: "drain it first"}
	}
	n.Fleet.Nodes = slices.Delete(slices.Clone(n.Fleet.Nodes), i, i+1)
	return nil
}

// ListGroups implements admin.Node.
func (n *Node) ListGroups(ctx context.Context, prefix, after string, limit int) ([]view.Group, error) {
	if err := n.begin(ctx, "ListGroups", prefix, after, limit); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []view.Group
	for _, g := range n.Groups {
		if strings.HasPrefix(g.Name, prefix) && g.Name > after && len(out) < limit {
			v := view.Group{Name: g.Name, GroupID: g.GroupID, Type: g.Type, Replicas: g.Replicas, Leader: g.Leader, Target: g.Target}
			for _, m := range g.Members {
				v.Members = append(v.Members, m.Node)
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// GroupStatus implements admin.Node.
func (n *Node) GroupStatus(ctx context.Context, name string) (view.GroupStatus, error) {
	if err := n.begin(ctx, "GroupStatus", name); err != nil {
		return view.GroupStatus{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.group(name)
	if err != nil {
		return view.GroupStatus{}, err
	}
	return n.Groups[i], nil
}

// AddGroup implements admin.Node.
func (n *Node) AddGroup(ctx context.Context, name, typeName string, replicas int, restore bool) error {
	if err := n.begin(ctx, "AddGroup", name, typeName, replicas, restore); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.group(name); err == nil {
		return Failure{Text: fmt.Sprintf("a group %q exists", name), What: admin.KindExists, Try: ""}
	}
	g := group(name, ident.GroupID(len(n.Groups)+2), typeName, "a")
	g.Replicas = replicas
	n.Groups = append(n.Groups, g)
	slices.SortFunc(n.Groups, func(a, b view.GroupStatus) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// RemoveGroup implements admin.Node.
func (n *Node) RemoveGroup(ctx context.Context, name string, keep bool) error {
	if err := n.begin(ctx, "RemoveGroup", name, keep); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.group(name)
	if err != nil {
		return err
	}
	n.Groups = slices.Delete(slices.Clone(n.Groups), i, i+1)
	return nil
}

// TransferLeader implements admin.Node.
func (n *Node) TransferLeader(ctx context.Context, name, to string) error {
	if err := n.begin(ctx, "TransferLeader", name, to); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	i, err := n.group(name)
	if err != nil {
		return err
	}
	at, err := n.node(to)
	if err == nil {
		n.Groups[i].Leader = n.Fleet.Nodes[at].Name
	}
	return err
}

// RecoverGroup implements admin.Node.
func (n *Node) RecoverGroup(ctx context.Context, name, confirm string) error {
	if err := n.begin(ctx, "RecoverGroup", name, confirm); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err := n.group(name)
	return err
}

// Archives implements admin.Node.
func (n *Node) Archives(ctx context.Context) ([]view.Archive, error) {
	if err := n.begin(ctx, "Archives"); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.Kept), nil
}

// DropArchive implements admin.Node.
func (n *Node) DropArchive(ctx context.Context, name string) error {
	if err := n.begin(ctx, "DropArchive", name); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.Kept)
	n.Kept = slices.DeleteFunc(slices.Clone(n.Kept), func(a view.Archive) bool { return a.Name == name })
	if len(n.Kept) == before {
		return notFound("archive", name)
	}
	return nil
}

// CallJSON implements admin.Node: add on a counter.
func (n *Node) CallJSON(ctx context.Context, name, op string, body []byte, commandID string) ([]byte, error) {
	if err := n.begin(ctx, "CallJSON", name, op, string(body), commandID); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.group(name); err != nil {
		return nil, err
	}
	if op != "add" {
		return nil, Failure{Text: fmt.Sprintf("a counter has no command %q", op), What: admin.KindNotFound, Try: "its commands are: add"}
	}
	var by int64
	if err := json.Unmarshal(body, &by); err != nil {
		return nil, Failure{Text: fmt.Sprintf("the argument of add: %v", err), What: admin.KindInvalid, Try: "give a whole number"}
	}
	n.Counter += by
	return fmt.Append(nil, n.Counter), nil
}

// QueryJSON implements admin.Node: get on a counter.
func (n *Node) QueryJSON(ctx context.Context, name, op string, body []byte, local bool, stale time.Duration) ([]byte, error) {
	if err := n.begin(ctx, "QueryJSON", name, op, string(body), local, stale); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.group(name); err != nil {
		return nil, err
	}
	return fmt.Append(nil, n.Counter), nil
}

// Events implements admin.Node.
func (n *Node) Events(ctx context.Context, after uint64, wait bool) ([]view.Event, error) {
	if err := n.begin(ctx, "Events", after, wait); err != nil {
		return nil, err
	}
	for {
		n.mu.Lock()
		changed := n.changed
		var out []view.Event
		for _, e := range n.EventLog {
			if e.Seq > after {
				out = append(out, e)
			}
		}
		n.mu.Unlock()
		if len(out) > 0 || !wait {
			return out, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Ready implements admin.Node.
func (n *Node) Ready() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ReadyError
}

// Live implements admin.Node.
func (n *Node) Live() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.LiveError
}
