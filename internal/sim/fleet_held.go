package sim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// Here the moves that the catalogue decides are held against what operators asked for:
// pauses and limits.

// The keys of the catalogue's settings.
const (
	pauseKey = "pause"
	limitKey = "limit."
)

// held is what keeps moves from beginning, as the catalogue has it.
type held struct {
	settings map[string]string
	decided  []wish // what came true, in this order
	paused   since
	braked   since
	moves    int // that are allowed at once
	before   int // as many were until then
	changed  since
	began    map[ident.GroupID]beginning // of the moves that the planner decided
}

// beginning is when a move was decided, and in which entry of the log.
type beginning struct {
	since
	index uint64
}

// since is when something began to hold: in true time, and in that of the log.
type since struct {
	holds    bool
	now, log int64
}

// mark notes that something holds, or does not.
func (s *since) mark(holds bool, now, log int64) {
	switch {
	case !holds:
		*s = since{}
	case !s.holds:
		*s = since{true, now, log}
	}
}

// longer tells whether it has held for so long that what is decided must have been
// proposed by somebody who knew: a proposal may be on its way for as long as a call,
// and lie in a log for longer. When it came into the log says the log's time.
func (s *since) longer(than time.Duration, now, log int64) bool {
	return s.holds && now-s.now > int64(than) && log-s.log > int64(than)
}

// brakeLag is the same for the brake, which takes hold by what the planner itself proposes.
const brakeLag = 2 * time.Second

// onItsWay is how long a proposal of the planner may take to the log.
func (f *fleetRun) onItsWay() time.Duration { return f.plan.callTimeout + 2*time.Second }

// settingsDecided takes note of the settings after a decision. All that changed must be
// what somebody asked for.
func (l *ledgerOfFleet) settingsDecided(log int64) {
	f, h := l.f, &l.held
	settings := l.machine.Settings()
	if !maps.Equal(settings, h.settings) {
		f.result.Checked++
		keys := slices.Sorted(maps.Keys(settings))
		for key := range h.settings {
			if _, still := settings[key]; !still {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			if settings[key] != h.settings[key] {
				l.settingDecided(key, settings[key])
			}
		}
		h.settings = settings
	}
	_, paused := settings[pauseKey]
	h.paused.mark(paused, f.now, log)
	nodes := l.machine.Nodes()
	percent, err := strconv.Atoi(settings[limitKey+"brake_percent"])
	if err != nil {
		percent = 20
	}
	h.braked.mark(brakes(nodes, percent), f.now, log)
	moves, _ := strconv.Atoi(settings[limitKey+"moves"])
	if moves == 0 {
		moves = min(64, max(4, len(nodes)/2))
	}
	if moves != h.moves {
		h.before, h.moves, h.changed = max(h.moves, moves), moves, since{true, f.now, log}
	}
}

func (l *ledgerOfFleet) settingDecided(key, value string) {
	f, is := l.f, wish{key: key, value: value}
	switch {
	case key == pauseKey && value == "":
	case key == pauseKey:
		var told struct{ By string }
		if err := json.Unmarshal([]byte(value), &told); err != nil {
			f.violate(Limited, "the catalogue has a pause that nobody can read: %q: %v", value, err)
		}
		is.by, is.value = told.By, "pause"
		fallthrough
	default:
		if !slices.Contains(f.balancing.asked, is) {
			f.violate(Limited, "the catalogue's setting %s becomes %q, for which nobody asked", key, value)
		}
		if name := strings.TrimPrefix(key, limitKey); key != pauseKey && !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
			f.violate(Limited, "the catalogue has a setting %s, which is no limit", key)
		}
	}
	l.held.decided = append(l.held.decided, is)
}

// mustHaveDecided checks that what was acknowledged came true, be it for a moment.
func (f *fleetRun) mustHaveDecided(wished ...wish) {
	h := &f.record.held
	for _, w := range wished {
		f.result.Checked++
		if (w.by != "" || h.settings[w.key] != w.value) && !slices.Contains(h.decided, w) {
			f.violate(Kept, "%s was acknowledged to be %q for %q, and the catalogue never said so", w.key, w.value, w.by)
		}
	}
}

// brakes tells whether so much of the fleet is gone at once that nothing may move by itself.
func brakes(nodes []catalogue.Node, percent int) bool {
	all, gone := make(map[string]int), make(map[string]int)
	total, missing := 0, 0
	for i := range nodes {
		n := &nodes[i]
		switch n.State {
		case placement.Suspect:
			gone[n.Zone]++
			missing++
			fallthrough
		case placement.Active, placement.Draining:
			all[n.Zone]++
			total++
		}
	}
	if missing > 1 && missing*100 > total*percent {
		return true
	}
	for zone, n := range all {
		if len(all) > 1 && n > 1 && gone[zone] == n {
			return true
		}
	}
	return false
}

// byOperator tells whether a target only says who should lead, by an operator's word.
func byOperator(was, g *catalogue.Group) bool {
	return slices.Equal(was.Target, g.Target) && (g.Cause == was.Cause || strings.HasPrefix(g.Cause.Text, "an operator has node "))
}

// begun checks a target that the planner has set: nothing begins that is held, nor
// more at once than may.
func (l *ledgerOfFleet) begun(was, g *catalogue.Group, log int64) {
	f, h := l.f, &l.held
	kind := g.Cause.Kind
	if delete(h.began, g.ID); byOperator(was, g) {
		return
	}
	f.result.Checked++
	most := f.onItsWay()
	switch {
	case h.paused.longer(most, f.now, log):
		f.violate(Limited, "group %d gets the target %v (%v: %s), moves are paused since %.3f s", g.ID, g.Target, kind, g.Cause.Text, float64(h.paused.now)/1e9)
	case h.braked.longer(brakeLag, f.now, log) && brakable(g):
		f.violate(Limited, "group %d gets the target %v (%v: %s), too many nodes are gone since %.3f s", g.ID, g.Target, kind, g.Cause.Text, float64(h.braked.now)/1e9)
	}
	if kind == placement.Lead {
		return
	}
	if h.began == nil {
		h.began = make(map[ident.GroupID]beginning)
	}
	h.began[g.ID] = beginning{since{true, f.now, log}, l.machine.Index()}
	if was.Settled != was.Epoch && was.Cause.Kind != placement.Lead {
		return // it is on the move already
	}
	allowed := h.moves
	if !h.changed.longer(most, f.now, log) {
		allowed = max(h.before, h.moves)
	}
	moving := 0
	for _, other := range l.machine.Groups("", 0) {
		// What another planner decided that led before may have come between. A group takes
		// no place while the planner does not hear most of its voters.
		if b, ok := h.began[other.ID]; ok && other.Settled != other.Epoch && (b.index == l.machine.Index() || b.longer(most, f.now, log)) && f.plannerHears(other, most) {
			moving++
		}
	}
	f.result.Counts["moves"]++
	if moving >= allowed {
		f.result.Counts["moves at the limit"]++
	}
	if moving > allowed {
		f.violate(Limited, "group %d gets the target %v (%v: %s), %d groups move and %d may", g.ID, g.Target, kind, g.Cause.Text, moving, allowed)
	}
}

// plannerHears tells whether whoever proposed something lately must have heard most of a
// group's voters: one node has led the catalogue all the time, and has heard them.
func (f *fleetRun) plannerHears(g *catalogue.Group, lately time.Duration) bool {
	c := f.groupOf(ident.Catalogue)
	n := c.leader()
	if n == nil || f.now-c.ledSince <= int64(lately) {
		return false
	}
	m, heard := f.machineWith(n.id), 0
	if m == nil || m.gossip == nil {
		return false
	}
	for _, voter := range g.Configured {
		s := m.gossip.seen[voter.Node]
		if voter.Node == n.id || s != nil && s.member.Alive && n.process.Now().Sub(s.member.Since) > lately {
			heard++
		}
	}
	return 2*heard > len(g.Configured)
}

// brakable tells whether the brake is to hold a target: neither what an operator asked
// for, nor a move taken back, nor the replacement of data that is damaged.
func brakable(g *catalogue.Group) bool {
	return g.Cause.Kind != placement.Drain && g.Cause.Kind != placement.Resize && !g.Back && !strings.Contains(g.Cause.Text, "damaged")
}
