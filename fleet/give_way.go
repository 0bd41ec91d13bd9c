package fleet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
)

// wayGivers are the groups that are led here, should be led elsewhere, and may not go
// there yet: moves are paused or held, or as many leaders are on their way as may. After
// a zone came back they can be most groups of a fleet, and a pause can last for days. So
// they ask seldom: all those of a node together some times a second, one at a time, for the
// node that is asked may not answer, and during a pause not at all.
type wayGivers struct {
	mu     sync.Mutex
	paused bool // moves are, as the copy of the catalogue here has it
	asking bool // one of the groups does
	waits  map[ident.GroupID]struct{}
}

const (
	// asksPerSecond is how often the groups that wait on a node ask, all together.
	asksPerSecond = 4
	// mostPreferredRetry is the longest wait of one group until it asks again.
	mostPreferredRetry = 30 * time.Second
)

// wait notes that a group waits, and tells how long until it asks again.
func (w *wayGivers) wait(g ident.GroupID) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waits == nil {
		w.waits = make(map[ident.GroupID]struct{})
	}
	w.waits[g] = struct{}{}
	if w.paused {
		return mostPreferredRetry
	}
	return min(max(preferredRetry, time.Duration(len(w.waits))*time.Second/asksPerSecond), mostPreferredRetry)
}

func (w *wayGivers) forget(g ident.GroupID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waits, g)
}

// next takes out the group that waits and comes after another, in the order of their
// identifiers and round again, for it to use the place that this one had.
func (w *wayGivers) next(after ident.GroupID) (ident.GroupID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first, next ident.GroupID // 0 is no group
	for g := range w.waits {
		if first == 0 || g < first {
			first = g
		}
		if g > after && (next == 0 || g < next) {
			next = g
		}
	}
	if next == 0 {
		next = first
	}
	delete(w.waits, next)
	return next, next != 0
}

// pause says whether moves are paused. When that ends it tells which groups wait.
func (w *wayGivers) pause(paused bool) []ident.GroupID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ended := w.paused && !paused
	if w.paused = paused; !ended {
		return nil
	}
	return slices.Sorted(maps.Keys(w.waits))
}

// ask tells whether a group may ask now; then asked must follow.
func (w *wayGivers) ask() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused || w.asking {
		return false
	}
	w.asking = true
	return true
}

func (w *wayGivers) asked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asking = false
}

// waiting tells whether a group waits.
func (w *wayGivers) waiting(g ident.GroupID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, is := w.waits[g]
	return is
}

// mayGiveWay tells whether a group's leader here may hand over to the preferred one now.
// Where it may not, the group is looked at again later.
func (n *Node) mayGiveWay(ctx context.Context, id ident.GroupID) bool {
	w := &n.mover.wayGivers
	if w.ask() {
		may := n.mayTransfer(ctx, id)
		w.asked()
		if may {
			w.forget(id)
			return true
		}
	}
	n.mover.look(id, n.exec.Now().Add(w.wait(id)))
	return false
}

// gaveWay gives the place of a group that handed over, or could not, to the next one.
func (n *Node) gaveWay(ctx context.Context, id ident.GroupID) {
	n.transferOver(ctx, id)
	if next, ok := n.mover.wayGivers.next(id); ok {
		n.mover.look(next, n.exec.Now())
	}
}

// followPause has the groups that wait ask soon, one after the other, when a pause ends.
func (n *Node) followPause(settings map[string]string) {
	now := n.exec.Now()
	for i, g := range n.mover.wayGivers.pause(planner.PauseIn(settings) != nil) {
		n.mover.look(g, now.Add(min(time.Duration(i)*time.Second/asksPerSecond, mostPreferredRetry)))
	}
}

// stepTold is a step of a group as it was told last.
type stepTold struct {
	term, epoch uint64
	text        string
}

// tellStep has an event of a step, unless it is the one that was told last: a step that
// fails is tried again and again.
func (n *Node) tellStep(c *catalogue.Machine, id ident.GroupID, name string, term, epoch uint64, s step) {
	text := s.String()
	if !n.mover.tells(id, stepTold{term, epoch, text}) {
		return
	}
	n.log.Debug("a step of a move", "group", name, "step", text)
	n.events.add(view.Event{Kind: "move_step", Node: n.cfg.Name, Group: name, Detail: namesOf(c.Nodes()).in(text)})
}

// tells notes what is told of a group; false when that was told.
func (m *mover) tells(g ident.GroupID, t stepTold) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told == nil {
		m.told = make(map[ident.GroupID]stepTold)
	}
	if m.told[g] == t {
		return false
	}
	m.told[g] = t
	return true
}
