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
