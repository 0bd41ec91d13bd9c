package fleet

import (
	"context"
	"errors"
	"fmt"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/admin"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// adminNode is the node as the admin API sees it.
type adminNode struct{ *Node }

var _ admin.Node = adminNode{}

// kinded gives an error the kind and remedy by which the admin API and fleetctl
// report it.
type kinded struct {
	error
	kind   string
	remedy string // empty: that of the kind
}

func (k kinded) Unwrap() error { return k.error }
func (k kinded) Kind() string  { return k.kind }

// Remedy is what the error itself says, where it does.
func (k kinded) Remedy() string {
	var r interface{ Remedy() string }
	if k.remedy == "" && errors.As(k.error, &r) {
		return r.Remedy()
	}
	return k.remedy
}

// CommandID is the id with which a command can be repeated whose outcome is unknown.
func (k kinded) CommandID() string {
	var call *group.CallError
	if !errors.As(k.error, &call) || call.Outcome != group.Unknown || call.CommandID.IsZero() || errors.Is(k.error, ErrSessionExpired) {
		return "" // an expired id repeats nothing
	}
	return call.CommandID.String()
}

// kind sorts an error; acts on the catalogue that ended without an answer may have
// been done.
func kind(err error) error {
	if err == nil {
		return nil
	}
	var machine *group.MachineError
	var call *group.CallError
	var alone *notJoinedError
	var told kinded
	switch {
	case errors.As(err, &alone), errors.As(err, &told):
		return err // they say what they are
	case errors.As(err, &machine):
		return kinded{error: err, kind: admin.KindRejected}
	case errors.Is(err, ErrNoGroup):
		return kinded{err, admin.KindNotFound, "see fleetctl group ls"}
	case errors.Is(err, ErrNoNode):
		return kinded{err, admin.KindNotFound, "see fleetctl node ls"}
	case errors.Is(err, ErrNoArchive):
		return kinded{err, admin.KindNotFound, "see fleetctl archive ls"}
	case errors.Is(err, group.ErrUnknownOperation), errors.Is(err, group.ErrUnknownType):
		return kinded{error: err, kind: admin.KindNotFound}
	case errors.Is(err, ErrGroupExists):
		return kinded{error: err, kind: admin.KindExists}
	case errors.Is(err, group.ErrInvalidArgument), errors.Is(err, group.ErrCommandTooLarge), errors.Is(err, group.ErrNoJSON):
		return kinded{error: err, kind: admin.KindInvalid}
	case errors.Is(err, ErrNodeInUse), errors.Is(err, ErrRefused):
		return kinded{error: err, kind: admin.KindRefused}
	case errors.As(err, &call) && call.Outcome == group.Unknown, errors.Is(err, ErrSessionExpired):
		return kinded{error: err, kind: admin.KindUnknownOutcome}
	case errors.Is(err, ErrOverloaded):
		return kinded{error: err, kind: admin.KindOverloaded}
	case errors.Is(err, ErrNoLeader):
		return kinded{err, admin.KindUnavailable, "fleetctl doctor tells what is missing"}
	case errors.Is(err, errNobodyToAsk), errors.Is(err, ErrNotActive), errors.Is(err, ErrClosed),
		errors.Is(err, group.ErrNotLeader), errors.Is(err, group.ErrStopped), errors.Is(err, group.ErrNoMember),
		errors.As(err, &call) && call.Outcome == group.NotProposed:
		return kinded{error: err, kind: admin.KindUnavailable}
	}
	return err
}

func (n adminNode) Status(ctx context.Context) (view.Status, error) {
	s, err := n.Node.Status(ctx)
	return s, kind(err)
}

func (n adminNode) NodeDetail(ctx context.Context, node string) (view.NodeDetail, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.NodeDetail{}, err
	}
	d, err := n.Node.NodeDetail(ctx, node)
	return d, kind(err)
}

func (n adminNode) CheckNode(ctx context.Context, node string) (view.NodeCheck, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.NodeCheck{}, err
	}
	c, err := n.Check(ctx, node)
	return c, kind(err)
}

func (n adminNode) GossipMembers(ctx context.Context) ([]view.GossipMember, error) {
	m, err := n.Node.GossipMembers(ctx)
	return m, kind(err)
}

func (n adminNode) Drain(ctx context.Context, node string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.Drain(ctx, node))
}

func (n adminNode) Undrain(ctx context.Context, node string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.Undrain(ctx, node))
}

func (n adminNode) DrainProgress(ctx context.Context, node string) (view.DrainProgress, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.DrainProgress{}, err
	}
	p, err := n.Node.DrainProgress(ctx, node)
	return p, kind(err)
}

func (n adminNode) ForgetNode(ctx context.Context, node string, force bool) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.Forget(ctx, node, force))
}

func (n adminNode) ListGroups(ctx context.Context, prefix, after string, limit int) ([]view.Group, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return nil, err
	}
	g, err := n.Node.ListGroups(ctx, prefix, after, limit)
	return g, kind(err)
}

func (n adminNode) GroupStatus(ctx context.Context, name string) (view.GroupStatus, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return view.GroupStatus{}, err
	}
	s, err := n.Node.GroupStatus(ctx, name)
	return s, kind(err)
}

func (n adminNode) AddGroup(ctx context.Context, name, typeName string, replicas int, restore bool) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	var opts []GroupOption
	if restore {
		opts = append(opts, Restore())
		if typeName == "" {
			var err error
			if typeName, err = n.archivedType(ctx, name); err != nil {
				return kind(fmt.Errorf("fleet: add group %q: %w", name, err))
			}
		}
		if replicas == 0 {
			replicas = 3
		}
	}
	return kind(n.add(ctx, name, replicas, typeName, opts...))
}

func (n adminNode) RemoveGroup(ctx context.Context, name string, keep bool) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	var opts []RemoveOption
	if keep {
		opts = append(opts, Keep())
	}
	return kind(n.RemoveConsensusGroup(ctx, name, opts...))
}

func (n adminNode) TransferLeader(ctx context.Context, name, to string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.TransferLeader(ctx, name, to))
}

func (n adminNode) RecoverGroup(ctx context.Context, name, confirm string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Recover(ctx, name, confirm))
}

func (n adminNode) Archives(ctx context.Context) ([]view.Archive, error) {
	if err := n.awaitFleet(ctx); err != nil {
		return nil, err
	}
	a, err := n.Node.Archives(ctx)
	return a, kind(err)
}

func (n adminNode) DropArchive(ctx context.Context, name string) error {
	if err := n.awaitFleet(ctx); err != nil {
		return err
	}
	return kind(n.Node.DropArchive(ctx, name))
}

// Ready tells why the node should get no new work: it has no catalogue, the
// catalogue has no leader, or it is draining.
func (n *Node) Ready() error {
	if err := n.Live(); err != nil {
		return err
	}
	c := n.catalogue.Load()
	if c == nil {
		_, why := n.joining(nil)
		return fmt.Errorf("fleet: %w", why)
	}
	if info, ok := n.host.Info(ident.Catalogue); !ok || info.Leader == 0 {
		return errors.New("fleet: the catalogue has no leader")
	}
	if me, ok := c.Node(n.id); !ok || (me.State != placement.Active && me.State != placement.Suspect) {
		return fmt.Errorf("fleet: node %s is %s", n.cfg.Name, me.State)
	}
	return nil
}

// Live tells why the process should be started again; nil while it need not be.
func (n *Node) Live() error { return n.Err() }

// openAdmin serves the admin API, if the configuration asks for it, and tells the
// fleet where.
func (n *Node) openAdmin() error {
	if n.cfg.Admin == "" {
		return nil
	}
	server, err := admin.NewServer(adminNode{n}, admin.Options{
		Addr: n.cfg.Admin, Token: n.cfg.AdminToken, TLS: n.cfg.AdminTLS, Logger: n.log,
		Registerer: n.cfg.Registerer, GroupMetrics: n.cfg.GroupMetrics, Profiles: n.cfg.AdminProfiles,
	})
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("fleet: Config.Admin %q: %w", n.cfg.Admin, err)
	}
	n.admin = server
	return n.gossip.UpdateMeta(func(m *gossip.Meta) { m.Admin = reachable(server.Addr(), n.gossip.Addr()) })
}

func (n *Node) closeAdmin() error {
	if n.admin == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	return n.admin.Shutdown(ctx)
}

// AdminAddr is where the admin API listens; empty when it does not.
func (n *Node) AdminAddr() string {
	if n.admin == nil {
		return ""
	}
	return n.admin.Addr()
}
