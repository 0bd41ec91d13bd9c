package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A RemoveOption changes how a group is removed.
type RemoveOption func(*removeRequest)

// Keep archives the group's last state, of at most 4 MiB, so that a group of the
// same name can be added with Restore.
func Keep() RemoveOption { return func(r *removeRequest) { r.Keep = true } }

// RemoveConsensusGroup removes a group. Its members stop and delete their data;
// those on nodes that are away do so when they return. Without Keep the state is
// gone, and so is what a group whose leader cannot be reached within 3 s goes on to
// acknowledge until its members hear of the removal.
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
	ctx, cancel := exec.WithTimeout(ctx, n.exec, sealTimeout)
	defer cancel()
	return n.atLeader(ctx, g.Name, func(ctx context.Context, route cache.Route) error {
		if err := sameGroup(route, g); err != nil {
			return err
		}
		if route.Leader == n.id {
			return n.sealHere(ctx, g.ID, closed)
		}
		_, err := n.ask(ctx, route.Leader, appendGroup(nil, opSeal, g.ID, sealBody(closed)))
		return err
	})
}

// sameGroup refuses a route that leads to another group of the name. One to an older
// group is left over from before that was removed: it is given up, and the next try
// finds the group itself.
func sameGroup(route cache.Route, g *catalogue.Group) error {
	switch {
	case route.Group < g.ID:
		return fmt.Errorf("group %q: the route leads to what had the name before: %w", g.Name, group.ErrNoMember)
	case route.Group > g.ID:
		return fmt.Errorf("group %q was removed and added again: %w", g.Name, ErrNoGroup)
	}
	return nil
}

// sealBody is not empty to close, empty to open.
func sealBody(closed bool) []byte {
	if closed {
		return []byte{1}
	}
	return nil
}

func (n *Node) sealHere(ctx context.Context, g ident.GroupID, closed bool) error {
	return n.outcome(ctx, func(done func(error)) { n.host.Seal(g, closed, done) })
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
	var e exported
	err := n.atLeader(ctx, g.Name, func(ctx context.Context, route cache.Route) (err error) {
		if err := sameGroup(route, g); err != nil {
			return err
		}
		if route.Leader == n.id {
			e, err = n.exportHere(ctx, g.ID)
			return err
		}
		b, err := n.ask(ctx, route.Leader, appendGroup(nil, opExport, g.ID, nil))
		if err != nil {
			return err
		}
		return decodeBody(b, &e)
	})
	if err != nil {
		return nil, err
	}
	return &catalogue.Archive{Name: g.Name, Type: g.Type, Config: g.Config, State: e.State, Group: g.ID, Term: e.Term, Index: e.Index}, nil
}
