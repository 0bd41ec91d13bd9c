package consensus

import "errors"

var (
	// ErrNotLeader is returned when only a leader can do what was asked. Nothing
	// was proposed: ask the member that Leader names, or wait for an election.
	ErrNotLeader = errors.New("consensus: not the leader")

	// ErrTransferring is returned while leadership is being handed over. Nothing
	// was proposed: ask again when the transfer has ended or was called off.
	ErrTransferring = errors.New("consensus: leadership is being transferred")

	// ErrOverloaded is returned when a bound is reached: too many uncommitted
	// bytes, or too many reads waiting. Nothing was proposed: try again later.
	ErrOverloaded = errors.New("consensus: too much is waiting to be committed")

	// ErrConfigMoved is returned when the configuration is no longer the one the
	// change was made for. Look at the present one and decide anew.
	ErrConfigMoved = errors.New("consensus: the configuration has moved on")

	// ErrChangePending is returned while a configuration is not yet committed or
	// is joint. Try again when ConfigIndex has moved on and is committed.
	ErrChangePending = errors.New("consensus: a configuration change is under way")

	// ErrNotReady is returned when a new leader has not yet committed an entry of
	// its own term. Try again after the next commit.
	ErrNotReady = errors.New("consensus: the leader has not yet committed in its term")

	// ErrInvalidChange is returned for a change that makes no sense for the
	// present configuration. It is final: correct the change.
	ErrInvalidChange = errors.New("consensus: invalid configuration change")

	// ErrInvalidTransfer is returned when the member that should lead is not a voter.
	ErrInvalidTransfer = errors.New("consensus: leadership can only go to another voter")

	// ErrInvalidMessage is returned for a message that no correct member sends:
	// addressed to another member, with entries out of order, or undecodable.
	// The message had no effect.
	ErrInvalidMessage = errors.New("consensus: invalid message")

	// ErrDiverged is returned when a leader's log contradicts an entry that this
	// member knows to be committed. Some disk has lost what it had promised: the
	// member should be stopped and its data looked at.
	ErrDiverged = errors.New("consensus: log contradicts a committed entry")

	// ErrInvalidStart is returned when what a member found on its disk does not
	// fit together. The member must not run: restore it or replace it.
	ErrInvalidStart = errors.New("consensus: durable state does not fit together")

	// ErrInvalidConfig is returned for a Config that cannot work; the text names
	// the field, the value and what would do.
	ErrInvalidConfig = errors.New("consensus: invalid config")

	// ErrInvalidSnapshot is returned by Compact for a snapshot that this log
	// cannot have produced.
	ErrInvalidSnapshot = errors.New("consensus: snapshot does not belong to this log")

	// ErrMalformed is returned when bytes cannot be decoded.
	ErrMalformed = errors.New("consensus: malformed bytes")
)
