package fleet

import (
	"errors"

	"github.com/raftfleet/raftfleet/group"
)

// Errors of calls. Those of package group are repeated here because callers meet
// them through a node; errors.Is matches either.
var (
	// ErrNoGroup is returned when the fleet has no group of that name.
	ErrNoGroup = group.ErrNoGroup
	// ErrGroupExists is returned by AddConsensusGroup for a name that is taken.
	ErrGroupExists = errors.New("a group of this name exists: remove it first, or use it")
	// ErrNoArchive is returned when a group is to be restored from an archive that is not there.
	ErrNoArchive = errors.New("there is no archive of this name: it was not removed with Keep, or the archive was dropped")
	// ErrNoNode is returned when no node of the fleet has the name or id.
	ErrNoNode = errors.New("no such node: see the list of nodes for names and ids")
	// ErrNodeInUse is returned by Forget for a node that is alive or still hosts members.
	ErrNodeInUse = errors.New("the node is in use: drain it first, or force it when it will never return")
	// ErrNotActive is returned by acts that need an active node of a fleet.
	ErrNotActive = errors.New("this node is not active in a fleet: activate it first")
	// ErrNoFleet is returned when none of the join addresses led to a fleet in time.
	ErrNoFleet = errors.New("no fleet was found: check the join addresses, or start one node without any to found a fleet")
	// ErrNoStorage is returned by Open when the configuration has neither DataDir nor InMemory, or both.
	ErrNoStorage = errors.New("say where to keep data: set DataDir, or InMemory to keep nothing")
	// ErrRefused is returned for an act that could lose data or availability.
	ErrRefused = errors.New("refused")
	// ErrOverloaded is returned when a bounded queue is full. Nothing was proposed.
	ErrOverloaded = group.ErrOverloaded
	// ErrSessionExpired is returned when it is not known any more whether a command was applied.
	ErrSessionExpired = group.ErrSessionExpired
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the node is closed")
	// ErrNoLeader is the cause when a group had no leader until the call's time was over.
	ErrNoLeader = errors.New("the group has no leader: see its status for the members that are missing")
)

// Outcome says what became of a command whose call failed; see group.OutcomeOf.
type Outcome = group.Outcome

// The three outcomes.
const (
	NotProposed = group.NotProposed
	Unknown     = group.Unknown
	Final       = group.Final
)

// OutcomeOf tells which of the three an error of a call is.
func OutcomeOf(err error) Outcome { return group.OutcomeOf(err) }
