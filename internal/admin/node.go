package admin

import (
	"context"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// Node is what the API serves. Package fleet's node implements it.
//
// Nodes are named by name or id. Every method may be called concurrently and
// returns soon after its context ends. An error may carry, found by errors.As,
// `Kind() string` with one of the kinds of this package, and `Remedy() string`
// with what to do about it. An error without a kind is KindInternal. One of a
// call whose outcome is unknown may carry `CommandID() string`, to repeat it with.
type Node interface {
	Status(ctx context.Context) (view.Status, error)
	NodeDetail(ctx context.Context, node string) (view.NodeDetail, error)
	// CheckNode tells which groups would lose their quorum without the node now.
	CheckNode(ctx context.Context, node string) (view.NodeCheck, error)
	// GossipMembers lists whom the gossip of the answering node knows, by id.
	GossipMembers(ctx context.Context) ([]view.GossipMember, error)

	// Drain starts a drain and returns once the fleet has noted it; it does not
	// wait for the members to leave. Draining a node that drains is no error.
	Drain(ctx context.Context, node string) error
	// Undrain makes a draining or drained node active again.
	Undrain(ctx context.Context, node string) error
	DrainProgress(ctx context.Context, node string) (view.DrainProgress, error)
	// ForgetNode is the word that a node will not return. Without force it refuses
	// for a node that is alive or hosts members.
	ForgetNode(ctx context.Context, node string, force bool) error

	// ListGroups returns at most limit groups whose name begins with prefix and
	// comes after `after`, in the order of their names.
	ListGroups(ctx context.Context, prefix, after string, limit int) ([]view.Group, error)
	GroupStatus(ctx context.Context, name string) (view.GroupStatus, error)
	// AddGroup returns when a leader serves. With restore the group starts with the
	// state that was kept when it was removed; an empty type and zero replicas are
	// then those that it had.
	AddGroup(ctx context.Context, name, typeName string, replicas int, restore bool) error
	// RemoveGroup removes the group and its data; with keep its last state stays
	// as an archive.
	RemoveGroup(ctx context.Context, name string, keep bool) error
	TransferLeader(ctx context.Context, group, toNode string) error
	// RecoverGroup makes a group that lost its quorum serve again from what is
	// left of it, which may lose acknowledged commands. confirm must be its name.
	RecoverGroup(ctx context.Context, name, confirm string) error

	// Balance tells how far the fleet is from where it should be. That nobody can tell
	// is no error but a state of it.
	Balance(ctx context.Context) (view.Balance, error)
	// Plan lists what is wanted and not begun, in the order in which it would begin:
	// at most limit changes, or all when it is 0.
	Plan(ctx context.Context, limit int) ([]view.PlannedMove, error)
	// Moves lists the groups on the move, the oldest first: at most limit, or all when
	// it is 0.
	Moves(ctx context.Context, limit int) ([]view.Move, error)
	// Skew tells how evenly the fleet is loaded.
	Skew(ctx context.Context) (view.Skew, error)
	// Explain tells why a group is where it is.
	Explain(ctx context.Context, group string) (view.Explanation, error)
	// WhatIf tells what the fleet would look like then, and changes nothing. The
	// question asks something, and weights and counts in it are 1 or more.
	WhatIf(ctx context.Context, q view.WhatIf) (view.Outcome, error)
	// Pause keeps all moves from beginning until Resume; by and reason may be empty.
	// Pausing what is paused gives it the new words.
	Pause(ctx context.Context, by, reason string) error
	// Resume ends a pause; without one it does nothing.
	Resume(ctx context.Context, by string) error
	// Limits lists the limits of balancing in the order in which to show them.
	Limits(ctx context.Context) ([]view.BalanceLimit, error)
	// SetLimits changes limits by name, all or none; an empty value takes one back to
	// its default.
	SetLimits(ctx context.Context, values map[string]string) error

	// Archives lists, by name, the states that were kept of removed groups.
	Archives(ctx context.Context) ([]view.Archive, error)
	// DropArchive drops one of them for ever.
	DropArchive(ctx context.Context, name string) error

	// CallJSON runs a command. An empty commandID means a new one.
	CallJSON(ctx context.Context, group, op string, body []byte, commandID string) ([]byte, error)
	// QueryJSON runs a query: linearizable, or with local from whatever the
	// answering node has, or with stale > 0 not older than that.
	QueryJSON(ctx context.Context, group, op string, body []byte, local bool, stale time.Duration) ([]byte, error)

	// Events returns the events after the given one that the node still has. With
	// wait it waits for the first of them or the end of the context.
	Events(ctx context.Context, after uint64, wait bool) ([]view.Event, error)

	// Ready returns why the node should get no new work, nil when it may.
	Ready() error
	// Live returns why the process should be restarted, nil while it need not be.
	Live() error
}
