package wire

import (
	"errors"
	"fmt"

	"github.com/raftfleet/raftfleet/internal/ident"
)

var (
	// ErrNotSent is returned when a message or call never left this process:
	// it is safe to try again, here or at another node.
	ErrNotSent = errors.New("not sent")

	// ErrLost is returned when a call or stream was handed to the network and
	// no answer came: the other side may or may not have received it.
	ErrLost = errors.New("sent, but no answer came")

	// ErrOverloaded is returned when a queue has reached its bound, here or at
	// the receiver. Nothing was sent or executed; slow down and try again.
	ErrOverloaded = errors.New("queue is full: slow down and try again")

	// ErrUnknownNode is returned when Config.Resolve knows no address of a node.
	ErrUnknownNode = errors.New("no address of this node is known")

	// ErrTooLarge is returned when one message, call or header is larger than
	// Config.MaxFrameBytes.
	ErrTooLarge = errors.New("larger than MaxFrameBytes: send less at once or raise the limit on all nodes")

	// ErrClosed is returned once Close was called.
	ErrClosed = errors.New("transport is closed")

	// ErrForgotten is returned for what was waiting when a node was forgotten.
	ErrForgotten = errors.New("node was forgotten")

	// ErrRefused is matched by every refusal of a handshake; errors.As with a
	// *RefusedError gives the reason.
	ErrRefused = errors.New("connection refused by handshake")

	// ErrWrongFleet is returned when the two nodes are of different fleets, or
	// one of them is in none yet.
	ErrWrongFleet = errors.New("different fleet")

	// ErrWrongNode is returned when another node than the wanted one answers at
	// an address.
	ErrWrongNode = errors.New("another node answers at this address")

	// ErrProtocol is returned when two nodes have no protocol version in common.
	ErrProtocol = errors.New("no protocol version in common: upgrade one version at a time")

	// ErrBadFrame is returned when received bytes are no frame: damaged,
	// oversize, or of something that does not speak this protocol.
	ErrBadFrame = errors.New("bad frame")

	// ErrSilent is returned when a connection is given up because nothing came
	// over it for three keep-alive intervals.
	ErrSilent = errors.New("peer is silent")
)

// CallError is what a failed Call, CallAsync, CallAddr, Send or SendSnapshot
// returns. It matches its Outcome and its Cause with errors.Is.
type CallError struct {
	Node    ident.NodeID // zero if it is not known
	Addr    string       // set by CallAddr only
	Outcome error        // ErrNotSent or ErrLost
	Cause   error
}

// Error names the node, what became of the bytes, and why.
func (e *CallError) Error() string {
	to := e.Addr
	if to == "" {
		to = "node " + e.Node.String()
	}
	return fmt.Sprintf("wire: to %s: %v: %v", to, e.Outcome, e.Cause)
}

// Is matches the outcome.
func (e *CallError) Is(target error) bool { return target == e.Outcome }

// Unwrap makes errors.Is and errors.As see the cause. It allocates nothing:
// callers look into errors most when there is most to do.
func (e *CallError) Unwrap() error { return e.Cause }

// RefusedError is a handshake that one side refused. It matches ErrRefused and,
// by its reason, ErrWrongFleet, ErrWrongNode, ErrProtocol, ErrOverloaded or
// ErrClosed.
type RefusedError struct {
	Node ident.NodeID // who answered, zero if it did not say
	Addr string       // where, as it was dialled
	Text string       // the reason, for people
	kind error
}

// Error gives the address and the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("handshake with %s refused: %s", e.Addr, e.Text)
}

// Unwrap makes errors.Is see ErrRefused and the kind of refusal.
func (e *RefusedError) Unwrap() []error {
	if e.kind == nil {
		return []error{ErrRefused}
	}
	return []error{ErrRefused, e.kind}
}

// RemoteError is an error that the handler of the other side returned for a
// snapshot; only its text travels.
type RemoteError struct {
	Node ident.NodeID
	Text string
}

// Error gives the node and its handler's text.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("wire: node %s answered: %s", e.Node, e.Text)
}

func notSent(to ident.NodeID, cause error) error {
	return &CallError{Node: to, Outcome: ErrNotSent, Cause: cause}
}

func lost(to ident.NodeID, cause error) error {
	return &CallError{Node: to, Outcome: ErrLost, Cause: cause}
}
