package group

import (
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Hooks are told what happens to the groups of a type on this node. They belong to
// the node and not to the replicated value: other nodes may have other ones or none.
// Definition.Hooks and WithHooks give them to a type. Every field may be nil.
//
// All but OnQuery and WhileLeading are called one at a time for a group and in the
// order of its log, where its commands are applied. While one runs, the commands and
// queries of that group wait: it should return soon, and must not wait for a call of
// the same group. What needs longer, or calls the group, belongs in WhileLeading.
// Slices are only lent: a hook copies what it keeps and changes nothing.
//
// A hook that panics is reported in the log and does no other harm.
type Hooks struct {
	// OnElected is called when this node's member becomes the leader, once it
	// serves: after the first commit of its term.
	OnElected func(group string, term uint64)
	// OnDeposed is called when it no longer leads. It is not called where the
	// member itself ends, as when its node is closed, the group is removed or the
	// member failed; the context of WhileLeading ends then too.
	OnDeposed func(group string, term uint64)
	// OnMemberAdded and OnMemberRemoved are called on the leader when a change of
	// the group's members is committed. The node is a fleet.NodeID.
	OnMemberAdded   func(group string, node ident.NodeID)
	OnMemberRemoved func(group string, node ident.NodeID)
	// OnRestored is called when a member resumed from what this node's disk holds,
	// with the index up to which its newest snapshot reaches. The log behind it is
	// applied after that.
	OnRestored func(group string, index uint64)
	// OnCommand is called on the leader after it applied a command, with the
	// result that the caller gets. It is not called again for a command that was
	// sent again. It is on the path of every command.
	OnCommand func(group string, meta Meta, command, result []byte, err error)
	// OnQuery is called on the node that answered a query, concurrently with other
	// queries. It is on the path of every query.
	OnQuery func(group string, query, result []byte, err error)
	// WhileLeading runs for as long as this node's member leads; its context ends
	// with the leadership. It starts again only after it has returned. Another node
	// may lead already before the context ends: what it does outside the group must
	// be safe to do twice, or be fenced by the term. The node waits for it to return
	// before it is closed. Unlike the others it may take its time and call the group.
	WhileLeading func(ctx context.Context, group string, term uint64)
}

// hooked is what a Type with hooks implements.
type hooked interface{ GroupHooks() *Hooks }

// WithHooks returns t with hooks, in place of any that it has. It works for every
// type, from Define, RawType or elsewhere: operations and their JSON form stay those
// of t. Register what it returns in place of t, on the nodes that want to be told;
// several nodes in one process get one each. It panics when t is nil.
func WithHooks(t Type, h Hooks) Type {
	if t == nil {
		panic("group.WithHooks: the type is nil")
	}
	with := hookedType{Type: t, hooks: h.contained()}
	if typed, ok := t.(jsonType); ok {
		return hookedJSONType{hookedType: with, jsonType: typed}
	}
	return with
}

type hookedType struct {
	Type
	hooks *Hooks
}

// GroupHooks implements hooked.
func (t hookedType) GroupHooks() *Hooks { return t.hooks }

// hookedJSONType is a hookedType whose operations are still found.
type hookedJSONType struct {
	hookedType
	jsonType
}

// contained returns the hooks with their panics caught: they run where members are
// driven, and a panic there would end the member. WhileLeading has a goroutine of its
// own, where it is caught.
func (h Hooks) contained() *Hooks {
	if f := h.OnElected; f != nil {
		h.OnElected = func(group string, term uint64) {
			defer catchHook("OnElected", group)
			f(group, term)
		}
	}
	if f := h.OnDeposed; f != nil {
		h.OnDeposed = func(group string, term uint64) {
			defer catchHook("OnDeposed", group)
			f(group, term)
		}
	}
	if f := h.OnMemberAdded; f != nil {
		h.OnMemberAdded = func(group string, node ident.NodeID) {
			defer catchHook("OnMemberAdded", group)
			f(group, node)
		}
	}
	if f := h.OnMemberRemoved; f != nil {
		h.OnMemberRemoved = func(group string, node ident.NodeID) {
			defer catchHook("OnMemberRemoved", group)
			f(group, node)
		}
	}
	if f := h.OnRestored; f != nil {
		h.OnRestored = func(group string, index uint64) {
			defer catchHook("OnRestored", group)
			f(group, index)
		}
	}
	if f := h.OnCommand; f != nil {
		h.OnCommand = func(group string, meta Meta, command, result []byte, err error) {
			defer catchHook("OnCommand", group)
			f(group, meta, command, result, err)
		}
	}
	if f := h.OnQuery; f != nil {
		h.OnQuery = func(group string, query, result []byte, err error) {
			defer catchHook("OnQuery", group)
			f(group, query, result, err)
		}
	}
	return &h
}

// catchHook is deferred around a hook. A type does not know the node's logger.
func catchHook(hook, group string) {
	if p := recover(); p != nil {
		slog.Default().Error("a hook panicked", "hook", hook, "group", group, "panic", p, "stack", string(debug.Stack()))
	}
}
