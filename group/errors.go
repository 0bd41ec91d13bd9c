package group

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors of calls and of the machinery that serves them. Each text ends with what to do.
var (
	// ErrNotLeader is returned when the member asked does not lead its group. Nothing was proposed.
	ErrNotLeader = errors.New("this member does not lead the group: ask the leader")
	// ErrTransferring is returned while leadership is being handed over. Nothing was proposed.
	ErrTransferring = errors.New("the group is changing its leader: try again")
	// ErrOverloaded is returned when a bounded queue is full. Nothing was proposed.
	ErrOverloaded = errors.New("too much is waiting already: try again later, with fewer calls at once")
	// ErrNoGroup is returned when no group has the name or id.
	ErrNoGroup = errors.New("no such group: look at its name, or add it first")
	// ErrNoMember is returned by a local query on a node that hosts no member of the group.
	ErrNoMember = errors.New("this node hosts no member of the group: ask without the Local option")
	// ErrGroupExists is returned when a member of the group is hosted already.
	ErrGroupExists = errors.New("the group is hosted here already")
	// ErrUnknownOperation is returned when the group's type has no operation of that name.
	ErrUnknownOperation = errors.New("unknown operation: run the same version of the program on all nodes")
	// ErrUnknownType is returned when the program did not register the group's type.
	ErrUnknownType = errors.New("unknown type: register it before the node is opened")
	// ErrNoJSON is returned by CallJSON for a type that has no typed operations.
	ErrNoJSON = errors.New("the type has no JSON form: send bytes instead, or build the type with Define")
	// ErrInvalidArgument is returned when an argument can not be read as what the operation takes.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrNoSession is returned by SessionClient.Begin before a session was registered.
	ErrNoSession = errors.New("no session is registered yet: call Establish first")
	// ErrSessionExpired is returned when the group no longer knows whether the command was applied: its session
	// was idle for too long, or its answer was acknowledged. This attempt applied nothing; an earlier one may have.
	ErrSessionExpired = errors.New("the session of the command has expired: read the state to see whether it was applied, then send it as a new command")
	// ErrTooManySessions is returned when a group has its limit of sessions and none is idle for long enough.
	ErrTooManySessions = errors.New("the group has too many sessions: call it from fewer nodes, or wait until idle sessions expire")
	// ErrCommandTooLarge is returned for a command beyond the group's limit. Nothing was proposed.
	ErrCommandTooLarge = errors.New("the command is too large: split it, or raise the limit")
	// ErrMemberFailed is returned when the member was stopped because its machine or its data is broken.
	ErrMemberFailed = errors.New("the member has failed: see its reason in the status, replace it after mending the cause")
	// ErrStopped is returned by a member or host that is shutting down. Nothing was proposed unless said otherwise.
	ErrStopped = errors.New("stopped: ask another node")
	// ErrStale is returned when the member asked can not show that its state is fresh enough.
	ErrStale = errors.New("the state here may be older than asked for: allow more, or ask the leader")
	// ErrStateTooLarge is returned by Host.Salvage for a state of more bytes than asked for.
	ErrStateTooLarge = errors.New("the state is too large to be recovered: bring the missing nodes back")
	// ErrNoSalvage is returned by Host.Salvage for a member that leads or is just getting its state.
	ErrNoSalvage = errors.New("nothing needs to be salvaged: look at the group again")
	// ErrMalformed is returned for bytes that are not what the format says.
	ErrMalformed = errors.New("malformed data")
	// ErrUnknownVersion is returned for data in a format that this program does not know.
	ErrUnknownVersion = errors.New("unknown format version: use a newer program")
)

// Outcome says what became of a command whose call returned an error.
type Outcome uint8

const (
	// Unknown: the command may have been applied, or may still be. Repeat it with its CommandID, never without.
	Unknown Outcome = iota
	// NotProposed: the command was not and will not be applied. It is safe to send it again.
	NotProposed
	// Final: the answer is known and the same call gets the same one again.
	Final
)

// String returns the outcome in words, as errors and the HTTP API use it.
func (o Outcome) String() string {
	switch o {
	case NotProposed:
		return "not proposed"
	case Final:
		return "final"
	default:
		return "unknown"
	}
}

// OutcomeOf tells what err, returned by a command's call, means for the command. What it does not recognise, and a
// context that ended, is Unknown. A nil error is Final.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Final
	}
	var call *CallError
	if errors.As(err, &call) {
		return call.Outcome
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unknown
	}
	var machine *MachineError
	if errors.As(err, &machine) {
		return Final
	}
	for _, e := range []error{ErrNotLeader, ErrTransferring, ErrOverloaded, ErrTooManySessions, ErrNoSession, ErrRemoved} {
		if errors.Is(err, e) {
			return NotProposed
		}
	}
	for _, e := range []error{ErrNoGroup, ErrNoMember, ErrUnknownOperation, ErrUnknownType, ErrNoJSON, ErrInvalidArgument, ErrCommandTooLarge} {
		if errors.Is(err, e) {
			return Final
		}
	}
	return Unknown
}

// CallError is what a failed call returns. errors.Is looks through it to the cause.
type CallError struct {
	// Op is what was tried: "command", "query", or the name of an operation.
	Op string
	// Group is the group's name.
	Group string
	// Attempts counts how often the call was sent to some member; zero means never.
	Attempts int
	// Outcome tells what became of the command. For queries it is NotProposed or Final.
	Outcome Outcome
	// CommandID repeats the command safely where the outcome is Unknown; zero if the command never had one.
	CommandID CommandID
	// Err is the cause.
	Err error
}

// Error says what happened, to what, and what to do next.
func (e *CallError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of group %q failed", e.Op, e.Group)
	switch {
	case e.Attempts == 1:
		b.WriteString(" after 1 attempt")
	case e.Attempts > 1:
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	switch e.Outcome {
	case NotProposed:
		b.WriteString(" (not proposed: safe to send again)")
	case Unknown:
		if errors.Is(e.Err, ErrSessionExpired) {
			break // its text says what is left to do
		}
		if e.CommandID.IsZero() {
			b.WriteString(" (outcome unknown: it may have been applied; read the state before sending it again)")
		} else {
			fmt.Fprintf(&b, " (outcome unknown: send it again with command id %s)", e.CommandID)
		}
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *CallError) Unwrap() error { return e.Err }

// MachineError is an error that a group's machine gave as its answer. It is replicated, so every retry gets the same.
type MachineError struct {
	// Op is the operation's name, empty where the call was made with plain bytes.
	Op string
	// Text is what the machine's error said.
	Text string

	sentinel error
}

// Error returns the machine's text, led by the operation where it is known.
func (e *MachineError) Error() string {
	if e.Op == "" {
		return e.Text
	}
	return e.Op + ": " + e.Text
}

// Unwrap returns the error that the type registered for this text, or nil; see Definition.Errors.
func (e *MachineError) Unwrap() error { return e.sentinel }
