package explore

import (
	"fmt"
	"strings"

	"github.com/raftfleet/raftfleet/consensus"
)

// Result is what a search found.
type Result struct {
	Scope string
	// Complete: nothing else can happen within the scope.
	Complete bool
	// States are the different states of the whole, Transitions the steps between
	// them that were checked, Depth the longest of the shortest ways to a state.
	States, Transitions, Depth int
	// Members, Messages and Networks count the different ones.
	Members, Messages, Networks int
	// Leaders, Commits and Joint count the states in which a member leads, something
	// is committed, a joint configuration is in force: what the search got to see.
	Leaders, Commits, Joint int
	// Broken is the promise that was broken, "" if none was, and Path the way there.
	Broken string
	Path   []string
}

// String gives the result on one line, and the path where there is one.
func (r *Result) String() string {
	state := "complete"
	if !r.Complete {
		state = "ended before it was complete"
	}
	if r.Broken != "" {
		state = "BROKEN: " + r.Broken
	}
	s := fmt.Sprintf("%s: %d states, %d transitions, depth %d; %d members' states, %d messages, %d networks; %d states with a leader, %d with a commit, %d joint; checked after each: %s; %s",
		r.Scope, r.States, r.Transitions, r.Depth, r.Members, r.Messages, r.Networks, r.Leaders, r.Commits, r.Joint, strings.Join(Invariants, ", "), state)
	for i, step := range r.Path {
		s += fmt.Sprintf("\n%3d  %s", i, step)
	}
	return s
}

type search struct {
	scope  Scope
	worlds worlds

	members        []*member
	memberNumbers  map[string]uint32
	messages       []consensus.Message
	messageNumbers map[string]uint32
	networks       [][]uint32
	networkNumbers map[string]uint32
	histories      []history
	historyNumbers map[history]uint32

	outcomes map[uint64]outcome // by member's state and action
	buffer   []byte
	set      []uint32

	transitions int
	broken      string
	brokenWorld world // not in worlds
	brokenBy    action
	brokenActor int
	brokenAt    uint32
}

// Run searches a scope. An error means that the scope cannot be searched; a
// broken promise is a result.
func Run(scope Scope) (Result, error) {
	x, err := newSearch(scope)
	if err != nil {
		return Result{}, err
	}
	return x.run()
}

func newSearch(scope Scope) (*search, error) {
	if scope.Members < 1 || scope.Members > maxMembers || scope.voters() > scope.Members {
		return nil, fmt.Errorf("explore: scope %s: %d members, %d voters; at most %d members can be searched", scope.Name, scope.Members, scope.voters(), maxMembers)
	}
	entries := 1 + int(scope.MaxTerm) + scope.Commands + 2*scope.ChangesMade
	if scope.MaxTerm >= maxTerms || entries > maxIndex || scope.Reads > maxReads {
		return nil, fmt.Errorf("explore: scope %s: %d terms and up to %d entries; at most %d and %d can be searched", scope.Name, scope.MaxTerm, entries, maxTerms-1, maxIndex)
	}
	x := &search{
		scope: scope, memberNumbers: map[string]uint32{}, messageNumbers: map[string]uint32{}, networkNumbers: map[string]uint32{},
		historyNumbers: map[history]uint32{}, outcomes: map[uint64]outcome{},
	}
	var w world
	for i := range scope.Members {
		m, err := scope.first(consensus.MemberID(i + 1))
		if err != nil {
			return nil, fmt.Errorf("explore: scope %s: %w", scope.Name, err)
		}
		w.members[i] = x.numberMember(m)
	}
	w.network = x.numberNetwork(nil)
	h := history{committed: 1}
	h.sums[0] = 1
	w.history = x.numberHistory(&h)
	x.worlds.add(&w, 0, 0, 0)
	return x, nil
}

// run goes through the worlds in the order of their discovery, which is breadth first.
func (x *search) run() (Result, error) {
	depth, levelEnd := 0, 1
	complete := true
	for n := 0; n < len(x.worlds.all) && x.broken == ""; n++ {
		if n == levelEnd {
			depth, levelEnd = depth+1, len(x.worlds.all)
		}
		if x.scope.MaxStates > 0 && len(x.worlds.all) >= x.scope.MaxStates {
			complete = false
			break
		}
		if err := x.expand(uint32(n)); err != nil {
			return Result{}, fmt.Errorf("explore: scope %s: %w", x.scope.Name, err)
		}
	}
	r := Result{
		Scope: x.scope.Name, Complete: complete && x.broken == "", States: len(x.worlds.all), Transitions: x.transitions, Depth: depth,
		Members: len(x.members), Messages: len(x.messages), Networks: len(x.networks), Broken: x.broken,
	}
	for i := range x.worlds.all {
		x.count(&x.worlds.all[i], &r)
	}
	if x.broken != "" {
		r.Path = x.path()
	}
	return r, nil
}

func (x *search) count(w *world, r *Result) {
	leader, joint := false, false
	for i := range x.scope.Members {
		m := x.members[w.members[i]]
		leader = leader || m.role == consensus.Leader
		joint = joint || m.memory.inForce().voters[1] != 0
	}
	if leader {
		r.Leaders++
	}
	if joint {
		r.Joint++
	}
	if x.histories[w.history].committed > 1 {
		r.Commits++
	}
}

// expand does all that can happen in a world.
func (x *search) expand(n uint32) error {
	w := x.worlds.all[n]
	for _, number := range x.networks[w.network] {
		m := &x.messages[number]
		if x.scope.ElectionsOnly && m.Kind == consensus.MsgAppend {
			continue
		}
		to := int(m.To - 1)
		if m.Kind == consensus.MsgTimeoutNow && x.members[w.members[to]].term >= x.scope.MaxTerm {
			continue
		}
		if err := x.step(n, &w, to, deliver|action(number), -1); err != nil || x.broken != "" {
			return err
		}
	}
	for i := range x.scope.Members {
		if err := x.expandMember(n, &w, i); err != nil || x.broken != "" {
			return err
		}
	}
	return nil
}

// expandMember does to a member all that comes from outside the network.
func (x *search) expandMember(n uint32, w *world, i int) error {
	m := x.members[w.members[i]]
	var err error
	try := func(possible bool, a action, used int) {
		if possible && err == nil && x.broken == "" {
			err = x.step(n, w, i, a, used)
		}
	}
	left := func(used, bound int) bool { return int(w.used[used]) < bound }
	leads := m.role == consensus.Leader
	try(len(m.writes) > 0, persist, -1)
	counted := -1
	if x.scope.Campaigns > 0 {
		counted = usedCampaigns
	}
	try(!leads && m.term < x.scope.MaxTerm && (counted < 0 || left(counted, x.scope.Campaigns)) && (n > 0 || i == 0 || !x.scope.alike()), timeout, counted)
	try(x.scope.crashes(m.id) && left(usedCrashes, x.scope.Crashes), crash, usedCrashes)
	if !leads {
		try(left(usedTicks, x.scope.Ticks), tick, usedTicks)
		try(m.core.Asleep() && left(usedWakes, x.scope.Wakes), wake, usedWakes)
		return err
	}
	try(left(usedReads, x.scope.Reads), read|action(w.used[usedReads]+1), usedReads)
	try(left(usedCommands, x.scope.Commands), command|action(w.used[usedCommands]), usedCommands)
	try(left(usedBeats, x.scope.Beats), beat, usedBeats)
	for c := range x.scope.Changes {
		try(left(usedChanges, x.scope.ChangesMade), change|action(c), usedChanges)
	}
	for to := 1; to <= x.scope.Members; to++ {
		try(left(usedTransfers, x.scope.Transfers), transfer|action(to), usedTransfers)
	}
	return err
}

// step does one thing to one member, checks what it leads to, and notes that if it is new.
func (x *search) step(n uint32, w *world, i int, a action, used int) error {
	key := uint64(w.members[i])<<32 | uint64(a)
	out, ok := x.outcomes[key]
	if !ok {
		var err error
		if out, err = x.do(x.members[w.members[i]], a); err != nil {
			return err
		}
		x.outcomes[key] = out
	}
	next := *w
	next.members[i] = out.member
	if out.broken == "" {
		next.network = x.network(&next, out.sent)
	}
	if next == *w {
		return nil
	}
	x.transitions++
	if used >= 0 {
		next.used[used]++
	}
	if a.kind() == read {
		next.asked[a.of()-1] = uint8(x.histories[w.history].committed)
	}
	broken := out.broken
	if broken == "" {
		broken = x.judge(w, &next, i, &out)
	}
	if broken != "" {
		x.broken, x.brokenWorld, x.brokenAt, x.brokenActor, x.brokenBy = broken, next, n, i, a
		return nil
	}
	x.worlds.add(&next, n, i, a)
	return nil
}
