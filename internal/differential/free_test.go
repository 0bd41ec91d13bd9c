package differential

import (
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	freeMembers  = 6
	freeClients  = 3
	patience     = 400 // steps until a client sends again
	healingTicks = 1000
)

// step is one step of a schedule, the same for both sides. What it picks from is
// not the same on both, so it carries numbers to pick with.
type step struct {
	act  string
	pick int // a member, a client
	with int // another, a number
}

// plan is the schedule that a seed stands for.
type plan struct {
	seed             int64
	first            []uint64
	steps            []step
	lose, twice, mix int // of a hundred messages
}

func newPlan(seed int64) *plan {
	r := rand.New(rand.NewSource(seed))
	some := func(n int) int { // each fault is absent from some runs
		if r.Intn(3) == 0 {
			return 0
		}
		return 1 + r.Intn(n)
	}
	p := &plan{seed: seed, lose: some(20), twice: some(10), mix: some(60)}
	for id := uint64(1); id <= 1+uint64(r.Intn(5)); id++ {
		p.first = append(p.first, id)
	}
	weights := []struct {
		act    string
		weight int
	}{
		{"tick", 80 + r.Intn(120)}, {"deliver", 300}, {"persist", 100 + r.Intn(200)}, {"apply", 60 + r.Intn(100)},
		{"client", 20 + r.Intn(100)}, {"crash", some(10)}, {"start", 20}, {"strand", some(12)}, {"cut", some(10)}, {"split", some(6)}, {"heal", 6},
		{"target", some(6)}, {"steer", 15}, {"transfer", some(8)}, {"compact", some(15)}, {"campaign", some(5)},
	}
	sum := 0
	for _, w := range weights {
		sum += w.weight
	}
	for range 300 + r.Intn(1200) {
		roll, i := r.Intn(sum), 0
		for roll >= weights[i].weight {
			roll -= weights[i].weight
			i++
		}
		p.steps = append(p.steps, step{weights[i].act, r.Intn(1 << 20), r.Intn(1 << 20)})
	}
	return p
}

// client sends its commands one after the other, each until it is acknowledged.
type client struct {
	sent, acked int
	since       int // when it was last sent, in steps
}

// free is one side of a free run.
type free struct {
	*world
	plan    *plan
	clients [freeClients]client
	target  membership
	now     int

	log     []string // commands as first applied
	history []string // "+c" a command was sent for the first time, "-c" it was acknowledged
}

func newFree(p *plan, by implementation) *free {
	f := &free{world: newWorld(by, p.seed), plan: p, target: membership{voters: p.first}}
	f.onApply = f.committed
	for id := uint64(1); id <= freeMembers; id++ {
		first := p.first
		if int(id) > len(first) && id%2 == 1 {
			first = nil
		}
		f.create(id, first)
	}
	return f
}

func name(client, number int) string { return strconv.Itoa(client) + "-" + strconv.Itoa(number) }

// committed is the state machine: a command counts when it is its client's next.
func (f *free) committed(e entry) {
	if e.kind != command {
		return
	}
	word, _, _ := strings.Cut(e.data, " ")
	for i := range f.clients {
		c := &f.clients[i]
		if word == name(i, c.acked+1) {
			c.acked++
			f.log = append(f.log, word)
			f.history = append(f.history, "-"+word)
		}
	}
}

// write lets a client send what it is at.
func (f *free) write(i, wanted int) {
	c := &f.clients[i]
	if c.acked == wanted || c.sent > c.acked && f.now-c.since < patience {
		return
	}
	to := f.someLeader()
	if to == 0 {
		return
	}
	word := name(i, c.acked+1)
	if c.sent == c.acked {
		f.history = append(f.history, "+"+word)
		c.sent++
	}
	c.since = f.now
	f.nodes[to].propose(word + " " + strings.Repeat("y", f.rand.Intn(80)))
}

// someLeader returns one of those who take themselves for a leader.
func (f *free) someLeader() uint64 {
	from := f.rand.Intn(len(f.ids))
	for i := range f.ids {
		id := f.ids[(from+i)%len(f.ids)]
		if n := f.nodes[id]; n != nil && n.state().leads {
			return id
		}
	}
	return 0
}

// steer takes one step from the membership there is to the one wanted.
func (f *free) steer() {
	id := f.someLeader()
	if id == 0 {
		return
	}
	n := f.nodes[id]
	s := n.state()
	if s.pending || s.transferring {
		return
	}
	var c change
	for _, id := range f.target.all() {
		if !slices.Contains(s.config.all(), id) {
			n.change(change{add: []uint64{id}})
			return
		}
	}
	for _, id := range s.config.all() {
		voter := slices.Contains(s.config.voters, id)
		switch {
		case !voter && slices.Contains(f.target.voters, id):
			c.promote = append(c.promote, id)
		case voter && slices.Contains(f.target.learners, id):
			c.demote = append(c.demote, id)
		case !slices.Contains(f.target.all(), id):
			c.remove = append(c.remove, id)
		}
	}
	if !c.touchesVoters(s.config) {
		c.remove = c.remove[:min(1, len(c.remove))]
	}
	if c.touchesVoters(s.config) || len(c.remove) > 0 {
		n.change(c)
	}
}

// want makes another membership the wanted one.
func (f *free) want(mask int) {
	var t membership
	for i, id := range f.ids {
		switch mask >> (2 * i) & 3 {
		case 1, 3:
			t.voters = append(t.voters, id)
		case 2:
			t.learners = append(t.learners, id)
		}
	}
	if len(t.voters) > 0 {
		f.target = t
	}
}

func (f *free) play(s step) {
	f.now++
	id := f.ids[s.pick%len(f.ids)]
	other := f.ids[s.with%len(f.ids)]
	n := f.nodes[id]
	switch s.act {
	case "tick":
		for _, id := range f.ids {
			if n := f.nodes[id]; n != nil && f.rand.Intn(50) > 0 {
				n.tick()
			}
		}
	case "deliver":
		for range 1 + f.rand.Intn(1+len(f.network)) {
			if len(f.network) == 0 {
				break
			}
			f.deliverSome()
		}
		for len(f.network) > 300 {
			f.deliver(f.rand.Intn(len(f.network)), true, false)
		}
	case "client":
		f.write(s.pick%freeClients, 1<<30)
	case "crash":
		f.crash(id, s.with%3)
	case "start":
		f.start(id)
	case "cut":
		f.cut[[2]uint64{id, other}] = true
	case "strand":
		// A leader that is heard by nobody, and that clients may still ask.
		if leader := f.someLeader(); leader != 0 {
			for _, other := range f.ids {
				if other != leader {
					f.cut[[2]uint64{leader, other}], f.cut[[2]uint64{other, leader}] = true, true
				}
			}
		}
	case "split":
		for _, a := range f.ids {
			for _, b := range f.ids {
				if s.with>>a&1 != s.with>>b&1 {
					f.cut[[2]uint64{a, b}] = true
				}
			}
		}
	case "heal":
		clear(f.cut)
	case "target":
		f.want(s.with)
	case "steer":
		f.steer()
	case "transfer":
		if leader := f.someLeader(); leader != 0 {
			f.nodes[leader].transfer(other)
		}
	}
	if n == nil {
		return
	}
	switch s.act {
	case "persist":
		for range 1 + s.with%3 {
			n.persist()
		}
	case "apply":
		n.apply()
	case "compact":
		n.compact()
	case "campaign":
		n.campaign()
	}
}

func (f *free) deliverSome() {
	if f.rand.Intn(100) >= f.plan.mix {
		m := f.network[0]
		f.network = append(slices.Delete(f.network, 0, 1), m)
		f.deliver(len(f.network)-1, f.rand.Intn(100) < f.plan.lose, false)
		return
	}
	f.deliver(f.rand.Intn(len(f.network)), f.rand.Intn(100) < f.plan.lose, f.rand.Intn(100) < f.plan.twice)
}

// run plays the whole schedule.
func (f *free) run() {
	for _, s := range f.plan.steps {
		if f.play(s); f.failure != nil {
			return
		}
	}
}

// heal ends all faults and expects every client to get to the number wanted, the
// wanted membership, and all members with the same log.
func (f *free) heal(wanted [freeClients]int) {
	clear(f.cut)
	for _, id := range f.ids {
		f.start(id)
	}
	for range healingTicks {
		f.now += patience // who waits for an answer that was lost sends again
		f.quiesce()
		if f.failure != nil || f.done(wanted) {
			return
		}
		for i := range f.clients {
			f.write(i, wanted[i])
		}
		f.steer()
		f.quiesce()
		for _, id := range f.ids {
			f.nodes[id].tick()
		}
	}
	leader := f.leader()
	f.fail("does not come to rest: leader %d, clients %v of %v", leader, f.clients, wanted)
	if leader != 0 {
		f.fail("%+v", f.nodes[leader].state())
	}
}

func (f *free) done(wanted [freeClients]int) bool {
	leader := f.leader()
	if leader == 0 {
		return false
	}
	s, last := f.nodes[leader].state(), f.nodes[leader].image().last()
	if s.pending || s.transferring || s.commit != last || !slices.Equal(s.config.voters, f.target.voters) || !slices.Equal(s.config.learners, f.target.learners) {
		return false
	}
	for _, id := range s.config.all() {
		if f.applied[id] != last {
			return false
		}
	}
	for i := range f.clients {
		if f.clients[i].acked != wanted[i] {
			return false
		}
	}
	return true
}

// checkOrder: what was acknowledged before another was sent stands before it.
func (f *free) checkOrder() error {
	place := map[string]int{}
	for i, word := range f.log {
		place[word] = i + 1
	}
	acknowledged := 0 // the furthest place acknowledged so far
	for _, h := range f.history {
		at, ok := place[h[1:]]
		switch {
		case !ok:
			return fmt.Errorf("%s: %s is not in the log", f.by.name(), h[1:])
		case h[0] == '-':
			acknowledged = max(acknowledged, at)
		case at < acknowledged:
			return fmt.Errorf("%s: %s was sent after what stands at %d was acknowledged, and stands at %d", f.by.name(), h[1:], acknowledged, at)
		}
	}
	return nil
}

// ofClient returns a client's commands in the order of the log.
func (f *free) ofClient(i int) []string {
	var own []string
	for _, word := range f.log {
		if strings.HasPrefix(word, strconv.Itoa(i)+"-") {
			own = append(own, word)
		}
	}
	return own
}

// playFree plays one seed on both sides.
func playFree(seed int64, plant func(sides [2]*free)) ([2]*free, error) {
	p := newPlan(seed)
	sides := [2]*free{newFree(p, ours{}), newFree(p, theirs{})}
	if plant != nil {
		plant(sides)
	}
	var wanted [freeClients]int
	for _, f := range sides {
		f.run()
		for i := range wanted {
			wanted[i] = max(wanted[i], f.clients[i].sent+1)
		}
	}
	for _, f := range sides {
		if f.failure == nil {
			f.heal(wanted)
		}
		if f.failure != nil {
			return sides, f.failure
		}
		if err := f.checkOrder(); err != nil {
			return sides, err
		}
	}
	a, b := sides[0], sides[1]
	for i := range freeClients {
		if x, y := a.ofClient(i), b.ofClient(i); !slices.Equal(x, y) {
			return sides, fmt.Errorf("client %d: committed %v here, %v there", i, x, y)
		}
	}
	x, y := a.nodes[a.leader()].state().config, b.nodes[b.leader()].state().config
	if !x.equal(y) {
		return sides, fmt.Errorf("membership %v here, %v there", x, y)
	}
	return sides, nil
}

// TestSameCommands plays the same schedules of faults on both implementations,
// each with its own elections, and expects the same commands in the end.
func TestSameCommands(t *testing.T) {
	var steps, commands, entries [2]counter
	run(t, func(seed int64) error {
		sides, err := playFree(seed, nil)
		for i, f := range sides {
			steps[i].add(f.now)
			commands[i].add(len(f.log))
			entries[i].add(len(f.agreed))
		}
		return err
	})
	t.Logf("commands committed: %d here, %d there; entries: %d here, %d there", commands[0].n(), commands[1].n(), entries[0].n(), entries[1].n())
}

// A seed that fails must fail again: on both sides nothing but the seed decides.
func TestSameSeedSameRun(t *testing.T) {
	for seed := int64(1); seed <= 20; seed++ {
		one, err := playFree(seed, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		two, err := playFree(seed, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i := range one {
			if !slices.Equal(one[i].agreed, two[i].agreed) || !slices.Equal(one[i].history, two[i].history) {
				t.Errorf("seed %d: two runs of %s differ", seed, one[i].by.name())
			}
		}
	}
}
