package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/wire"
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
		return fail(fmt.Errorf("type %q: %w", typeName, group.ErrUnknownType))
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
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, n.cfg.CallTimeout)
}

// awaitServing returns when the group's leader has committed in its term.
func (n *Node) awaitServing(ctx context.Context, name string) error {
	for tries := 0; ; tries++ {
		route, err := n.router.locate(ctx, name)
		if err == nil {
			if _, err = n.readIndex(ctx, route, n.deadline(ctx)); err == nil {
				return nil
			}
			n.router.learn(name, route, err)
		}
		if !retriable(err) {
			return err
		}
		if e := pause(ctx, tries, err); e != nil {
			return fmt.Errorf("%w; last: %w", e, noLeaderIfUnknown(err))
		}
	}
}

// A RemoveOption changes how a group is removed.
type RemoveOption func(*removeRequest)

// Keep archives the group's last state, of at most 4 MiB, so that a group of the
// same name can be added with Restore.
func Keep() RemoveOption { return func(r *removeRequest) { r.Keep = true } }

// RemoveConsensusGroup removes a group. Its members stop and delete their data;
// those on nodes that are away do so when they return. Without Keep the state is
// gone.
func (n *Node) RemoveConsensusGroup(ctx context.Context, name string, opts ...RemoveOption) error {
	r := removeRequest{Name: name}
	for _, o := range opts {
		o(&r)
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Remove: &r}); err != nil {
		return fmt.Errorf("fleet: remove group %q: %w", name, err)
	}
	if route, ok := n.router.table.Get(name); ok {
		n.router.forget(name, route.Group)
	}
	return nil
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

// TransferLeader hands a group's leadership to its member on a node, named by name
// or id, and returns when that one leads.
func (n *Node) TransferLeader(ctx context.Context, name, to string) error {
	fail := func(err error) error {
		return fmt.Errorf("fleet: transfer group %q to node %q: %w", name, to, err)
	}
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	node, err := n.findNode(ctx, to)
	if err != nil {
		return fail(err)
	}
	for tries := 0; ; tries++ {
		route, err := n.router.locate(ctx, name)
		if err == nil {
			r := transferRequest{route.Group, node.ID}
			if route.Leader == n.id {
				err = n.transferHere(ctx, r)
			} else {
				_, err = n.ask(ctx, route.Leader, encodeRequest(opTransfer, r))
			}
			if err == nil {
				return nil
			}
			n.router.learn(name, route, err)
		}
		if !retriable(err) {
			return fail(err)
		}
		if e := pause(ctx, tries, err); e != nil {
			return fail(fmt.Errorf("%w; last: %w", e, err))
		}
	}
}

// transferHere hands over a leadership that this node's member has, and makes the
// new leader the preferred one, so that it stays.
func (n *Node) transferHere(ctx context.Context, r transferRequest) error {
	if c := n.catalogue.Load(); c != nil {
		if g, ok := c.GroupByID(r.Group); ok && g.Preferred != r.To {
			if _, member := memberOn(g.Target, r.To); !member {
				return fmt.Errorf("group %q has no member on node %s: %w", g.Name, r.To, group.ErrInvalidArgument)
			}
			change := catalogue.Target{Group: g.ID, IfEpoch: g.Epoch, Preferred: r.To}
			for _, m := range g.Target {
				change.Members = append(change.Members, m.Node)
			}
			if _, err := n.propose(ctx, &catalogue.SetTargets{Targets: []catalogue.Target{change}}); err != nil {
				return err
			}
		}
	}
	done := make(chan error, 1)
	n.host.Transfer(r.Group, r.To, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// giveLeadershipAway hands every leadership of this node to another member before
// the node closes, so that callers wait for a transfer and not for a timeout.
func (n *Node) giveLeadershipAway() {
	if n.host == nil || n.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, leaveTimeout)
	defer cancel()
	waiting := 0
	done := make(chan error, 1024)
	for _, info := range n.host.Infos() {
		if info.Leader != n.id || info.Asleep || waiting == cap(done) {
			continue
		}
		s, err := n.host.Status(ctx, info.Group)
		if err != nil {
			continue
		}
		t := target{voters: s.Core.Config.Voters}
		if to, ok := successor(&s.Core, t, n.id, n.hears); ok {
			waiting++
			n.host.Transfer(info.Group, to, func(err error) { done <- err })
		}
	}
	for ; waiting > 0; waiting-- {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// Acts that need the catalogue are done by a node that has it: here, or forwarded
// to an active node.
type forwardRequest struct {
	Add    *addRequest    `msgpack:"a,omitempty"`
	Remove *removeRequest `msgpack:"r,omitempty"`
	Update *updateRequest `msgpack:"u,omitempty"`
	State  *stateRequest  `msgpack:"s,omitempty"`
	Forget *forgetRequest `msgpack:"f,omitempty"`
	View   *viewRequest   `msgpack:"v,omitempty"`
	// Recover is the name of a group.
	Recover string `msgpack:"x,omitempty"`
}

// repeatable tells whether doing it twice comes to the same as doing it once.
func (r *forwardRequest) repeatable() bool { return r.Add == nil && r.Remove == nil && r.Recover == "" }

// patience is how long to wait for one node: a view comes at once or not at all, an
// act may have to wait for leaders.
func (r *forwardRequest) patience() time.Duration {
	if r.View != nil {
		return askTimeout
	}
	return serveTimeout
}

type addRequest struct {
	Name, Type      string
	Replicas        int
	Config, Initial []byte
	Restore         bool
}

type removeRequest struct {
	Name string
	Keep bool
}

type updateRequest struct {
	Name   string
	Config []byte
}

type stateRequest struct {
	Node string
	To   placement.State
}

type forgetRequest struct {
	Node  string
	Force bool
}

func (n *Node) forward(ctx context.Context, r forwardRequest) error {
	_, err := n.forwardFor(ctx, r)
	return err
}

func (n *Node) forwardFor(ctx context.Context, r forwardRequest) ([]byte, error) {
	for tries := 0; ; tries++ {
		if err := n.Err(); err != nil {
			return nil, err
		}
		var body []byte
		err := error(errNobodyToAsk)
		if n.catalogue.Load() != nil {
			body, err = n.forwarded(ctx, r)
		} else {
			for _, id := range n.activeNodes() {
				if body, err = n.askFor(ctx, id, encodeRequest(opForward, r), r.patience()); err == nil || !retriable(err) {
					break
				}
				if !r.repeatable() && (errors.Is(err, errNoAnswer) || errors.Is(err, wire.ErrLost)) {
					return nil, err // it may have been done
				}
			}
		}
		if err == nil || !retriable(err) {
			return body, err
		}
		if e := pause(ctx, tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

// forwarded does an act on a node that has the catalogue.
func (n *Node) forwarded(ctx context.Context, r forwardRequest) ([]byte, error) {
	c := n.catalogue.Load()
	if c == nil {
		return nil, fmt.Errorf("node %s: %w", n.cfg.Name, group.ErrNoMember)
	}
	switch {
	case r.Add != nil:
		return nil, n.addHere(ctx, c, r.Add)
	case r.Remove != nil:
		return nil, n.removeHere(ctx, r.Remove)
	case r.Update != nil:
		return nil, n.updateHere(ctx, r.Update)
	case r.State != nil:
		return nil, n.setStateHere(ctx, r.State)
	case r.Forget != nil:
		return nil, n.forgetHere(ctx, c, r.Forget)
	case r.Recover != "":
		return nil, n.recoverHere(ctx, c, r.Recover)
	case r.View != nil:
		return n.viewHere(ctx, r.View)
	}
	return nil, errMalformedRequest
}

// addHere chooses the members of a new group and commits its record.
func (n *Node) addHere(ctx context.Context, c *catalogue.Machine, r *addRequest) error {
	if _, exists := c.Group(r.Name); exists {
		// This copy may not have heard yet that it was removed.
		if _, err := n.groupNow(ctx, r.Name); err == nil {
			return ErrGroupExists
		} else if !errors.Is(err, ErrNoGroup) {
			return err
		}
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
	var nodes []placement.Node
	for _, node := range c.Nodes() {
		if node.State == placement.Active && n.hears(node.ID) {
			nodes = append(nodes, placement.Node{ID: node.ID, Zone: node.Zone, Weight: node.Weight, State: node.State})
		}
	}
	if len(nodes) == 0 {
		return nil, 0, errNobodyToAsk
	}
	t, ok := placement.Place(nodes, c.Census(), placement.Group{Name: r.Name, Replicas: r.Replicas, Cost: 1}, placement.Policy{})
	if !ok {
		return nil, 0, errNobodyToAsk
	}
	return t.Members, t.Leader, nil
}

func (n *Node) removeHere(ctx context.Context, r *removeRequest) error {
	g, err := n.groupNow(ctx, r.Name)
	if err != nil {
		return err
	}
	if r.Keep {
		// Before anything is closed: what cannot be kept is not removed.
		if _, err := n.export(ctx, g); err != nil {
			return fmt.Errorf("keep its state: %w", err)
		}
	}
	// Sealed, so that nothing is acknowledged that the removal then loses, and what
	// is kept is all that was acknowledged.
	if err := n.seal(ctx, g, true); err != nil && r.Keep {
		return fmt.Errorf("keep its state: %w", err)
	}
	remove := catalogue.RemoveGroup{Name: r.Name, IfID: g.ID}
	if err := n.removeSealed(ctx, g, &remove, r.Keep); err != nil {
		if group.OutcomeOf(err) != group.Unknown {
			err = errors.Join(err, n.seal(ctx, g, false))
		}
		return err
	}
	n.events.add(view.Event{Kind: "group_removed", Group: r.Name, Detail: "group id " + g.ID.String()})
	return nil
}

// removeSealed commits the removal of a group that takes no commands any more.
func (n *Node) removeSealed(ctx context.Context, g *catalogue.Group, remove *catalogue.RemoveGroup, keep bool) error {
	if keep {
		archive, err := n.export(ctx, g)
		if err != nil {
			return fmt.Errorf("keep its state: %w", err)
		}
		remove.Keep = archive
	}
	_, err := n.propose(ctx, remove)
	return err
}

// sealTimeout bounds how long the removal of a group waits for its leader: a group
// that has none can be removed all the same.
const sealTimeout = 3 * time.Second

func (n *Node) seal(ctx context.Context, g *catalogue.Group, closed bool) error {
	ctx, cancel := context.WithTimeout(ctx, sealTimeout)
	defer cancel()
	for tries := 0; ; tries++ {
		route, err := n.router.locate(ctx, g.Name)
		if err == nil && route.Group != g.ID {
			return ErrNoGroup
		}
		if err == nil {
			if route.Leader == n.id {
				err = n.sealHere(ctx, g.ID, closed)
			} else {
				_, err = n.ask(ctx, route.Leader, appendGroup(nil, opSeal, g.ID, sealBody(closed)))
			}
			if err == nil {
				return nil
			}
			n.router.learn(g.Name, route, err)
		}
		if !retriable(err) {
			return err
		}
		if e := pause(ctx, tries, err); e != nil {
			return fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

// sealBody is not empty to close, empty to open.
func sealBody(closed bool) []byte {
	if closed {
		return []byte{1}
	}
	return nil
}

func (n *Node) sealHere(ctx context.Context, g ident.GroupID, closed bool) error {
	done := make(chan error, 1)
	n.host.Seal(g, closed, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exported is a group's state and where in its history it stands.
type exported struct {
	State       []byte
	Index, Term uint64
}

// exportHere reads the state of a group that this node leads, with everything
// acknowledged before the call.
func (n *Node) exportHere(ctx context.Context, g ident.GroupID) (exported, error) {
	if _, err := n.host.ReadIndex(ctx, g); err != nil {
		return exported{}, err
	}
	state, index, err := n.host.Export(ctx, g)
	if err != nil {
		return exported{}, err
	}
	if len(state) > catalogue.MaxState {
		return exported{}, fmt.Errorf("the state has %d bytes, more than the %d that can be kept; remove the group without keeping it, or copy it first: %w", len(state), catalogue.MaxState, ErrRefused)
	}
	info, _ := n.host.Info(g)
	return exported{state, index, info.Term}, nil
}

func (n *Node) export(ctx context.Context, g *catalogue.Group) (*catalogue.Archive, error) {
	for tries := 0; ; tries++ {
		route, err := n.router.locate(ctx, g.Name)
		if err == nil {
			var e exported
			if route.Leader == n.id {
				e, err = n.exportHere(ctx, g.ID)
			} else {
				var b []byte
				if b, err = n.ask(ctx, route.Leader, appendGroup(nil, opExport, g.ID, nil)); err == nil {
					err = msgpack.Unmarshal(b, &e)
				}
			}
			if err == nil {
				return &catalogue.Archive{Name: g.Name, Type: g.Type, Config: g.Config, State: e.State, Group: g.ID, Term: e.Term, Index: e.Index}, nil
			}
			n.router.learn(g.Name, route, err)
		}
		if !retriable(err) {
			return nil, err
		}
		if e := pause(ctx, tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

// updateHere has the group commit its configuration and then records it for the
// members that come later.
func (n *Node) updateHere(ctx context.Context, r *updateRequest) error {
	config, err := group.DecodeConfig(r.Config)
	if err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		route, err := n.router.locate(ctx, r.Name)
		if err == nil {
			err = n.configure(ctx, route.Group, route.Leader, config)
			if err == nil {
				_, err = n.propose(ctx, &catalogue.UpdateGroup{Name: r.Name, Config: r.Config, IfID: route.Group})
				return err
			}
			n.router.learn(r.Name, route, err)
		}
		if !retriable(err) {
			return err
		}
		if e := pause(ctx, tries, err); e != nil {
			return fmt.Errorf("%w; last: %w", e, err)
		}
	}
}

func (n *Node) configure(ctx context.Context, g ident.GroupID, leader ident.NodeID, c group.Config) error {
	if leader != n.id {
		_, err := n.ask(ctx, leader, appendGroup(nil, opConfigure, g, c.Encode()))
		return err
	}
	return n.configureHere(ctx, g, c)
}

func (n *Node) configureHere(ctx context.Context, g ident.GroupID, c group.Config) error {
	done := make(chan error, 1)
	n.host.Configure(g, c, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Drain has a node's leaders and members leave it; see Deactivate for what the
// node itself calls. The node is named by name or id.
func (n *Node) Drain(ctx context.Context, node string) error {
	return n.setState(ctx, node, placement.Draining)
}

// Undrain makes a draining node an active one again.
func (n *Node) Undrain(ctx context.Context, node string) error {
	return n.setState(ctx, node, placement.Active)
}

func (n *Node) setState(ctx context.Context, node string, to placement.State) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{State: &stateRequest{node, to}}); err != nil {
		return fmt.Errorf("fleet: make node %q %s: %w", node, to, err)
	}
	return nil
}

func (n *Node) setStateHere(ctx context.Context, r *stateRequest) error {
	node, err := n.findNode(ctx, r.Node)
	if err != nil {
		return err
	}
	from := []placement.State{placement.Active, placement.Suspect, placement.Joining}
	reason := "drained by an operator"
	if r.To == placement.Active {
		from, reason = []placement.State{placement.Draining, placement.Inactive}, "undrained by an operator"
	}
	if r.To == placement.Active && !n.hears(node.ID) {
		return fmt.Errorf("node %s is not heard: start it first: %w", node.Name, ErrRefused)
	}
	if node.State == r.To || (r.To == placement.Draining && node.State == placement.Inactive) {
		return nil
	}
	_, err = n.propose(ctx, &catalogue.SetNodeState{ID: node.ID, To: r.To, Reason: reason, IfState: from})
	return err
}

// Forget removes a node that will not return from the fleet; its members are
// replaced. A node that is alive or may hold the only copy of something is
// refused unless force is set.
func (n *Node) Forget(ctx context.Context, node string, force bool) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.forward(ctx, forwardRequest{Forget: &forgetRequest{node, force}}); err != nil {
		return fmt.Errorf("fleet: forget node %q: %w", node, err)
	}
	return nil
}

func (n *Node) forgetHere(ctx context.Context, c *catalogue.Machine, r *forgetRequest) error {
	node, err := n.findNode(ctx, r.Node)
	if err != nil {
		return err
	}
	if n.hears(node.ID) && !r.Force && node.State != placement.Inactive {
		return fmt.Errorf("node %s is alive: %w", node.Name, ErrNodeInUse)
	}
	if hosted := c.HostedBy(node.ID); len(hosted) > 0 && node.State != placement.Dead {
		// Dead first: the planner replaces its members while the groups have a quorum.
		_, err := n.propose(ctx, &catalogue.SetNodeState{ID: node.ID, To: placement.Dead, Reason: "forgotten by an operator"})
		if err != nil {
			return err
		}
		if !r.Force {
			return nil
		}
	}
	if _, err = n.propose(ctx, &catalogue.ForgetNode{ID: node.ID, Force: r.Force}); err != nil && !errors.Is(err, ErrNoNode) {
		return err
	}
	n.gossip.Forget(node.ID)
	n.events.add(view.Event{Kind: "node_forgotten", Node: node.Name, Detail: "forgotten by an operator"})
	return nil
}
