package group

import (
	"context"
	"time"
)

// A Caller carries commands and queries to whichever member of a group can answer them. A fleet's node is one.
// Implementations are safe for concurrent use.
type Caller interface {
	// Command replicates a command and returns what the machine answered. It is retried under one CommandID
	// until ctx ends, so it is applied at most once; OutcomeOf tells what an error means.
	Command(ctx context.Context, group string, command []byte, opts ...CallOption) ([]byte, error)
	// Query answers from a state that contains every command acknowledged before the query began, unless an
	// option asks for less.
	Query(ctx context.Context, group string, query []byte, opts ...CallOption) ([]byte, error)
}

// ReadMode says how fresh the state behind a query's answer must be.
type ReadMode uint8

const (
	// ReadLinearizable is the default: the leader answers, after it made sure that it still leads.
	ReadLinearizable ReadMode = iota
	// ReadAnyMember is as fresh, but any member may answer after asking the leader for the commit index.
	ReadAnyMember
	// ReadStale lets a member answer that knows its state to be no older than MaxStale.
	ReadStale
	// ReadLocal takes whatever the member of this node has, however old.
	ReadLocal
)

// String returns the mode's name as it is used on the command line.
func (m ReadMode) String() string {
	switch m {
	case ReadLinearizable:
		return "linearizable"
	case ReadAnyMember:
		return "any-member"
	case ReadStale:
		return "stale"
	case ReadLocal:
		return "local"
	default:
		return "invalid"
	}
}

// CallOptions is what the options of one call come to. The zero value is a linearizable query, or a command
// whose id is chosen for the caller.
type CallOptions struct {
	// Read applies to queries; commands ignore it.
	Read ReadMode
	// MaxStale is the bound of ReadStale, greater than zero then.
	MaxStale time.Duration
	// CommandID, when not zero, repeats an earlier command whose outcome is unknown. Queries ignore it.
	CommandID CommandID
}

// A CallOption changes one call. Where two say different things, the later one counts.
type CallOption func(*CallOptions)

// Local answers a query from the member on this node, without asking anybody and however old its state is.
// Without a member here the call fails with ErrNoMember.
func Local() CallOption {
	return func(o *CallOptions) { o.Read, o.MaxStale = ReadLocal, 0 }
}

// Stale accepts an answer from a state that is at most max old, and fails with ErrStale if the member asked can not
// tell that its state is. A max of zero or less asks for no staleness at all, which is AnyMember.
func Stale(max time.Duration) CallOption {
	if max <= 0 {
		return AnyMember()
	}
	return func(o *CallOptions) { o.Read, o.MaxStale = ReadStale, max }
}

// AnyMember keeps a query linearizable, but lets a follower answer: it asks the leader for the commit index and waits
// until it has applied that far. It takes the machine's work, not the round trip, off the leader.
func AnyMember() CallOption {
	return func(o *CallOptions) { o.Read, o.MaxStale = ReadAnyMember, 0 }
}

// WithCommandID repeats the command that has this id, as a CallError with an unknown outcome gave it. The group
// applies it if it was not applied before, and otherwise returns the answer that it gave then. If it no longer knows,
// the call fails with ErrSessionExpired and applies nothing. Argument and operation must be those of the first attempt.
func WithCommandID(id CommandID) CallOption {
	return func(o *CallOptions) { o.CommandID = id }
}

// ResolveOptions applies the options in order. Nil options are skipped.
func ResolveOptions(opts []CallOption) CallOptions {
	var o CallOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	return o
}
