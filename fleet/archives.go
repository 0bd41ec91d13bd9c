package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
)

// Archives lists, by name, the states that were kept of removed groups.
func (n *Node) Archives(ctx context.Context) ([]view.Archive, error) {
	return seen(ctx, n, viewRequest{Archives: true}, func(_ context.Context, c *catalogue.Machine) ([]view.Archive, error) {
		out := []view.Archive{}
		for _, a := range c.Archives() {
			out = append(out, view.Archive{
				Name: a.Name, Type: a.Type, GroupID: a.Group, Bytes: len(a.State), Term: a.Term, Index: a.Index, Removed: time.Unix(0, a.Removed).UTC(),
			})
		}
		return out, nil
	})
}

// archivedType is the type of the group whose state was kept under a name.
func (n *Node) archivedType(ctx context.Context, name string) (string, error) {
	for _, catchUp := range []bool{false, true} { // the copy here may not have heard of it yet
		if catchUp {
			n.catchUpBriefly(ctx)
		}
		archives, err := n.Archives(ctx)
		if err != nil {
			return "", err
		}
		for _, a := range archives {
			if a.Name == name {
				return a.Type, nil
			}
		}
	}
	return "", ErrNoArchive
}

// DropArchive drops the archive of a name for ever, or returns ErrNoArchive.
func (n *Node) DropArchive(ctx context.Context, name string) error {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if _, err := n.propose(ctx, &catalogue.DropArchive{Name: name}); errors.Is(err, ErrNoArchive) {
		return fmt.Errorf("fleet: drop archive %q: %w", name, ErrNoArchive)
	} else if err != nil {
		return fmt.Errorf("fleet: drop archive %q: %w", name, err)
	}
	n.events.add(view.Event{Kind: "archive_dropped", Group: name, Detail: "the state that was kept of the removed group is gone"})
	return nil
}
