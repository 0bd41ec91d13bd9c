package planner

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/placement"
)

// ErrInvalid is returned for a limit that does not exist or a value that it cannot have.
var ErrInvalid = errors.New("planner: invalid limit")

// Limits bound what the planner does. The catalogue's settings override, one by
// one, what the leading node was configured with.
type Limits struct {
	PurgeAfter time.Duration // a node not heard for so long may be given up
	Observers  int           // so many other nodes must not hear it either, or all where there are fewer
	TrustAfter time.Duration // a node that was gone gets members again after it was heard for so long
	Settle     time.Duration // nodes must not change for so long before anything moves that can wait
	SettleMost time.Duration // but it waits at most so long
	// BrakePercent: when more of the nodes than this are gone at once, or a whole zone
	// is, nothing moves but what an operator asked for.
	BrakePercent int
	Moves        int           // groups whose members move at once; 0 = by the number of nodes, see MovesFor
	Rest         time.Duration // after a move for balance, a group is left alone for so long
	StuckAfter   time.Duration // a move that made no end for so long is given up
	Transfers    int           // leaders that give way to preferred ones at once
	SnapshotsIn  int           // snapshots that a node receives at once
	SnapshotsOut int           // snapshots that a node sends at once
	Epsilon      int           // percent that a node may be off its fair number of members or leaders
	MostPerZone  int           // members of a group in one zone; 0 = as evenly as the zones allow
}

// Defaults are the limits where nobody set any.
func Defaults() Limits {
	return Limits{
		PurgeAfter: 10 * time.Minute, Observers: 2, TrustAfter: 30 * time.Second,
		Settle: 30 * time.Second, SettleMost: 5 * time.Minute, BrakePercent: 20,
		Rest: 10 * time.Minute, StuckAfter: 10 * time.Minute, Transfers: 4,
		SnapshotsIn: 2, SnapshotsOut: 2, Epsilon: 5,
	}
}

// MovesFor is how many groups may move at once in a fleet of so many nodes.
func (l *Limits) MovesFor(nodes int) int {
	if l.Moves > 0 {
		return l.Moves
	}
	return min(64, max(4, nodes/2))
}

// Policy is how evenly groups are to be spread, by the catalogue's settings.
func Policy(c *catalogue.Machine, given Limits) placement.Policy {
	limits, _ := FromSettings(c.Settings(), given)
	return limits.policy()
}

func (l *Limits) policy() placement.Policy {
	return placement.Policy{EpsilonPermille: 10 * l.Epsilon, MaxPerZone: l.MostPerZone}
}

// limit is one of the Limits as an operator sees it.
type limit struct {
	name, doc string
	duration  func(*Limits) *time.Duration
	number    func(*Limits) *int
	least     int64
	most      int64 // in ns where it is a duration
	zero      string
}

const day = int64(24 * time.Hour)

var limits = []limit{
	{name: "moves", doc: "groups whose members move at once", number: func(l *Limits) *int { return &l.Moves }, most: 10_000, zero: "half the nodes, 4 to 64"},
	{name: "transfers", doc: "leaders that give way to preferred ones at once", number: func(l *Limits) *int { return &l.Transfers }, least: 1, most: 1000},
	{name: "snapshots_in", doc: "snapshots that a node receives at once", number: func(l *Limits) *int { return &l.SnapshotsIn }, least: 1, most: 1000},
	{name: "snapshots_out", doc: "snapshots that a node sends at once", number: func(l *Limits) *int { return &l.SnapshotsOut }, least: 1, most: 1000},
	{name: "settle", doc: "quiet wanted among the nodes before anything moves that can wait", duration: func(l *Limits) *time.Duration { return &l.Settle }, most: day},
	{name: "settle_most", doc: "the longest wait for quiet", duration: func(l *Limits) *time.Duration { return &l.SettleMost }, most: day},
	{name: "purge_after", doc: "how long a node must be gone before it is given up", duration: func(l *Limits) *time.Duration { return &l.PurgeAfter }, least: int64(time.Second), most: 365 * day},
	{name: "observers", doc: "other nodes that must miss it too", number: func(l *Limits) *int { return &l.Observers }, most: 100},
	{name: "trust_after", doc: "how long a node that was gone must be heard before it gets members", duration: func(l *Limits) *time.Duration { return &l.TrustAfter }, most: day},
	{name: "brake_percent", doc: "more nodes gone at once than this hold all moves", number: func(l *Limits) *int { return &l.BrakePercent }, most: 100},
	{name: "rest", doc: "how long a group is left alone after a move for balance", duration: func(l *Limits) *time.Duration { return &l.Rest }, most: day},
	{name: "stuck_after", doc: "how long a move may make no end before it is given up", duration: func(l *Limits) *time.Duration { return &l.StuckAfter }, least: int64(time.Second), most: day},
	{name: "epsilon_percent", doc: "how far a node may be off its fair number of members or leaders", number: func(l *Limits) *int { return &l.Epsilon }, least: 1, most: 100},
	{name: "most_per_zone", doc: "members of a group in one zone", number: func(l *Limits) *int { return &l.MostPerZone }, most: 31, zero: "as even as the zones allow"},
}

// limitPrefix begins the keys of the catalogue's settings that are limits.
const limitPrefix = "limit."

// FromSettings returns the limits that hold: the given ones, with what the settings
// say instead. A value that this program cannot read is passed over and returned as an
// error: a newer program may have set it.
func FromSettings(settings map[string]string, given Limits) (Limits, error) {
	var errs []error
	for i := range limits {
		text, set := settings[limitPrefix+limits[i].name]
		if !set {
			continue
		}
		if err := limits[i].set(&given, text); err != nil {
			errs = append(errs, err)
		}
	}
	return given, errors.Join(errs...)
}

// Setting checks one limit and returns it as a setting of the catalogue. An empty
// value takes the setting back. The error is ErrInvalid and names what would do.
func Setting(name, value string) (key, text string, err error) {
	for i := range limits {
		l := &limits[i]
		if l.name != name {
			continue
		}
		if value == "" {
			return limitPrefix + name, "", nil
		}
		var scratch Limits
		if err := l.set(&scratch, value); err != nil {
			return "", "", err
		}
		return limitPrefix + name, l.text(&scratch), nil
	}
	names := make([]string, len(limits))
	for i := range limits {
		names[i] = limits[i].name
	}
	return "", "", fmt.Errorf("%w: no limit is named %q: use one of %s", ErrInvalid, name, strings.Join(names, ", "))
}

// LimitInfo is one limit with its value and where that is from.
type LimitInfo struct {
	Name, Doc string
	Value     string // as Setting takes it
	Default   string // without a setting
	Set       bool   // by a setting
}

// List tells all limits in the order in which to show them.
func List(settings map[string]string, given Limits) []LimitInfo {
	now, _ := FromSettings(settings, given)
	out := make([]LimitInfo, len(limits))
	for i := range limits {
		l := &limits[i]
		_, set := settings[limitPrefix+l.name]
		out[i] = LimitInfo{Name: l.name, Doc: l.doc, Value: l.shown(&now), Default: l.shown(&given), Set: set}
	}
	return out
}

func (l *limit) set(to *Limits, text string) error {
	if l.duration != nil {
		d, err := time.ParseDuration(text)
		if err != nil || int64(d) < l.least || int64(d) > l.most {
			return fmt.Errorf("%w: %s is %q: give a duration from %s to %s, such as 90s", ErrInvalid, l.name, text, time.Duration(l.least), time.Duration(l.most))
		}
		*l.duration(to) = d
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < l.least || n > l.most {
		return fmt.Errorf("%w: %s is %q: give a number from %d to %d", ErrInvalid, l.name, text, l.least, l.most)
	}
	*l.number(to) = int(n)
	return nil
}

func (l *limit) text(of *Limits) string {
	if l.duration != nil {
		return l.duration(of).String()
	}
	return strconv.Itoa(*l.number(of))
}

func (l *limit) shown(of *Limits) string {
	if l.zero != "" && *l.number(of) == 0 {
		return "0 (" + l.zero + ")"
	}
	return l.text(of)
}
