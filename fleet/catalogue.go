package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// catalogueTypeName is the type of the group that holds the fleet's own state.
const catalogueTypeName = "raftfleet.catalogue"

// catalogueType makes the machines of this node's member of the catalogue.
type catalogueType struct{ n *Node }

func (t catalogueType) TypeName() string { return catalogueTypeName }
func (t catalogueType) NewMachine() group.Machine {
	return &catalogueMachine{node: t.n, machine: catalogue.New()}
}

// catalogueMachine adapts a catalogue to a group's machine, and puts it in the
// node's hands once it has content: an empty one would say that no group exists.
type catalogueMachine struct {
	node    *Node
	machine *catalogue.Machine
	publish sync.Once
}

// changed tells those who wait. They do not wait for the machine itself: another
// may take its place.
func (m *catalogueMachine) changed() {
	m.publish.Do(func() { m.node.catalogue.Store(m.machine) })
	m.node.catalogueChanged.raise()
}

func (m *catalogueMachine) Apply(meta group.Meta, command []byte) ([]byte, error) {
	result, err := m.machine.Apply(meta.Index, meta.Time.UnixNano(), command)
	return catalogue.EncodeAnswer(result, err), nil
}

// AppliedUpTo implements group.IndexedMachine.
func (m *catalogueMachine) AppliedUpTo(index uint64) {
	m.machine.AppliedUpTo(index)
	m.changed()
}

func (m *catalogueMachine) Query([]byte) ([]byte, error) {
	return nil, errors.New("the catalogue is read from the local copy")
}

func (m *catalogueMachine) Snapshot() (func(io.Writer) error, error) {
	return m.machine.Snapshot(), nil
}

func (m *catalogueMachine) Restore(r io.Reader) error {
	if err := m.machine.Restore(r); err != nil {
		return err
	}
	m.changed()
	return nil
}

// propose replicates a command of the catalogue, from any node, and returns its result.
func (n *Node) propose(ctx context.Context, command catalogue.Command) ([]byte, error) {
	b, err := catalogue.Encode(command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", group.ErrInvalidArgument, err)
	}
	answer, err := n.router.command(ctx, catalogueName, b, group.CommandID{})
	if err != nil {
		return nil, err
	}
	result, err := catalogue.DecodeAnswer(answer)
	return result, catalogueError(err)
}

// decide replicates a command of the catalogue if this node leads it. It goes to no other
// node: what one planner decided must not be set beside what the next one decides.
func (n *Node) decide(ctx context.Context, command catalogue.Command) ([]byte, error) {
	b, err := catalogue.Encode(command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", group.ErrInvalidArgument, err)
	}
	here := cache.Route{Group: ident.Catalogue, Leader: n.id}
	a := n.router.sendCommand(ctx, here, &group.Proposal{Body: b}, n.deadline(ctx))
	if a.err != nil {
		return nil, a.err
	}
	answer, err := group.DecodeResult(a.result)
	if err != nil {
		return nil, err
	}
	result, err := catalogue.DecodeAnswer(answer)
	return result, catalogueError(err)
}

// catalogueError gives the catalogue's errors the identity that callers of this package know.
func catalogueError(err error) error {
	for _, e := range []struct{ inner, outer error }{
		{catalogue.ErrGroupExists, ErrGroupExists},
		{catalogue.ErrNoGroup, ErrNoGroup},
		{catalogue.ErrNoArchive, ErrNoArchive},
		{catalogue.ErrNoNode, ErrNoNode},
		{catalogue.ErrNodeInUse, ErrNodeInUse},
		{catalogue.ErrInvalid, group.ErrInvalidArgument},
		{catalogue.ErrStateMoved, ErrRefused},
	} {
		if errors.Is(err, e.inner) {
			return fmt.Errorf("%w (%w)", e.outer, err)
		}
	}
	return err
}

// errNobodyToAsk is returned while no node is known that has the catalogue.
var errNobodyToAsk = errors.New("no active node of the fleet is reachable yet")

// locate finds the group of a name: in this node's catalogue, or through another node.
func (n *Node) locate(ctx context.Context, name string) (locateReply, error) {
	if n.catalogue.Load() != nil {
		return n.locateHere(ctx, name)
	}
	if _, hosted := n.host.Info(ident.Catalogue); hosted && name == catalogueName {
		return n.locateCatalogue()
	}
	return n.locateAway(ctx, name)
}

// locateAway asks active nodes in turn.
func (n *Node) locateAway(ctx context.Context, name string) (locateReply, error) {
	last := errNobodyToAsk
	for _, id := range n.activeNodes() {
		body, err := n.ask(ctx, id, encodeRequest(opLocate, locateRequest{name}))
		if err == nil {
			var r locateReply
			err = decodeBody(body, &r)
			if err == nil {
				return r, nil
			}
		}
		if errors.Is(err, ErrNoGroup) || ctx.Err() != nil {
			return locateReply{}, err
		}
		last = fmt.Errorf("%w: %w", errNobodyToAsk, err)
	}
	return locateReply{}, last
}

// askTimeout bounds one request to one node.
const askTimeout = 3 * time.Second

func (n *Node) ask(ctx context.Context, to ident.NodeID, request []byte) ([]byte, error) {
	return n.askFor(ctx, to, request, askTimeout)
}

// askFor is ask with a bound of its own. A node that does not answer within it, while
// ctx has time left, is errNoAnswer: another may.
func (n *Node) askFor(ctx context.Context, to ident.NodeID, request []byte, most time.Duration) ([]byte, error) {
	asking, cancel := exec.WithTimeout(ctx, n.exec, most)
	defer cancel()
	b, err := n.wire.Call(asking, to, request)
	if err != nil {
		if asking.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("node %s, within %s: %w", to, most, errNoAnswer)
		}
		return nil, err
	}
	return readAnswer(to, "", b)
}

// activeNodes lists the nodes that gossip says are active and alive.
func (n *Node) activeNodes() []ident.NodeID {
	var out []ident.NodeID
	for _, m := range n.gossip.Members() {
		if m.Alive && m.Node != n.id && servesCatalogue(m) {
			out = append(out, m.Node)
		}
	}
	return out
}

// servesCatalogue tells whether a node says of itself that it has the catalogue.
func servesCatalogue(m gossip.Member) bool {
	return m.Fleet != 0 && (m.State == gossip.StateActive || m.State == gossip.StateDraining)
}

// locateCatalogue finds the fleet's own group by what gossip says as well: the copy
// of a node that was given up while it was away is of the past, and those who have
// the catalogue now may not be in it.
func (n *Node) locateCatalogue() (locateReply, error) {
	r := locateReply{Group: ident.Catalogue, Type: catalogueTypeName}
	if info, ok := n.host.Info(ident.Catalogue); ok {
		r.Leader, r.Term = info.Leader, info.Term
	}
	r.Members = n.activeNodes()
	if c := n.catalogue.Load(); c != nil {
		for _, node := range c.Nodes() {
			if node.Member != 0 && n.hears(node.ID) && !slices.Contains(r.Members, node.ID) {
				r.Members = append(r.Members, node.ID)
			}
		}
	}
	if len(r.Members) == 0 && r.Leader == 0 {
		return r, errNobodyToAsk
	}
	return r, nil
}

func (n *Node) locateHere(ctx context.Context, name string) (locateReply, error) {
	if name == catalogueName {
		return n.locateCatalogue()
	}
	g, err := n.groupNamed(ctx, name)
	if err != nil {
		return locateReply{}, err
	}
	r := locateReply{Group: g.ID, Type: g.Type}
	add := func(id ident.NodeID) {
		for _, m := range r.Members {
			if m == id {
				return
			}
		}
		r.Members = append(r.Members, id)
	}
	if g.Preferred != 0 && n.hears(g.Preferred) {
		add(g.Preferred)
	}
	for _, list := range [][]catalogue.Member{g.Configured, g.Target} {
		for _, m := range list {
			if n.hears(m.Node) {
				add(m.Node)
			}
		}
	}
	if info, here := n.host.Info(g.ID); here && info.Leader != 0 {
		r.Leader, r.Term = info.Leader, info.Term
	}
	if len(r.Members) == 0 {
		return r, fmt.Errorf("group %q: none of its members' nodes is reachable: %w", name, errNobodyToAsk)
	}
	return r, nil
}

// groupNamed finds a group in this node's catalogue, which may lag behind: that it
// lacks the group is settled by the leader's word only.
func (n *Node) groupNamed(ctx context.Context, name string) (*catalogue.Group, error) {
	if c := n.catalogue.Load(); c != nil {
		if g, ok := c.Group(name); ok {
			return g, nil
		}
	}
	return n.groupNow(ctx, name)
}

// groupNow finds a group in the catalogue as it is now.
func (n *Node) groupNow(ctx context.Context, name string) (*catalogue.Group, error) {
	if err := n.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errNobodyToAsk, err)
	}
	c := n.catalogue.Load()
	if c == nil {
		return nil, errNobodyToAsk // it is being replaced
	}
	g, ok := c.Group(name)
	if !ok {
		return nil, fmt.Errorf("group %q: %w", name, ErrNoGroup)
	}
	return g, nil
}

// catchUp returns once this node's catalogue holds everything that was committed
// before the call. When that takes longer than one request may, while ctx has time
// left, it is errNoAnswer: the caller may try again.
func (n *Node) catchUp(ctx context.Context) error {
	asking, cancel := exec.WithTimeout(ctx, n.exec, askTimeout)
	defer cancel()
	err := n.atLeader(asking, catalogueName, func(ctx context.Context, route cache.Route) error {
		index, err := n.readIndex(ctx, route, n.deadline(ctx))
		if err != nil {
			return err
		}
		return n.host.AwaitApplied(ctx, ident.Catalogue, index)
	})
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("the catalogue's leader, within %s: %w (%v)", askTimeout, errNoAnswer, err)
	}
	return err
}

// awaitCopy returns once this node's copy of the catalogue holds everything that was
// committed before the call, however long that takes: after a crash it replays.
func (n *Node) awaitCopy(ctx context.Context) error {
	var index uint64
	_, err := n.retry(ctx, func(ctx context.Context) ([]byte, error) {
		asking, cancel := exec.WithTimeout(ctx, n.exec, askTimeout)
		defer cancel()
		return nil, n.atLeader(asking, catalogueName, func(ctx context.Context, route cache.Route) (err error) {
			index, err = n.readIndex(ctx, route, n.deadline(ctx))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("ask the catalogue's leader what is committed: %w", err)
	}
	if err := n.host.AwaitApplied(ctx, ident.Catalogue, index); err != nil {
		at := uint64(0)
		if c := n.catalogue.Load(); c != nil {
			at = c.Index()
		}
		return fmt.Errorf("wait for this node's copy of the catalogue, which is at %d, to reach %d: %w", at, index, err)
	}
	return nil
}
