package sim

import (
	"fmt"
	"runtime/debug"
)

// Invariant names what must hold after every step.
type Invariant string

// The invariants, in the words that reports use.
const (
	OneLeader    Invariant = "one leader a term"
	OneVote      Invariant = "one vote a term"
	Elected      Invariant = "a leader has the votes of a quorum"
	Leased       Invariant = "a lease keeps others from leading"
	Matching     Invariant = "logs match"
	Completeness Invariant = "a new leader has all that was committed"
	Durable      Invariant = "what is committed is on the disks of a quorum"
	Promised     Invariant = "what was answered is on the disk"
	Covered      Invariant = "a log is given up only behind a durable snapshot"
	Forward      Invariant = "terms and commits only grow"
	Overlap      Invariant = "configurations change one at a time and overlap"
	Agreement    Invariant = "members apply the same"
	Once         Invariant = "a command is applied once"
	Kept         Invariant = "an acknowledged command stays"
	Refused      Invariant = "a refused command is not applied"
	Alike        Invariant = "snapshots are the state at their index"
	Fresh        Invariant = "a read sees what was acknowledged before"
	Apart        Invariant = "groups and incarnations stay apart"
	Within       Invariant = "a member's own state is sound"
	Bounded      Invariant = "queues stay within their bounds"
	Recovers     Invariant = "a disk gives back what was durable"
	Starts       Invariant = "a node starts on a sound disk"
	Heals        Invariant = "everything heals"
	OneFleet     Invariant = "there is one fleet"
	Limited      Invariant = "moves keep to what operators asked for"
	OneCatalogue Invariant = "there is one catalogue"
	Replays      Invariant = "a plan gives one run"
)

// Violation says what did not hold, and when.
type Violation struct {
	Invariant Invariant
	Detail    string
	Step      int64
	At        int64 // simulated nanoseconds
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%s: %s (step %d, %.3f s)", v.Invariant, v.Detail, v.Step, float64(v.At)/1e9)
}

// violate records the first violation; the run ends after the present step.
func (w *world) violate(i Invariant, format string, args ...any) {
	if w.failure == nil {
		if w.plan.Log != nil {
			w.logf("%s: "+format+"\n%s", append(append([]any{i}, args...), debug.Stack())...)
		}
		w.failure = &Violation{i, fmt.Sprintf(format, args...), w.result.Steps, w.now}
	}
}
