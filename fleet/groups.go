package fleet

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// A GroupOption changes how a group is added.
type GroupOption func(*addRequest)

// WithConfig gives the group its own configuration instead of Config.Defaults.
func WithConfig(c group.Config) GroupOption {
	return func(r *addRequest) { r.Config = c.Encode() }
}

// WithInitialState makes the group begin with a state that its type's machine can
// restore, of at most 4 MiB.
func WithInitialState(state []byte) GroupOption {
	return func(r *addRequest) { r.Initial = state }
}

// Restore makes the group begin with the archive that was kept when the group of
// this name was removed: with its state and, without WithConfig, its configuration.
func Restore() GroupOption {
	return func(r *addRequest) { r.Restore = true }
}

// AddConsensusGroup adds a group of the given type with so many members, on nodes
// that the fleet chooses. It returns once the group has a leader that serves. A
// name is 1 to 200 bytes of printable text. A name that is taken is ErrGroupExists;
// one that was removed before makes another group.
func (n *Node) AddConsensusGroup(ctx context.Context, name string, replicas int, t group.Type, opts ...GroupOption) error {
	if t == nil {
		return fmt.Errorf("fleet: add group %q: the type is nil: give one of Config.Types", name)
	}
	return n.add(ctx, name, replicas, t.TypeName(), opts...)
}

func (n *Node) add(ctx context.Context, name string, replicas int, typeName string, opts ...GroupOption) error {
	fail := func(err error) error { return fmt.Errorf("fleet: add group %q: %w", name, err) }
	if name == catalogueName {
		return fail(fmt.Errorf("the name stands for the fleet's own state: choose another: %w", group.ErrInvalidArgument))
	}
	if err := group.CheckName(name); err != nil {
		return fail(fmt.Errorf("%w: %w", err, group.ErrInvalidArgument))
	}
	if replicas < 1 || replicas > 9 {
		return fail(fmt.Errorf("%d replicas: give 1 to 9, best an odd number: %w", replicas, group.ErrInvalidArgument))
	}
	if _, ok := n.types[typeName]; !ok {
		return fail(n.unknownType(typeName))
	}
	r := addRequest{Name: name, Type: typeName, Replicas: replicas}
	for _, o := range opts {
		o(&r)
	}
	if r.Config == nil && !r.Restore { // an archive has its own
		r.Config = n.cfg.Defaults.Encode()
	}
	if _, err := group.DecodeConfig(r.Config); err != nil {
		return fail(err)
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Add: &r}); err != nil {
		return fail(err)
	}
	if err := n.awaitServing(ctx, name); err != nil {
		return fmt.Errorf("fleet: group %q was added, but does not serve yet: %w", name, err)
	}
	return nil
}

// bounded gives a context without a deadline that of Config.CallTimeout.
func (n *Node) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return exec.WithCancel(ctx, n.exec)
	}
	return exec.WithTimeout(ctx, n.exec, n.cfg.CallTimeout)
}

// awaitServing returns when the group's leader has committed in its term.
func (n *Node) awaitServing(ctx context.Context, name string) error {
	return n.atLeader(ctx, name, func(ctx context.Context, route cache.Route) error {
		_, err := n.readIndex(ctx, route, n.deadline(ctx))
		return err
	})
}

// UpdateGroup replaces a group's configuration. It returns when the group has
// committed it: all members change over at the same position of the log.
func (n *Node) UpdateGroup(ctx context.Context, name string, c group.Config) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("fleet: update group %q: %w", name, err)
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Update: &updateRequest{name, c.Encode()}}); err != nil {
		return fmt.Errorf("fleet: update group %q: %w", name, err)
	}
	return nil
}

// Groups lists the groups of the fleet by name.
func (n *Node) Groups(ctx context.Context) iter.Seq2[view.Group, error] {
	const page = 500
	return func(yield func(view.Group, error) bool) {
		for after := ""; ; {
			groups, err := n.ListGroups(ctx, "", after, page)
			if err != nil {
				yield(view.Group{}, err)
				return
			}
			for _, g := range groups {
				if !yield(g, nil) {
					return
				}
			}
			if len(groups) < page {
				return
			}
			after = groups[len(groups)-1].Name
		}
	}
}

// Leader tells which node leads a group, and in which term, as far as is known
// here; it asks the members when nothing is.
func (n *Node) Leader(ctx context.Context, name string) (NodeID, uint64, error) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.awaitServing(ctx, name); err != nil {
		return 0, 0, fmt.Errorf("fleet: leader of group %q: %w", name, err)
	}
	route, err := n.router.locate(ctx, name)
	return route.Leader, route.Term, err
}

// addHere chooses the members of a new group and commits its record. It knows all
// that was committed before: a copy that has not heard yet of a node that joined
// would begin the group with fewer members than there could be, and one node lost
// before the others are added would be too many.
func (n *Node) addHere(ctx context.Context, r *addRequest) error {
	if err := n.catchUp(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNobodyToAsk, err)
	}
	c := n.catalogue.Load()
	if c == nil {
		return errNobodyToAsk // it is being replaced
	}
	if _, exists := c.Group(r.Name); exists {
		return ErrGroupExists
	}
	members, preferred, err := n.chooseMembers(c, r)
	if err != nil {
		return err
	}
	add := &catalogue.AddGroup{
		Name: r.Name, Type: r.Type, Replicas: r.Replicas, Config: r.Config, Initial: r.Initial,
		RestoreArchive: r.Restore, Members: members, Preferred: preferred,
	}
	result, err := n.propose(ctx, add)
	if err != nil {
		return err
	}
	g, err := add.Result(result)
	if err != nil {
		return err
	}
	n.events.add(view.Event{Kind: "group_added", Group: r.Name, Detail: fmt.Sprintf("type %s, %d replicas, group id %s", r.Type, r.Replicas, g.ID)})
	return nil
}

// chooseMembers places one new group among the nodes that are there. The planner
// balances later if it must; who is far above its share is not chosen.
func (n *Node) chooseMembers(c *catalogue.Machine, r *addRequest) ([]ident.NodeID, ident.NodeID, error) {
	nodes := planner.Nodes(c, n.cfg.limits(), n.exec.Now())
	nodes = slices.DeleteFunc(nodes, func(node placement.Node) bool { return node.State != placement.Active || !n.hears(node.ID) })
	nodes = preferTrusted(nodes, r.Replicas)
	if len(nodes) == 0 {
		return nil, 0, errNobodyToAsk
	}
	t, ok := placement.Place(nodes, c.Census(), placement.Group{Name: r.Name, Replicas: r.Replicas, Cost: 1}, planner.Policy(c, n.cfg.limits()))
	if !ok {
		return nil, 0, errNobodyToAsk
	}
	return t.Members, t.Leader, nil
}

// preferTrusted leaves out the nodes that came back a short while ago, where each of
// their zones has another node and there are enough without them: after a restart of
// the whole fleet groups can be added all the same.
func preferTrusted(nodes []placement.Node, replicas int) []placement.Node {
	zones := make(map[string]bool)
	for _, node := range nodes {
		zones[node.Zone] = zones[node.Zone] || !node.Returned
	}
	chosen := slices.DeleteFunc(slices.Clone(nodes), func(node placement.Node) bool { return node.Returned && zones[node.Zone] })
	if len(chosen) < replicas {
		chosen = nodes
	}
	for i := range chosen {
		chosen[i].Returned = false
	}
	return chosen
}

// updateHere has the group commit its configuration and then records it for the
// members that come later.
func (n *Node) updateHere(ctx context.Context, r *updateRequest) error {
	config, err := group.DecodeConfig(r.Config)
	if err != nil {
		return err
	}
	return n.atLeader(ctx, r.Name, func(ctx context.Context, route cache.Route) error {
		if err := n.configure(ctx, route.Group, route.Leader, config); err != nil {
			return err
		}
		_, err := n.propose(ctx, &catalogue.UpdateGroup{Name: r.Name, Config: r.Config, IfID: route.Group})
		return err
	})
}

func (n *Node) configure(ctx context.Context, g ident.GroupID, leader ident.NodeID, c group.Config) error {
	if leader != n.id {
		_, err := n.ask(ctx, leader, appendGroup(nil, opConfigure, g, c.Encode()))
		return err
	}
	return n.configureHere(ctx, g, c)
}

func (n *Node) configureHere(ctx context.Context, g ident.GroupID, c group.Config) error {
	return n.outcome(ctx, func(done func(error)) { n.host.Configure(g, c, done) })
}
