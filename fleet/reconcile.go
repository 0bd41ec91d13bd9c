package fleet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

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
	floor, err := n.reconciled()
	for ; err != nil; floor, err = n.reconciled() {
		n.log.Error("the record of removed members cannot be read; nothing is started or removed until it can", "error", err)
		if !n.sleep(ctx, reconcileRetry) {
			return
		}
	}
	d := differences{node: n.id, host: n.host}
	for {
		wait := lookAtAll // or less after a failure
		changed := n.catalogueWatch()
		if c := n.catalogue.Load(); c != nil && c.Index() >= floor {
			done, err := n.reconcileOnce(ctx, c, d.look(c, n.exec.Now()), floor)
			if err != nil {
				n.log.Error("members could not be started or removed as the catalogue says; trying again", "error", err)
				d.failed(n.exec.Now().Add(reconcileRetry))
			}
			floor = max(floor, done)
			wait = max(time.Millisecond, d.allAt.Sub(n.exec.Now()))
		}
		if n.await(ctx, wait, changed) != nil {
			return
		}
	}
}

// reconciled is the index of the catalogue up to which members were removed.
func (n *Node) reconciled() (uint64, error) {
	b, err := n.store.Get(reconciledKey)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(b) != 8:
		return 0, fmt.Errorf("%d bytes instead of 8: %w", len(b), store.ErrCorrupt)
	}
	return leUint64(b), nil
}

// reconcileOnce starts and removes what differs from the catalogue, and returns the
// new floor.
func (n *Node) reconcileOnce(ctx context.Context, c *catalogue.Machine, do toDo, floor uint64) (uint64, error) {
	index := c.SeenIndex() // after all looks: at least as new as anything seen
	if len(do.remove) > 0 && index > floor {
		// Durable before the first removal: from here on no older copy may start them.
		if err := n.store.Put(reconciledKey, appendUint64(nil, index)); err != nil {
			return floor, err
		}
		floor = index
	}
	err := n.each(len(do.remove), reconcileParallel, func(i int) error {
		info := do.remove[i]
		if err := n.host.Destroy(info.Group); err != nil {
			return err
		}
		if _, exists := c.GroupByID(info.Group); !exists {
			n.router.forget(info.Name, info.Group)
		}
		n.events.add(view.Event{Kind: "member_removed", Node: n.cfg.Name, Group: info.Name, Detail: "this node no longer hosts a member of it"})
		return nil
	})
	if err != nil {
		return floor, err
	}
	err = n.each(len(do.start), reconcileParallel, func(i int) error {
		spec := do.start[i]
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
	n.lead(c, do.start)
	return floor, err
}

// lead makes members of new groups campaign at once on the node that should lead
// them, instead of waiting for an election timeout. The other members may start a
// moment later, so it asks a few times.
func (n *Node) lead(c *catalogue.Machine, started []group.Spec) {
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
			if !n.sleep(ctx, wait) {
				return
			}
		}
	})
}
