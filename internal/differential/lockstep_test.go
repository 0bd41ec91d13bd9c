package differential

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// ticksPerRound is enough to find out what was lost and send it again, and less
// than what a leader goes on for without a quorum.
const ticksPerRound = 8

// lockstep plays one script on both sides, round by round.
type lockstep struct {
	script   *rand.Rand
	sides    [2]*world // ours, theirs
	next     uint64    // identifier of the next member
	commands int
	told     []string
	rounds   int
	first    []uint64
	gone     map[uint64]bool // removed for ever
	demoted  map[uint64]bool // were voters once
}

func newLockstep(seed int64) *lockstep {
	l := &lockstep{script: rand.New(rand.NewSource(seed)), gone: map[uint64]bool{}, demoted: map[uint64]bool{}}
	l.sides = [2]*world{newWorld(ours{forced: true}, seed), newWorld(theirs{forced: true}, seed)}
	for l.next = 1; l.next <= 1+uint64(l.script.Intn(5)); l.next++ {
		l.first = append(l.first, l.next)
	}
	for _, id := range l.first {
		for _, w := range l.sides {
			w.create(id, l.first)
		}
	}
	return l
}

// both does something on both sides and tells what.
func (l *lockstep) both(do func(w *world), format string, args ...any) {
	l.told = append(l.told, fmt.Sprintf(format, args...))
	for _, w := range l.sides {
		do(w)
	}
}

// asked does something that a member accepts or refuses, on both sides alike.
func (l *lockstep) asked(do func(w *world) bool, format string, args ...any) bool {
	what := fmt.Sprintf(format, args...)
	a, b := do(l.sides[0]), do(l.sides[1])
	l.told = append(l.told, fmt.Sprintf("%s: %v", what, a))
	if a != b {
		l.sides[0].fail("%s: accepted here %v, there %v", what, a, b)
	}
	return a
}

func (l *lockstep) failure() error {
	for _, w := range l.sides {
		if w.failure != nil {
			return w.failure
		}
	}
	return nil
}

// members returns those that were not removed.
func (l *lockstep) members() []uint64 {
	return slices.DeleteFunc(slices.Clone(l.sides[0].ids), func(id uint64) bool { return l.gone[id] })
}

func (l *lockstep) any() uint64 {
	members := l.members()
	return members[l.script.Intn(len(members))]
}

// healthy reports whether all members run, hear each other, and follow one leader.
func (l *lockstep) healthy() bool {
	w := l.sides[0]
	leader := w.leader()
	if leader == 0 || len(w.cut) > 0 {
		return false
	}
	for _, id := range l.members() {
		if n := w.nodes[id]; n == nil || n.state().leader != leader || n.state().pending {
			return false
		}
	}
	return true
}

// round plays one round of the script.
func (l *lockstep) round() {
	l.rounds++
	l.recover()
	leader := l.sides[0].leader()
	roll := l.script.Intn(100)
	if leader == 0 && l.script.Intn(2) == 0 {
		roll = 56 // not too long without one
	}
	switch {
	case roll < 22:
		l.propose(leader)
	case roll < 30:
		l.strand(leader)
	case roll < 38:
		l.hang()
		l.propose(leader)
	case roll < 48:
		l.partition()
		if l.script.Intn(2) == 0 {
			l.propose(leader)
		}
	case roll < 56:
		l.both(func(w *world) { clear(w.cut) }, "heal")
	case roll < 70:
		l.campaign()
	case roll < 75:
		l.crash(l.any())
	case roll < 82:
		l.restart()
	case roll < 87:
		l.transfer(leader)
	case roll < 94:
		l.change(leader)
	default:
		id := l.any()
		if l.sides[0].up(id) && l.sides[0].applied[id] == l.sides[1].applied[id] {
			l.both(func(w *world) { w.nodes[id].compact() }, "compact %d", id)
		}
	}
	for _, w := range l.sides {
		w.settle()
	}
}

// recover ends the hanging of disks, some of them by a crash.
func (l *lockstep) recover() {
	for _, id := range l.members() {
		if !l.sides[0].stalled[id] {
			continue
		}
		if l.script.Intn(2) == 0 {
			l.crash(id)
		}
		l.both(func(w *world) {
			delete(w.stalled, id)
			w.quiesce()
		}, "the disk of %d works", id)
	}
}

// settle lets leaders' time pass, so that all that can be repaired is.
func (w *world) settle() {
	for range ticksPerRound {
		w.quiesce()
		for _, id := range w.ids {
			if n := w.nodes[id]; n != nil && n.state().leads && w.failure == nil {
				n.tick()
			}
		}
	}
	w.quiesce()
}

func (l *lockstep) propose(to uint64) {
	if to == 0 || l.script.Intn(6) == 0 {
		to = l.any()
	}
	if !l.sides[0].up(to) {
		return
	}
	for range 1 + l.script.Intn(8) {
		if !l.proposeOne(to) {
			return
		}
	}
}

func (l *lockstep) proposeOne(to uint64) bool {
	l.commands++
	data := fmt.Sprintf("command %d %s", l.commands, strings.Repeat("x", l.script.Intn(60)))
	return l.asked(func(w *world) bool { return w.nodes[to].propose(data) }, "propose command %d to %d", l.commands, to)
}

// hang stops the disk of one member for the round.
func (l *lockstep) hang() {
	id := l.any()
	if l.sides[0].up(id) {
		l.both(func(w *world) { w.stalled[id] = true }, "the disk of %d hangs", id)
	}
}

func (l *lockstep) partition() {
	members := l.members()
	side := map[uint64]bool{}
	for _, id := range members {
		side[id] = l.script.Intn(2) == 0
	}
	whole := l.script.Intn(3) > 0 // otherwise single links, both directions
	cut := map[[2]uint64]bool{}
	for i, a := range members {
		for _, b := range members[:i] {
			if whole && side[a] != side[b] || !whole && l.script.Intn(4) == 0 {
				cut[[2]uint64{a, b}], cut[[2]uint64{b, a}] = true, true
			}
		}
	}
	l.both(func(w *world) {
		clear(w.cut)
		for link := range cut {
			w.cut[link] = true
		}
	}, "cut %v", cut)
}

// strand cuts a leader off that goes on taking commands, and lets another lead,
// whose log takes the place of what the first has added when it is heard again.
func (l *lockstep) strand(leader uint64) {
	if !l.healthy() || len(l.sides[0].nodes[leader].state().config.voters) < 3 {
		l.propose(leader)
		return
	}
	l.both(func(w *world) {
		for _, other := range w.ids {
			if other != leader {
				w.cut[[2]uint64{leader, other}], w.cut[[2]uint64{other, leader}] = true, true
			}
		}
	}, "cut off %d", leader)
	for range 1 + l.script.Intn(6) {
		l.proposeOne(leader)
	}
	for _, w := range l.sides {
		w.quiesce()
	}
	l.campaign()
	for _, w := range l.sides {
		w.settle()
	}
	if heir := l.sides[0].leader(); heir != leader && l.script.Intn(2) == 0 {
		l.proposeOne(heir)
	}
	if l.script.Intn(3) > 0 {
		l.both(func(w *world) { clear(w.cut) }, "heal")
	}
}

// campaign lets all promises to leaders run out and one member campaign.
func (l *lockstep) campaign() {
	id := l.any()
	if n := l.sides[0].nodes[id]; n == nil || l.demoted[id] && !slices.Contains(n.state().config.voters, id) {
		return
	}
	l.both(func(w *world) {
		for _, other := range w.ids {
			if n := w.nodes[other]; n != nil && !n.state().leads {
				n.wait(electionTicks)
			}
		}
		w.nodes[id].campaign()
	}, "%d campaigns", id)
}

func (l *lockstep) crash(id uint64) {
	if l.sides[0].up(id) {
		l.both(func(w *world) { w.crash(id, 0) }, "crash %d", id)
	}
}

func (l *lockstep) restart() {
	for _, id := range l.members() {
		if !l.sides[0].up(id) && l.script.Intn(4) > 0 {
			l.both(func(w *world) { w.start(id) }, "restart %d", id)
		}
	}
}

func (l *lockstep) transfer(leader uint64) {
	to := l.any()
	if leader == 0 || !l.healthy() || to == leader || !slices.Contains(l.sides[0].nodes[leader].state().config.voters, to) {
		return
	}
	l.asked(func(w *world) bool { return w.nodes[leader].transfer(to) }, "%d hands over to %d", leader, to)
}

// change changes the membership, if all can be heard.
func (l *lockstep) change(leader uint64) {
	if leader == 0 || !l.healthy() {
		return
	}
	config := l.sides[0].nodes[leader].state().config
	var c change
	switch roll := l.script.Intn(10); {
	case roll < 4 && l.next <= 8:
		id, first := l.next, l.first
		if l.script.Intn(2) == 0 {
			first = nil
		}
		l.next++
		l.both(func(w *world) { w.create(id, first) }, "create %d, as a first voter: %v", id, first != nil)
		c.add = []uint64{id}
	case roll < 5 && len(config.learners) > 0:
		c.remove = []uint64{config.learners[l.script.Intn(len(config.learners))]}
	default:
		for _, id := range config.all() {
			switch {
			case id == leader || l.script.Intn(3) > 0:
			case slices.Contains(config.learners, id):
				c.promote = append(c.promote, id)
			case l.script.Intn(2) == 0:
				c.demote = append(c.demote, id)
			default:
				c.remove = append(c.remove, id)
			}
		}
	}
	if len(c.add) == 0 && !c.touchesVoters(config) && len(c.remove) != 1 {
		return
	}
	if !l.asked(func(w *world) bool { return w.nodes[leader].change(c) }, "change by %d: %+v", leader, c) {
		return
	}
	for _, w := range l.sides {
		w.settle()
	}
	for _, id := range c.demote {
		l.demoted[id] = true
	}
	for _, id := range c.remove {
		l.gone[id] = true
		l.crash(id)
	}
}

// compare holds every member against its twin.
func (l *lockstep) compare() error {
	if err := l.failure(); err != nil {
		return err
	}
	for _, id := range l.members() {
		a, b := l.sides[0].nodes[id], l.sides[1].nodes[id]
		if (a == nil) != (b == nil) {
			return fmt.Errorf("member %d runs here %v, there %v", id, a != nil, b != nil)
		}
		if a == nil {
			continue
		}
		if err := l.compareMember(id, a, b); err != nil {
			return fmt.Errorf("round %d: member %d: %w", l.rounds, id, err)
		}
	}
	return nil
}

func (l *lockstep) compareMember(id uint64, a, b node) error {
	ours, theirs := a.state(), b.state()
	if ours.term != theirs.term || ours.leader != theirs.leader || ours.leads != theirs.leads {
		return fmt.Errorf("term %d, leader %d here; term %d, leader %d there", ours.term, ours.leader, theirs.term, theirs.leader)
	}
	if err := compareLogs(a.image(), b.image()); err != nil {
		return err
	}
	w := l.sides[0]
	if !w.hears(id, ours.leader) {
		return nil
	}
	if ours.commit != theirs.commit {
		return fmt.Errorf("commit %d here, %d there", ours.commit, theirs.commit)
	}
	if !ours.config.equal(theirs.config) {
		return fmt.Errorf("configuration %v here, %v there", ours.config, theirs.config)
	}
	if x, y := w.applied[id], l.sides[1].applied[id]; x != y && !w.stalled[id] {
		return fmt.Errorf("applied %d here, %d there", x, y)
	}
	return nil
}

// hears reports whether a member leads or is in touch with its leader.
func (w *world) hears(id, leader uint64) bool {
	n := w.nodes[leader]
	if n == nil || w.cut[[2]uint64{id, leader}] {
		return false
	}
	s := n.state()
	return s.leads && s.term == w.nodes[id].state().term
}

func compareLogs(a, b *logImage) error {
	if a.last() != b.last() || a.term(a.last()) != b.term(b.last()) {
		return fmt.Errorf("log ends at %d of term %d here, at %d of term %d there", a.last(), a.term(a.last()), b.last(), b.term(b.last()))
	}
	from := max(a.base, b.base)
	for i := from + 1; i <= a.last(); i++ {
		if x, y := a.entries[i-a.base-1], b.entries[i-b.base-1]; x != y {
			return fmt.Errorf("entry %d is %+v here, %+v there", i, x, y)
		}
	}
	return nil
}

// end heals all and expects every member to have the leader's log.
func (l *lockstep) end() error {
	l.recover()
	l.both(func(w *world) { clear(w.cut) }, "heal")
	for _, id := range l.members() {
		l.both(func(w *world) { w.start(id) }, "start %d", id)
	}
	for attempt := 0; ; attempt++ {
		for _, w := range l.sides {
			w.settle()
		}
		if err := l.compare(); err != nil {
			return err
		}
		if l.healthy() {
			break
		}
		if attempt > 50 {
			return fmt.Errorf("nobody leads after healing")
		}
		l.campaign()
	}
	w := l.sides[0]
	leader := w.leader()
	for _, id := range l.members() {
		if err := compareLogs(w.nodes[leader].image(), w.nodes[id].image()); err != nil {
			return fmt.Errorf("members %d and %d after healing: %w", leader, id, err)
		}
	}
	if !slices.Equal(l.sides[0].agreed, l.sides[1].agreed) {
		return fmt.Errorf("%d entries applied here, %d there, or others", len(l.sides[0].agreed), len(l.sides[1].agreed))
	}
	return nil
}

// playLockstep plays one seed to its end or to the first difference.
func playLockstep(seed int64, plant func(*lockstep)) (*lockstep, error) {
	l := newLockstep(seed)
	if plant != nil {
		plant(l)
	}
	for range 30 + l.script.Intn(90) {
		l.told = append(l.told, fmt.Sprintf("-- round %d", l.rounds+1))
		l.round()
		if err := l.compare(); err != nil {
			return l, err
		}
	}
	return l, l.end()
}

// TestLockStep plays scripts with forced leadership on both implementations and
// compares every member with its twin after every round.
func TestLockStep(t *testing.T) {
	var rounds, commands, entries counter
	run(t, func(seed int64) error {
		l, err := playLockstep(seed, nil)
		rounds.add(l.rounds)
		commands.add(l.commands)
		entries.add(len(l.sides[0].agreed))
		if err != nil {
			return fmt.Errorf("%w\n%s", err, strings.Join(l.told, "\n"))
		}
		return nil
	})
	t.Logf("%d rounds, %d commands, %d entries committed on both sides", rounds.n(), commands.n(), entries.n())
}
