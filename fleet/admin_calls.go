package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// Commands and queries of the admin API: an operation by its name, its argument and
// its result as JSON.

// typeOf finds the type of a group, so that JSON can be read for it.
func (n *Node) typeOf(ctx context.Context, name string) (group.Type, error) {
	var reply locateReply
	for tries := 0; ; tries++ {
		var err error
		if reply, err = n.locate(ctx, name); err == nil {
			break
		}
		if !retriable(err) {
			return nil, err
		}
		if e := n.pause(ctx, tries, err); e != nil {
			return nil, fmt.Errorf("%w; last: %w", e, err)
		}
	}
	t, ok := n.types[reply.Type]
	if !ok {
		return nil, fmt.Errorf("group %q is of type %q, which this node does not know: %w", name, reply.Type, group.ErrUnknownType)
	}
	return t, nil
}

func (n adminNode) CallJSON(ctx context.Context, name, op string, body []byte, commandID string) ([]byte, error) {
	var opts []group.CallOption
	if commandID != "" {
		id, err := group.ParseCommandID(commandID)
		if err != nil {
			return nil, kind(err)
		}
		opts = append(opts, group.WithCommandID(id))
	}
	return n.operate(ctx, name, op, body, false, opts)
}

func (n adminNode) QueryJSON(ctx context.Context, name, op string, body []byte, local bool, stale time.Duration) ([]byte, error) {
	var opts []group.CallOption
	switch {
	case local:
		opts = append(opts, group.Local())
	case stale > 0:
		opts = append(opts, group.Stale(stale))
	}
	return n.operate(ctx, name, op, body, true, opts)
}

// operate carries out a command or a query.
func (n adminNode) operate(ctx context.Context, name, op string, body []byte, query bool, opts []group.CallOption) ([]byte, error) {
	ctx, cancel := n.bounded(ctx)
	defer cancel()
	if err := n.awaitFleet(ctx); err != nil {
		return nil, err
	}
	t, err := n.typeOf(ctx, name)
	if err != nil {
		return nil, kindOfCall(err, name)
	}
	if err := checkOperation(t, name, op, query); err != nil {
		return nil, err
	}
	result, err := group.CallJSON(ctx, n.Node, t, name, op, body, query, opts...)
	return result, kindOfCall(err, name)
}

// kindOfCall is kind for the error of a call, with the remedy for a group that nobody
// leads, which only its members can tell more about.
func kindOfCall(err error, name string) error {
	err = kind(err)
	if k, ok := err.(kinded); ok && k.kind == admin.KindUnavailable && (errors.Is(err, ErrNoLeader) || errors.Is(err, group.ErrNotLeader) || errors.Is(err, errNoAnswer)) {
		k.remedy = "see which of its members are missing: fleetctl group show " + quoted(name)
		return k
	}
	return err
}

// checkOperation says what a type has in place of an operation that it has not.
func checkOperation(t group.Type, name, op string, query bool) error {
	is := map[bool]string{false: "command", true: "query"}
	verb := map[bool]string{false: "call", true: "query"}
	var known [2][]string
	all := group.Operations(t)
	if len(all) == 0 {
		return nil // CallJSON says why
	}
	for _, o := range all {
		switch {
		case o.Name == op && o.Query == query:
			return nil
		case o.Name == op:
			return kinded{
				error: fmt.Errorf("%q of group %q, type %s, is a %s and not a %s", op, name, t.TypeName(), is[o.Query], is[query]),
				kind:  admin.KindNotFound, remedy: fmt.Sprintf("fleetctl %s %s %s", verb[o.Query], quoted(name), op),
			}
		}
		takes := o.Name
		if o.Argument != "none" {
			takes += " " + o.Argument
		}
		i := 0
		if o.Query {
			i = 1
		}
		known[i] = append(known[i], takes)
	}
	return kinded{
		error: fmt.Errorf("group %q, type %s, has no %s %q", name, t.TypeName(), is[query], op),
		kind:  admin.KindNotFound, remedy: fmt.Sprintf("its commands: %s; its queries: %s", orNone(known[0]), orNone(known[1])),
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// unknownType says which types there are in place of one that there is not.
func (n *Node) unknownType(name string) error {
	known := slices.Sorted(maps.Keys(n.types))
	return &unknownTypeError{fmt.Sprintf("node %s knows no type %q, only these: %s; others are registered before the node is opened", n.cfg.Name, name, orNone(known))}
}

type unknownTypeError struct{ text string }

func (e *unknownTypeError) Error() string { return e.text }
func (e *unknownTypeError) Unwrap() error { return group.ErrUnknownType }

// Remedy is for those who ask from outside, where the text has said all.
func (e *unknownTypeError) Remedy() string { return "choose one of the types that the node knows" }
