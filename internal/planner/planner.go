package planner

import (
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// View is what a Planner decides from. It keeps nothing of it but the catalogue's
// records, which never change.
type View struct {
	Now       time.Time // of the node that leads, with its monotonic reading
	Catalogue *catalogue.Machine
	Limits    Limits // where the catalogue's settings do not say otherwise
	// Hearing has the nodes that gossip knows, the one that decides included.
	Hearing map[ident.NodeID]Hearing
	// Missed are the nodes of the last Decision.Confirm that enough others miss too.
	Missed map[ident.NodeID]bool
	// Damaged are the members whose data cannot be read, by group.
	Damaged map[ident.GroupID][]catalogue.Member
	// Lag tells how many entries the members to come of a group still lack, for the groups
	// of the last Decision.Inspect whose leaders said so.
	Lag map[ident.GroupID]uint64
	// Took is how long the last Decide took. After it worked out a plan, the planner rests
	// for many times as long, unless nodes change.
	Took time.Duration
}

// Hearing is what gossip says of a node.
type Hearing struct {
	Alive bool
	Since time.Time // when it began, or ceased, to be heard
}

// Decision is what to do now. All of it may fail: the next view shows what became of it.
type Decision struct {
	States  []catalogue.SetNodeState
	Targets []catalogue.Target
	// Confirm are nodes to ask the others about, and Inspect are groups to ask their
	// leaders about, before the next view.
	Confirm []ident.NodeID
	Inspect []ident.GroupID
	// Time belongs to SetTargets, as it already does to States: see there.
	Time int64
	// Next is when to look again although nothing changed. Zero: only then.
	Next time.Time
	// Report says how things stand. It is never nil.
	Report *Report
}

// Planner is the memory of the node that leads. The zero value begins anew.
type Planner struct {
	book book

	anchor, anchorLog time.Time // the log time at a moment of the node that leads
	began             time.Time // when this planner decided for the first time; of the log

	nodes    string    // the nodes as they were last looked at
	quiet    time.Time // since when they are like that; of the log, as the next
	restless time.Time // since when they have not been quiet for long enough; zero: they were

	looks map[ident.GroupID]look // at moves that are late
	done  doneLog

	worked   bool      // the last Decide worked out a plan
	workedAt time.Time // when that was
	nextPlan time.Time // not before, while the nodes stay as they are
	last     *Report
}

const (
	// planPause and planShare keep the planner from planning all the time while groups
	// are added or moves end one after another.
	planPause = 200 * time.Millisecond
	planShare = 20
)

// Decide says what to do now.
func (p *Planner) Decide(v View) Decision {
	settings := v.Catalogue.Settings()
	limits, broken := FromSettings(settings, v.Limits)
	nodes := v.Catalogue.Nodes()
	d := decision{View: v, limits: limits, nodes: nodes, pause: PauseIn(settings)}
	d.brake = Brake(v.Catalogue, nodes, limits.BrakePercent, d.hears)
	d.report = &Report{At: v.Now, Pause: d.pause, Brake: d.brake, Limits: limits, BrokenLimits: broken}
	d.log = p.logTime(&d)
	d.Time = d.log.UnixNano()
	if p.began.IsZero() {
		p.began = d.log
	}
	d.judge()
	if p.worked {
		p.nextPlan, p.worked = p.workedAt.Add(v.Took+max(planPause, planShare*v.Took)), false
	}
	d.quietFrom = p.quietFrom(&d)
	p.book.follow(d.log, v.Catalogue, nodes, &limits)
	d.awaitTrust()
	p.done.follow(v.Now, &p.book)
	p.unstick(&d)
	d.replaceDamaged(&p.book)
	p.replan(&d)
	d.Decision.Report, p.last = d.report, d.report
	return d.Decision
}

// decision is a Decision on the way.
type decision struct {
	View
	Decision
	limits    Limits
	nodes     []catalogue.Node
	pause     *Pause
	brake     string
	log       time.Time // what the records' times are compared with
	quietFrom time.Time // when what can wait may move; of the log
	report    *Report
	taken     map[ident.GroupID]bool // groups that already have a new target
	stalled   map[ident.GroupID]bool // groups whose members are on the move, without a quorum
}

// hears tells whether gossip hears a node.
func (d *decision) hears(id ident.NodeID) bool { return d.Hearing[id].Alive }

// logTime is the present time of the catalogue's log. That stands still between commands,
// and for longer when a clock that was ahead had led; so it goes on from the last one by
// the monotonic clock of the node that leads. What was to last a minute lasts a minute,
// whatever the clocks of those who led before said.
func (p *Planner) logTime(d *decision) time.Time {
	now := p.anchorLog.Add(d.Now.Sub(p.anchor))
	if p.anchor.IsZero() {
		now = time.Unix(0, d.Now.UnixNano())
	}
	if last := time.Unix(0, d.Catalogue.Time()); last.After(now) {
		now = last
	}
	p.anchor, p.anchorLog = d.Now, now
	return now
}

// local is a time of the log as the node that leads has it.
func (d *decision) local(at time.Time) time.Time { return d.Now.Add(at.Sub(d.log)) }

// byLog asks for another look at a time of the log.
func (d *decision) byLog(at time.Time) { d.by(d.local(at)) }

// by asks for another look at a time.
func (d *decision) by(at time.Time) {
	if !at.After(d.Now) {
		at = d.Now.Add(time.Millisecond)
	}
	if d.Next.IsZero() || at.Before(d.Next) {
		d.Next = at
	}
}

func (d *decision) target(t catalogue.Target) {
	d.taken = with(d.taken, t.Group)
	d.Targets = append(d.Targets, t)
}

// quietFrom is when the nodes have been, or will have been, quiet for long enough.
func (p *Planner) quietFrom(d *decision) time.Time {
	is := fingerprint(d.nodes)
	if is != p.nodes {
		at := d.log
		if p.nodes == "" { // the catalogue knows when it was that they changed
			at = lastChange(d.nodes, d.log)
		}
		p.nodes, p.quiet, p.nextPlan = is, at, time.Time{}
	}
	at := p.quiet.Add(d.limits.Settle)
	if !at.After(d.log) {
		p.restless = time.Time{}
		return at
	}
	if p.restless.IsZero() {
		p.restless = p.quiet
	}
	if most := p.restless.Add(max(d.limits.SettleMost, d.limits.Settle)); most.Before(at) {
		return most
	}
	return at
}

func lastChange(nodes []catalogue.Node, now time.Time) time.Time {
	var last int64
	for _, n := range nodes {
		last = max(last, n.Since)
	}
	if at := time.Unix(0, last); at.Before(now) {
		return at
	}
	return now
}

// urgent tells what does not wait for quiet: members are missing, or an operator asked for it.
func urgent(k placement.Kind) bool {
	return k == placement.Create || k == placement.Repair || k == placement.Drain || k == placement.Resize
}

// asked tells what an operator asked for: the brake does not hold it.
func asked(k placement.Kind) bool { return k == placement.Drain || k == placement.Resize }
