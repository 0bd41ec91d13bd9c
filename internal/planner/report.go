package planner

import (
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Hold is why a group that should move does not.
type Hold string

// The holds, the one that an operator should hear of first at the top.
const (
	HeldPaused       Hold = "paused"        // by an operator
	HeldBraked       Hold = "braked"        // too much of the fleet is gone at once
	HeldNoQuorum     Hold = "no_quorum"     // most of its voters are not heard: no step of a move is possible
	HeldRestless     Hold = "restless"      // nodes came or went a moment ago
	HeldFull         Hold = "full"          // as many move already as may
	HeldAfterMembers Hold = "after_members" // leaders follow when members have moved
	HeldMoving       Hold = "moving"        // it is on the move already
	HeldResting      Hold = "resting"       // it moved for balance, or failed to move, lately
)

// Holds has all holds in their order, with what each means.
var Holds = []struct {
	Hold  Hold
	Means string
}{
	{HeldPaused, "an operator paused all moves"},
	{HeldBraked, "too much of the fleet is gone at once"},
	{HeldNoQuorum, "most voters of the group are not heard: it can move when they are back"},
	{HeldRestless, "nodes came or went a moment ago"},
	{HeldFull, "as many groups move already as may"},
	{HeldAfterMembers, "leaders follow when the members have moved"},
	{HeldMoving, "it is on the move already"},
	{HeldResting, "it moved, or failed to move, a short while ago"},
}

// Holder tells what keeps groups from moving, for somebody who only looks at a
// catalogue. It is for one goroutine.
type Holder struct {
	d     decision
	Pause *Pause // that holds, or nil
	Brake string // why it holds; empty when it does not
}

// HolderOf looks at a catalogue with the limits that hold where its settings do not say
// otherwise. hears tells whether gossip hears a node.
func HolderOf(c *catalogue.Machine, given Limits, now time.Time, hears func(ident.NodeID) bool) *Holder {
	settings, nodes := c.Settings(), c.Nodes()
	limits, _ := FromSettings(settings, given)
	log := time.Unix(0, max(now.UnixNano(), c.Time()))
	h := &Holder{Pause: PauseIn(settings), Brake: Brake(c, nodes, limits.BrakePercent, hears)}
	hearing := make(map[ident.NodeID]Hearing, len(nodes))
	for i := range nodes {
		hearing[nodes[i].ID] = Hearing{Alive: hears(nodes[i].ID)}
	}
	h.d = decision{View: View{Now: now, Catalogue: c, Hearing: hearing}, limits: limits, nodes: nodes, pause: h.Pause, brake: h.Brake, log: log}
	return h
}

// Hold says what would keep a group from changing for a cause, and for a group that
// rests until when. It is empty where nothing would but what only the planner knows:
// that nodes came or went a moment ago, or that as many groups move as may.
func (h *Holder) Hold(g *catalogue.Group, kind placement.Kind) (hold Hold, until time.Time) {
	h.d.report = &Report{}
	hold = h.d.hold(g, kind)
	return hold, h.d.report.RestsUntil
}

// Report says how things stand after a decision.
type Report struct {
	At        time.Time
	Pause     *Pause
	Brake     string    // why it holds; empty when it does not
	QuietFrom time.Time // when what can wait may move; zero when it may
	// Returned are the nodes that came back a short while ago, in their order: they get no
	// new members before they have stayed for Limits.TrustAfter, the first at TrustedFrom.
	Returned     []ident.NodeID
	TrustedFrom  time.Time
	Limits       Limits
	BrokenLimits error // settings that this program cannot read

	Moving, MoveLimit int // groups whose members move; without those that have no quorum
	Stalled           int // groups on the move without a quorum that placement would not change further
	Leading           int // groups of which only the preferred leader is new, and does not lead yet
	Started           int // targets of this decision
	// Uncommitted is why targets that were decided last could not be committed; nil when
	// they could.
	Uncommitted error
	// Queue counts the groups that placement would change, by cause, and Held those of
	// them that do not begin now, by what keeps them. Held counts the Stalled ones as well.
	Queue map[placement.Kind]int
	Held  map[Hold]int
	again int // groups of Queue whose members are on the way to an earlier target: they are in Moving too
	begun int // groups of Queue whose members begin to move by this decision
	// RestsUntil is when the first resting group may move again; zero when none rests, or
	// none that does is wanted elsewhere.
	RestsUntil time.Time

	Done       int           // moves of members done in the last DoneWithin
	DoneWithin time.Duration // at most ten minutes; less after the planner began
	Infeasible []placement.Reason
}

// Left is how many groups still have to move their members, those on the way included.
func (r *Report) Left() int {
	left := r.Moving + r.Stalled
	for kind, n := range r.Queue {
		if kind != placement.Lead {
			left += n
		}
	}
	return max(left-r.again, r.Moving+r.Stalled)
}

// count takes a group in that placement would change; moves says that its members are
// on the way to an earlier target.
func (r *Report) count(kind placement.Kind, hold Hold, moves bool) {
	if r.Queue == nil {
		r.Queue, r.Held = make(map[placement.Kind]int), make(map[Hold]int)
	}
	r.Queue[kind]++
	switch {
	case kind == placement.Lead:
	case moves:
		r.again++
	case hold == "":
		r.begun++
	}
	if hold != "" {
		r.Held[hold]++
	}
}

// queued takes over what the last decision found, where nothing is planned anew.
func (r *Report) queued(last *Report) {
	r.Infeasible, r.Queue, r.Held, r.RestsUntil, r.again = last.Infeasible, last.Queue, last.Held, last.RestsUntil, last.again+last.begun
	r.Stalled = last.Stalled
}

// stall counts a group that is on the move and without a quorum.
func (r *Report) stall() {
	if r.Held == nil {
		r.Queue, r.Held = make(map[placement.Kind]int), make(map[Hold]int)
	}
	r.Stalled++
	r.Held[HeldNoQuorum]++
}

func (r *Report) await(node ident.NodeID, trusted time.Time) {
	r.Returned = append(r.Returned, node)
	if r.TrustedFrom.IsZero() || trusted.Before(r.TrustedFrom) {
		r.TrustedFrom = trusted
	}
}

func (r *Report) rest(until time.Time) {
	if r.RestsUntil.IsZero() || until.Before(r.RestsUntil) {
		r.RestsUntil = until
	}
}

func (r *Report) finish(d *decision, done *doneLog) {
	r.Started = len(d.Targets)
	if d.quietFrom.After(d.log) {
		r.QuietFrom = d.local(d.quietFrom)
	}
	r.Done, r.DoneWithin = done.count(d.Now)
}

const (
	doneBuckets = 20
	doneBucket  = 30 * time.Second
)

// doneLog counts moves done over the last ten minutes.
type doneLog struct {
	began   time.Time
	buckets [doneBuckets]struct {
		at time.Time
		n  int
	}
}

func (l *doneLog) follow(now time.Time, b *book) {
	if l.began.IsZero() {
		l.began = now
	}
	at := now.Truncate(doneBucket)
	slot := &l.buckets[int(at.Unix()/int64(doneBucket/time.Second))%doneBuckets]
	if !slot.at.Equal(at) {
		slot.at, slot.n = at, 0
	}
	slot.n += b.done
	b.done = 0
}

func (l *doneLog) count(now time.Time) (n int, within time.Duration) {
	const most = doneBuckets * doneBucket
	for _, s := range l.buckets {
		if now.Sub(s.at) < most {
			n += s.n
		}
	}
	return n, min(most, now.Sub(l.began))
}
