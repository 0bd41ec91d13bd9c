package differential

import (
	"fmt"
	"math/rand"
	"slices"
)

// kind is what an entry is for.
type kind uint8

const (
	command kind = iota
	config
	empty
)

// entry is one place of a log. Data is that of a command only: each side encodes
// configurations in its own way.
type entry struct {
	index, term uint64
	kind        kind
	data        string
}

// logImage is a log as a member handed it out, durable or not.
type logImage struct {
	base, baseTerm uint64
	entries        []entry
}

func (l *logImage) last() uint64 { return l.base + uint64(len(l.entries)) }

func (l *logImage) term(index uint64) uint64 {
	switch {
	case index == l.base:
		return l.baseTerm
	case index < l.base || index > l.last():
		return 0
	}
	return l.entries[index-l.base-1].term
}

// replace puts entries in the place of everything from the first of them on.
func (l *logImage) replace(entries []entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].index
	if first <= l.base || first > l.last()+1 {
		panic(fmt.Sprintf("entries from %d for a log from %d to %d", first, l.base+1, l.last()))
	}
	l.entries = append(slices.Clip(l.entries[:first-l.base-1]), entries...)
}

func (l *logImage) compact(index uint64) {
	if index <= l.base || index > l.last() {
		return
	}
	term := l.term(index)
	l.entries = slices.Clone(l.entries[index-l.base:])
	l.base, l.baseTerm = index, term
}

// membership is a configuration, each set sorted.
type membership struct{ voters, outgoing, learners, next []uint64 }

func (m membership) joint() bool { return len(m.outgoing) > 0 }

func (m membership) equal(o membership) bool {
	return slices.Equal(m.voters, o.voters) && slices.Equal(m.outgoing, o.outgoing) &&
		slices.Equal(m.learners, o.learners) && slices.Equal(m.next, o.next)
}

func (m membership) all() []uint64 {
	all := slices.Concat(m.voters, m.outgoing, m.learners)
	slices.Sort(all)
	return slices.Compact(all)
}

// change is a step from one configuration to the next.
type change struct{ add, promote, demote, remove []uint64 }

// touchesVoters reports whether the change needs joint consensus.
func (c change) touchesVoters(of membership) bool {
	if len(c.promote) > 0 || len(c.demote) > 0 {
		return true
	}
	return slices.ContainsFunc(c.remove, func(id uint64) bool { return slices.Contains(of.voters, id) })
}

// state is what both implementations can tell of a member.
type state struct {
	leads                 bool
	term, leader, commit  uint64
	config                membership
	transferring, pending bool // a hand-over; a change that is not complete
}

// node is a member that runs, on either side.
type node interface {
	tick()          // with timers
	wait(ticks int) // time for one that does not lead, without its timers
	campaign()      // as if its timer had expired
	propose(data string) bool
	change(change) bool
	transfer(to uint64) bool
	compact()      // a snapshot at what is applied, and the log before it goes
	persist() bool // completes the oldest write; false if there is none
	apply() bool   // applies what was handed out; false if there is nothing
	step(payload any) bool
	state() state
	image() *logImage
}

// implementation makes members that live in a world.
type implementation interface {
	name() string
	// create makes the disk of a member: of one of the first voters, or an empty one.
	create(w *world, id uint64, first []uint64)
	// start starts a member from its disk.
	start(w *world, id uint64) node
}

type envelope struct {
	from, to uint64
	payload  any
	// sent, if set, is called once with what became of it: it is a snapshot.
	sent func(ok bool)
}

// world runs the members of one side over a network and disks that do as they
// are told.
type world struct {
	by      implementation
	rand    *rand.Rand
	ids     []uint64
	nodes   map[uint64]node
	disks   map[uint64]any
	applied map[uint64]uint64
	network []envelope
	cut     map[[2]uint64]bool
	stalled map[uint64]bool // disks that hang

	agreed  []entry // what was applied, from index 2 on
	onApply func(entry)
	failure error

	// skip is a planted bug: what it says of is not applied.
	skip func(id uint64, e entry) bool
	// forgetful is a planted bug: a crash loses synced entries as well.
	forgetful bool
}

func newWorld(by implementation, seed int64) *world {
	return &world{
		by: by, rand: rand.New(rand.NewSource(seed)), nodes: map[uint64]node{}, disks: map[uint64]any{},
		applied: map[uint64]uint64{}, cut: map[[2]uint64]bool{}, stalled: map[uint64]bool{},
		onApply: func(entry) {}, skip: func(uint64, entry) bool { return false },
	}
}

func (w *world) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf("%s: %s", w.by.name(), fmt.Sprintf(format, args...))
	}
}

func (w *world) create(id uint64, first []uint64) {
	w.ids = append(w.ids, id)
	w.by.create(w, id, first)
	w.start(id)
}

func (w *world) start(id uint64) {
	if w.nodes[id] == nil {
		w.nodes[id] = w.by.start(w, id)
	}
}

// crash loses all that is not on the disk; of the writes on their way the first
// few, chosen at random, made it.
func (w *world) crash(id uint64, survive int) {
	n := w.nodes[id]
	if n == nil {
		return
	}
	for range survive {
		n.persist()
	}
	delete(w.nodes, id)
}

func (w *world) up(id uint64) bool { return w.nodes[id] != nil }

func (w *world) post(from, to uint64, payload any, sent func(bool)) {
	w.network = append(w.network, envelope{from, to, payload, sent})
}

// apply takes note that a member applied an entry, and checks that all members
// of the side apply the same.
func (w *world) apply(id uint64, e entry) {
	if w.skip(id, e) {
		return
	}
	if e.index != w.applied[id]+1 {
		w.fail("member %d applies %d behind %d", id, e.index, w.applied[id])
		return
	}
	w.applied[id] = e.index
	switch at := int(e.index) - 2; {
	case at < len(w.agreed):
		if w.agreed[at] != e {
			w.fail("member %d applies %v where %v was applied", id, e, w.agreed[at])
		}
	case at == len(w.agreed):
		w.agreed = append(w.agreed, e)
		w.onApply(e)
	default:
		w.fail("member %d applies %d, nobody applied %d", id, e.index, len(w.agreed)+2)
	}
}

// deliver takes one message off the network.
func (w *world) deliver(i int, lose, twice bool) {
	m := w.network[i]
	twice = twice && m.sent == nil
	if !twice {
		w.network[i] = w.network[len(w.network)-1]
		w.network[len(w.network)-1] = envelope{}
		w.network = w.network[:len(w.network)-1]
	}
	n := w.nodes[m.to]
	ok := !lose && n != nil && !w.cut[[2]uint64{m.from, m.to}]
	if ok {
		ok = n.step(m.payload)
	}
	if m.sent != nil {
		m.sent(ok)
	}
}

// deliverFirst takes the oldest message off the network.
func (w *world) deliverFirst() {
	m := w.network[0]
	w.network = append(slices.Delete(w.network, 0, 1), m)
	w.deliver(len(w.network)-1, false, false)
}

// quiesce lets everything happen that can happen without time passing.
func (w *world) quiesce() {
	for turns := 0; w.failure == nil; turns++ {
		if turns > 2000 || len(w.network) > 50_000 {
			w.fail("messages without end")
			return
		}
		busy := false
		for range len(w.network) {
			if len(w.network) == 0 {
				break
			}
			busy = true
			if len(w.stalled) > 0 {
				// A refusal is told at once here and after a sync there, so that what
				// arrives out of order meanwhile is repaired at different times.
				w.deliverFirst()
				continue
			}
			w.deliver(w.rand.Intn(len(w.network)), false, w.rand.Intn(20) == 0)
		}
		for _, id := range w.ids {
			n := w.nodes[id]
			if n == nil {
				continue
			}
			for !w.stalled[id] && n.persist() {
				busy = true
			}
			for n.apply() {
				busy = true
			}
		}
		if !busy {
			return
		}
	}
}

// leader returns the leader of the newest term, 0 if nobody leads.
func (w *world) leader() uint64 {
	var best, term uint64
	for _, id := range w.ids {
		if n := w.nodes[id]; n != nil {
			if s := n.state(); s.leads && s.term > term {
				best, term = id, s.term
			}
		}
	}
	return best
}
