package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
)

func appendUint64(dst []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(dst, v) }

// reconciledKey holds the index of the catalogue up to which members were removed
// here. A copy that is older, as after a restart that replays, must not bring a
// removed member back: it would have forgotten what it promised.
const reconciledKey = "reconciled"

// reconcileParallel is how many members are started or removed at once: each waits
// for the disk, and they share its syncs.
const reconcileParallel = 64

// reconcileRetry is how soon what failed is tried again.
const reconcileRetry = time.Second

// reconcile makes this node host what its copy of the catalogue says, for as long
// as the node runs.
func (n *Node) reconcile(ctx context.Context) {
	floor := uint64(0)
	if b, err := n.store.Get(reconciledKey); err == nil && len(b) == 8 {
		floor = leUint64(b)
	} else if err != nil && !errors.Is(err, store.ErrNotFound) {
		n.log.Error("the record of removed members cannot be read; nothing is started or removed", "error", err)
		return
	}
	for {
		changed := n.catalogueWatch()
		var again <-chan time.Time
		if c := n.catalogue.Load(); c != nil && c.Index() >= floor {
			done, err := n.reconcileOnce(ctx, c, floor)
			if err != nil {
				n.log.Error("members could not be started or removed as the catalogue says; trying again", "error", err)
				again = time.After(reconcileRetry)
			}
			floor = max(floor, done)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// reconcileOnce starts and removes members until this node hosts what the catalogue
// says, and returns the new floor.
func (n *Node) reconcileOnce(ctx context.Context, c *catalogue.Machine, floor uint64) (uint64, error) {
	unknown := c.NextGroup()
	var start []group.Spec
	for _, g := range c.HostedBy(n.id) {
		if m, ok := memberOn(g.Target, n.id); ok {
			if info, hosted := n.host.Info(g.ID); !hosted || info.Member != m.ID {
				start = append(start, specOf(g, m))
			}
		} else if m, ok := memberOn(g.Configured, n.id); ok {
			if _, hosted := n.host.Info(g.ID); !hosted {
				start = append(start, specOf(g, m))
			}
		}
	}
	var remove []group.Info
	for _, info := range n.host.Infos() {
		// A copy that is still replaying has not heard of the newest groups: that it
		// lacks them does not mean that they were removed.
		if info.Group == ident.Catalogue || info.Group >= unknown {
			continue
		}
		if g, ok := c.GroupByID(info.Group); !ok || dispensable(g, info.Member) {
			remove = append(remove, info)
		}
	}
	index := c.Index() // after all looks: at least as new as anything seen
	if len(remove) > 0 && index > floor {
		// Durable before the first removal: from here on no older copy may start them.
		if err := n.store.Put(reconciledKey, appendUint64(nil, index)); err != nil {
			return floor, err
		}
		floor = index
	}
	eg, _ := errgroup.WithContext(ctx)
	eg.SetLimit(reconcileParallel)
	for _, info := range remove {
		eg.Go(func() error {
			if err := n.host.Destroy(info.Group); err != nil {
				return err
			}
			if _, exists := c.GroupByID(info.Group); !exists {
				n.router.forget(info.Name, info.Group)
			}
			n.events.add(view.Event{Kind: "member_removed", Node: n.cfg.Name, Group: info.Name, Detail: "this node no longer hosts a member of it"})
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return floor, err
	}
	eg, _ = errgroup.WithContext(ctx)
	eg.SetLimit(reconcileParallel)
	for _, spec := range start {
		eg.Go(func() error {
			err := n.host.Start(spec)
			if errors.Is(err, group.ErrUnknownType) {
				// The program lacks the type: say so, and let the others be.
				if _, told := n.unhosted.LoadOrStore(spec.Group, true); !told {
					n.log.Error("a group cannot be hosted here", "group", spec.Name, "type", spec.Type, "error", err)
					n.events.add(view.Event{Kind: "member_failed", Node: n.cfg.Name, Group: spec.Name, Detail: err.Error()})
				}
				return nil
			}
			return err
		})
	}
	err := eg.Wait()
	n.lead(ctx, c, start)
	return floor, err
}

// lead makes members of new groups campaign at once on the node that should lead
// them, instead of waiting for an election timeout. The other members may start a
// moment later, so it asks a few times.
func (n *Node) lead(ctx context.Context, c *catalogue.Machine, started []group.Spec) {
	var waiting []ident.GroupID
	for _, spec := range started {
		if g, ok := c.GroupByID(spec.Group); ok && g.Preferred == n.id && g.Epoch == 1 {
			waiting = append(waiting, spec.Group)
		}
	}
	if len(waiting) == 0 {
		return
	}
	n.background(func(ctx context.Context) {
		for wait := 5 * time.Millisecond; len(waiting) > 0 && wait < time.Second; wait *= 2 {
			rest := waiting[:0]
			for _, g := range waiting {
				if info, ok := n.host.Info(g); ok && info.Leader == 0 && info.Failed == nil {
					n.host.Campaign(g)
					rest = append(rest, g)
				}
			}
			waiting = rest
			if !sleepCtx(ctx, wait) {
				return
			}
		}
	})
}

// dispensable tells whether a member may be deleted: it is in neither the target nor
// the configuration, and a leader has confirmed as much since the member was named.
// An unconfirmed target is not enough, for the member may vote. Nor does a copy that
// is older than the member say anything of it. But the target may have moved on
// since: a node that comes back as another member must let go of the old one first.
func dispensable(g *catalogue.Group, id ident.MemberID) bool {
	if uint64(id) >= g.SettledNext {
		return false
	}
	for _, list := range [][]catalogue.Member{g.Target, g.Configured} {
		for _, m := range list {
			if m.ID == id {
				return false
			}
		}
	}
	return true
}

func memberOn(ms []catalogue.Member, node ident.NodeID) (catalogue.Member, bool) {
	for _, m := range ms {
		if m.Node == node {
			return m, true
		}
	}
	return catalogue.Member{}, false
}

func specOf(g *catalogue.Group, m catalogue.Member) group.Spec {
	s := group.Spec{Group: g.ID, Member: m.ID, Name: g.Name, Type: g.Type, Config: g.FirstConfig, Initial: g.Initial}
	for _, p := range g.First {
		s.First = append(s.First, group.Peer{Member: p.ID, Node: p.Node})
	}
	return s
}
