package group

import (
	"context"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Hooks are told what happens to the groups of a type on this node. Every field
// may be nil. They are called outside the lanes, one at a time for a group and in
// order, and should return soon: while one runs, the next event of that group
// waits (commands do not).
type Hooks struct {
	// OnElected is called when this node's member becomes the leader, once it
	// serves: after the first commit of its term.
	OnElected func(group string, term uint64)
	// OnDeposed is called when it no longer leads.
	OnDeposed func(group string, term uint64)
	// OnMemberAdded and OnMemberRemoved are called on the leader when a change of
	// the group's members is committed.
	OnMemberAdded   func(group string, node ident.NodeID)
	OnMemberRemoved func(group string, node ident.NodeID)
	// OnRestored is called when a member resumed from what this node's disk holds.
	OnRestored func(group string, index uint64)
	// OnCommand is called on the leader after it applied a command, with the
	// result that the caller gets. It is on the path of every command.
	OnCommand func(group string, meta Meta, command, result []byte, err error)
	// OnQuery is called on the node that answered a query.
	OnQuery func(group string, query, result []byte, err error)
	// WhileLeading runs for as long as this node's member leads; its context ends
	// with the leadership. It starts again only after it has returned. Another node
	// may lead already before the context ends: what it does outside the group must
	// be safe to do twice, or be fenced by the term.
	WhileLeading func(ctx context.Context, group string, term uint64)
}

// hooked is what a Type with hooks implements.
type hooked interface{ GroupHooks() *Hooks }
