package admin

import (
	"context"
	"errors"
	"net/http"
)

// The kinds of errors. They are part of the API: an answer's "kind" is one of
// them, and fleetctl's exit code follows from it.
const (
	KindNotFound       = "not_found"       // no such node, group, type, operation or path
	KindExists         = "exists"          // the name is taken
	KindInvalid        = "invalid"         // the request is malformed or breaks a limit
	KindRefused        = "refused"         // it could lose data or the quorum
	KindRejected       = "rejected"        // the group's own machine answered with an error
	KindUnavailable    = "unavailable"     // not now: no leader, no catalogue, stopping, no answer in time; nothing was done
	KindUnknownOutcome = "unknown_outcome" // it may or may not have been done
	KindOverloaded     = "overloaded"      // a bounded queue is full; nothing was done
	KindUnhealthy      = "unhealthy"       // a check failed
	KindForbidden      = "forbidden"       // the caller may not do this
	KindInternal       = "internal"        // anything else

	// KindUnreachable is given by the client alone: no node answered at the
	// address, and nothing was sent.
	KindUnreachable = "unreachable"
)

// The outcomes of a request that failed.
const (
	OutcomeNotDone = "not_done" // nothing was changed, it is safe to try again
	OutcomeUnknown = "unknown"  // it may have been done; look before trying again
	OutcomeFinal   = "final"    // the answer would be the same another time
)

// Error is a failure as it travels: the body of every answer that is not a
// success, and what every method of Client returns.
type Error struct {
	Message string `json:"error"`
	Class   string `json:"kind"`
	Hint    string `json:"remedy,omitempty"`
	Outcome string `json:"outcome"`
	// CommandID, of a call whose outcome is unknown, is the id with which it can be
	// repeated and is applied once all the same; empty where there is none.
	CommandID string `json:"command_id,omitempty"`
	// Status is the HTTP status of the answer, zero when there was none.
	Status int `json:"-"`

	cause error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause on the client's side, such as the end of a context.
func (e *Error) Unwrap() error { return e.cause }

// Kind returns the kind.
func (e *Error) Kind() string { return e.Class }

// Remedy returns what to do about it.
func (e *Error) Remedy() string { return e.Hint }

// ErrExposed is returned when a server would listen beyond this machine without a
// token or client certificates.
var ErrExposed = errors.New("admin: refuse to listen beyond loopback without a token or client certificates: set Token, or TLS with RequireAndVerifyClientCert, or listen on 127.0.0.1")

// KindOf returns the kind that err carries, KindInternal when it carries none, and
// "" for nil.
func KindOf(err error) string {
	if err == nil {
		return ""
	}
	var k interface{ Kind() string }
	if errors.As(err, &k) {
		if _, known := kinds[k.Kind()]; known {
			return k.Kind()
		}
	}
	return KindInternal
}

// RemedyOf returns what to do about err: what it says itself or, without that,
// what is true of its kind. It may be empty.
func RemedyOf(err error) string {
	var r interface{ Remedy() string }
	if errors.As(err, &r) && r.Remedy() != "" {
		return r.Remedy()
	}
	return kinds[KindOf(err)].remedy
}

type kindInfo struct {
	status  int
	outcome string
	remedy  string
}

var kinds = map[string]kindInfo{
	KindNotFound:       {http.StatusNotFound, OutcomeFinal, "list what there is and check the name"},
	KindExists:         {http.StatusConflict, OutcomeFinal, "use the one that exists, or remove it first"},
	KindInvalid:        {http.StatusBadRequest, OutcomeFinal, ""},
	KindRefused:        {http.StatusConflict, OutcomeFinal, ""},
	KindRejected:       {http.StatusUnprocessableEntity, OutcomeFinal, ""},
	KindUnavailable:    {http.StatusServiceUnavailable, OutcomeNotDone, "try again; the status tells what is missing"},
	KindUnknownOutcome: {http.StatusGatewayTimeout, OutcomeUnknown, "look whether it was done before doing it again"},
	KindOverloaded:     {http.StatusTooManyRequests, OutcomeNotDone, "try again a little later"},
	KindUnhealthy:      {http.StatusServiceUnavailable, OutcomeFinal, "see the status for what is wrong"},
	KindForbidden:      {http.StatusForbidden, OutcomeFinal, ""},
	KindInternal:       {http.StatusInternalServerError, OutcomeUnknown, "see the log of the node that answered"},
	KindUnreachable:    {0, OutcomeNotDone, "check the address and that the node runs"},
}

func newError(kind, remedy, message string) *Error {
	return &Error{Message: message, Class: kind, Hint: remedy, Outcome: kinds[kind].outcome, Status: kinds[kind].status}
}

func (e *Error) withStatus(status int) *Error {
	e.Status = status
	return e
}

// asError turns what a Node returned into what travels. A context that ended
// without a kind of its own means, for a change, that nobody knows.
func asError(err error, changes bool) *Error {
	var e *Error
	if errors.As(err, &e) && e.Message == err.Error() {
		return e
	}
	kind := KindOf(err)
	if kind == KindUnreachable {
		kind = KindUnavailable
	}
	if kind == KindInternal && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		kind = KindUnavailable
		if changes {
			kind = KindUnknownOutcome
		}
	}
	remedy := kinds[kind].remedy
	var r interface{ Remedy() string }
	if errors.As(err, &r) && r.Remedy() != "" {
		remedy = r.Remedy()
	}
	out := newError(kind, remedy, err.Error())
	var c interface{ CommandID() string }
	if out.Outcome == OutcomeUnknown && errors.As(err, &c) {
		out.CommandID = c.CommandID()
	}
	if !changes && out.Outcome == OutcomeUnknown {
		out.Outcome = OutcomeNotDone // reading changes nothing, whatever went wrong
	}
	return out
}
