package view

import "time"

// The states of balancing, as Balance.State has them.
const (
	BalanceDone    = "balanced" // nothing is to move
	BalanceMoving  = "moving"   // groups are on the move
	BalanceWaiting = "waiting"  // something is to move, and a time is waited for
	BalancePaused  = "paused"   // an operator paused it
	BalanceHeld    = "held"     // too much of the fleet is gone at once
	BalanceStuck   = "stuck"    // what is left cannot be helped as things are
	BalanceUnknown = "unknown"  // the node that plans cannot be asked
)

// Balance tells how far the fleet is from where it should be, and why nothing moves
// when nothing moves.
type Balance struct {
	State string `json:"state"` // balanced, moving, waiting, paused, held, stuck, unknown
	Why   string `json:"why"`   // one sentence, with what to wait for or to do
	// Planner is the node that decides: the one that leads the catalogue.
	Planner     string         `json:"planner"`
	At          time.Time      `json:"at,omitzero"` // when it decided last
	Pause       *BalancePause  `json:"pause,omitempty"`
	Held        string         `json:"held,omitempty"`        // why the brake holds
	QuietFrom   time.Time      `json:"quiet_from,omitzero"`   // until when it waits for quiet among the nodes
	Rests       time.Time      `json:"rests_until,omitzero"`  // when the first group that rests, and should move, may
	Returned    []string       `json:"returned,omitempty"`    // nodes that came back a short while ago and get no new members yet
	TrustedFrom time.Time      `json:"trusted_from,omitzero"` // when the first of them may
	Moving      int            `json:"moving"`                // groups whose members move
	MoveLimit   int            `json:"move_limit"`            // how many may
	Leading     int            `json:"leading"`               // groups that only another member is to lead, and does not yet
	Left        int            `json:"left"`                  // groups whose members are still to move, those on the way included
	Queue       []BalanceQueue `json:"queue"`                 // what is to move, the most urgent first
	Holds       []BalanceHold  `json:"holds"`                 // what keeps groups from moving now
	Done        int            `json:"done"`                  // moves of members that ended lately
	DoneIn      float64        `json:"done_in_seconds"`       // within so many seconds
	PerMinute   float64        `json:"per_minute"`            // the rate of that
	ETA         float64        `json:"eta_seconds,omitempty"` // until Left is 0 at that rate; 0 where there is none, or nothing may move
	Problems    []Problem      `json:"problems"`              // what no move can help
}

// BalancePause is an operator's word that nothing shall move.
type BalancePause struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// BalanceQueue is how many groups are to change for one cause.
type BalanceQueue struct {
	Cause  string `json:"cause"` // create, repair, drain, resize, spread, balance, lead
	Groups int    `json:"groups"`
}

// BalanceHold is what keeps some groups from moving now.
type BalanceHold struct {
	Hold   string `json:"hold"` // paused, braked, no_quorum, restless, full, after_members, moving, resting
	Groups int    `json:"groups"`
	Means  string `json:"means"`
}

// BalanceLimit is one of the limits of balancing.
type BalanceLimit struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"` // what holds where nobody set it
	Set     bool   `json:"set"`     // somebody set it
	Doc     string `json:"doc"`
}

// Move is a group that does not have its target yet.
type Move struct {
	Group  string    `json:"group"`
	Cause  string    `json:"cause"`
	Reason string    `json:"reason"`
	From   []string  `json:"from"`   // nodes that leave
	To     []string  `json:"to"`     // nodes that come
	Leader string    `json:"leader"` // who takes the steps; empty where none is known
	Step   string    `json:"step"`   // the next one
	Lag    uint64    `json:"lag"`    // entries that the members to come still lack
	Since  time.Time `json:"since"`
	Age    float64   `json:"age_seconds"`
	// Blocked is what the move waits for, where it does not go on by itself.
	Blocked  string `json:"blocked,omitempty"`
	Failures int    `json:"failures"` // moves of this group that were given up before, one after another
}

// PlannedMove is a change that is wanted and not begun.
type PlannedMove struct {
	Group  string   `json:"group"`
	Cause  string   `json:"cause"`
	Reason string   `json:"reason"`
	From   []string `json:"from"`
	To     []string `json:"to"`
	Leader string   `json:"leader"` // who should lead then
	Held   string   `json:"held,omitempty"`
}
