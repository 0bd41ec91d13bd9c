package consensus

import (
	"flag"
	"fmt"
	"testing"
)

var (
	randomSeeds = flag.Int("seeds", 150, "number of random schedules")
	randomSeed  = flag.Int64("seed", 0, "run this random schedule only, and tell all messages")
	randomSteps = flag.Int("steps", 3000, "length of a random schedule")
)

// TestRandomSchedules runs members through random schedules of messages lost,
// doubled and reordered, crashes that lose unsynced writes, pauses, cut links,
// membership changes, transfers, snapshots and sleep, checks all promises after
// each step, and then heals everything and expects progress.
func TestRandomSchedules(t *testing.T) {
	first, last := int64(1), int64(*randomSeeds)
	if testing.Short() {
		last = min(last, 30)
	}
	if *randomSeed != 0 {
		first, last = *randomSeed, *randomSeed
	}
	for seed := first; seed <= last; seed++ {
		c := newCluster(seed)
		if *randomSeed != 0 {
			c.trace = t.Logf
		}
		func() {
			defer func() {
				if value := recover(); value != nil {
					t.Logf("seed %d: panic: %v", seed, value)
					panic(value)
				}
			}()
			c.run(*randomSteps)
			if c.failure == nil {
				c.heal()
			}
		}()
		if c.failure != nil {
			t.Fatalf("seed %d: %v", seed, c.failure)
		}
	}
}

// schedule says how often, out of a thousand steps, things happen in one run.
type schedule struct {
	tick, persist, apply, propose, read, crash, cut, change, transfer, compact, wake, campaign, split, freeze int
	burst                                                                                                     int // messages delivered in a step, 0: as many as there are
	lose, twice, mix                                                                                          int // of a hundred messages
}

func (c *cluster) run(steps int) {
	some := func(n int) int { // each fault is absent from some runs
		if c.rand.Intn(3) == 0 {
			return 0
		}
		return 1 + c.rand.Intn(n)
	}
	s := schedule{
		tick: 20 + c.rand.Intn(80), persist: 50 + c.rand.Intn(200), apply: 50 + c.rand.Intn(100), propose: 1 + c.rand.Intn(100),
		read: some(50), crash: some(10), cut: some(10), change: some(20), transfer: some(10), compact: some(20), wake: some(5), campaign: some(5),
		lose: some(20), twice: some(10), mix: some(60), freeze: some(20),
	}
	if c.rand.Intn(2) == 0 {
		// A storm: leaders come and go, messages linger, halves cannot hear each other.
		s.tick, s.crash, s.split, s.change, s.campaign = 20+c.rand.Intn(100), some(5), 2+c.rand.Intn(10), some(40), some(60)
		s.burst, s.mix, s.cut = 1+c.rand.Intn(4), c.rand.Intn(100), 0
		s.persist, s.read, s.transfer = 50+c.rand.Intn(300), some(60), some(40)
	}
	c.restarts = some(30)
	cfg := Config{ElectionTicks: 10, HeartbeatTicks: 2, MaxAppendBytes: 200, MaxInflightMessages: 4, MaxInflightBytes: 400, MaxUncommittedBytes: 4000, MaxApplyBytes: 300, CacheBytes: 200}
	if c.rand.Intn(2) == 0 {
		cfg.SleepTicks = 3 + c.rand.Intn(10)
	}
	if c.rand.Intn(2) == 0 {
		cfg.LeaseNanos = 8 * testTick
	}
	size := 1 + c.rand.Intn(5)
	var ids []MemberID
	for id := range size {
		ids = append(ids, MemberID(id+1))
	}
	for id := MemberID(1); id <= 6; id++ {
		disk := testDisk{}
		if int(id) <= size || id%2 == 0 {
			disk = firstDisk(voters(ids...))
		}
		c.add(id, cfg, disk)
	}
	for range steps {
		if c.beforeStep != nil {
			c.beforeStep()
		}
		c.step(&s)
		if c.failure != nil {
			return
		}
	}
}

// step does one thing at random.
func (c *cluster) step(s *schedule) {
	c.thaw()
	n := c.nodes[c.ids[c.rand.Intn(len(c.ids))]]
	asked := n // what only a leader does is asked of one mostly
	if leader := c.anyLeader(); leader != nil && c.rand.Intn(4) > 0 {
		asked = leader
	}
	roll := c.rand.Intn(1000)
	happens := func(share int) bool {
		roll -= share
		return roll < 0
	}
	switch {
	case happens(s.tick):
		c.now += testTick
		for _, id := range c.ids {
			if n := c.nodes[id]; c.runs(n) && c.rand.Intn(50) > 0 {
				c.tick(n)
			}
		}
	case happens(s.crash):
		if n.up() {
			c.trace("crash %d", n.id)
			c.crash(n, c.rand.Intn(4))
		}
	case happens(5 * s.crash):
		if !n.up() {
			c.trace("start %d", n.id)
			c.start(n)
		}
	case happens(s.cut):
		c.cut[[2]MemberID{n.id, c.ids[c.rand.Intn(len(c.ids))]}] = true
	case happens(s.split):
		c.split()
	case happens(1 + s.cut/3 + s.split):
		clear(c.cut)
	case happens(s.freeze):
		asked.frozen = c.now + int64(1+c.rand.Intn(60))*testTick
	case !c.runs(n):
	case happens(s.persist):
		c.persist(n, 1+c.rand.Intn(3))
	case happens(s.apply):
		c.apply(n, 1+c.rand.Intn(5))
	case !c.runs(asked):
	case happens(s.propose):
		c.propose(asked)
	case happens(s.read):
		c.read(asked)
	case happens(s.change):
		c.change(asked)
	case happens(s.transfer):
		asked.core.TransferLeader(c.ids[c.rand.Intn(len(c.ids))])
		c.handle(asked)
	case happens(s.compact):
		c.compact(n)
	case happens(s.wake):
		n.wake()
		c.handle(n)
	case happens(s.campaign):
		n.core.Campaign()
		c.handle(n)
	case len(c.network) > 0:
		burst := s.burst
		if burst == 0 {
			burst = 1 + c.rand.Intn(len(c.network))
		}
		for range burst {
			i := 0
			if c.rand.Intn(100) < s.mix {
				i = c.rand.Intn(len(c.network))
			}
			twice := c.rand.Intn(100) < s.twice
			if c.network[i].snapshot != 0 {
				twice = c.rand.Intn(2) == 0 // there are few of them
			}
			c.deliver(i, c.rand.Intn(100) < s.lose, twice)
			if len(c.network) == 0 {
				break
			}
		}
		if len(c.network) > 200 {
			c.deliver(c.rand.Intn(len(c.network)), true, false)
		}
	}
}

// thaw lets those go on whose time it is: a leader perhaps with a read, before it
// hears of anything that happened meanwhile.
func (c *cluster) thaw() {
	for _, id := range c.ids {
		n := c.nodes[id]
		if n.frozen == 0 || n.frozen > c.now {
			continue
		}
		n.frozen = 0
		if n.up() && c.rand.Intn(2) == 0 {
			c.read(n)
		}
	}
}

// split cuts all links between two random halves.
func (c *cluster) split() {
	clear(c.cut)
	side := map[MemberID]bool{}
	if leader := c.anyLeader(); leader != nil && c.rand.Intn(3) > 0 {
		side[leader.id] = true
		side[c.ids[c.rand.Intn(len(c.ids))]] = true
	} else {
		for _, id := range c.ids {
			side[id] = c.rand.Intn(2) == 0
		}
	}
	for _, a := range c.ids {
		for _, b := range c.ids {
			if side[a] != side[b] {
				c.cut[[2]MemberID{a, b}] = true
			}
		}
	}
}

// anyLeader returns one of those who take themselves for a leader.
func (c *cluster) anyLeader() *testNode {
	from := c.rand.Intn(len(c.ids))
	for i := range c.ids {
		if n := c.nodes[c.ids[(from+i)%len(c.ids)]]; n.up() && n.core.Role() == Leader {
			return n
		}
	}
	return nil
}

func (c *cluster) propose(n *testNode) {
	var data [][]byte
	for range 1 + c.rand.Intn(3) {
		data = append(data, fmt.Appendf(nil, "%d-%0*d", n.id, c.rand.Intn(60), c.rand.Intn(1000)))
	}
	n.core.Propose(data...)
	c.handle(n)
}

// change proposes a random change.
func (c *cluster) change(n *testNode) {
	config := n.core.Configuration()
	var ch Change
	few := len(config.Voters) < 3 && c.rand.Intn(8) > 0
	for _, id := range c.ids {
		if c.rand.Intn(3) > 0 || few && config.IsVoter(id) {
			continue
		}
		switch {
		case !config.Contains(id):
			ch.AddLearners = append(ch.AddLearners, Member{ID: id, Node: uint64(id) * 10})
		case config.IsLearner(id) && c.rand.Intn(4) > 0:
			ch.Promote = append(ch.Promote, id)
		case config.IsVoter(id) && c.rand.Intn(2) == 0:
			ch.Demote = append(ch.Demote, id)
		default:
			ch.Remove = append(ch.Remove, id)
		}
	}
	if _, err := n.core.ProposeChange(ch, n.core.ConfigIndex()); err == nil {
		c.trace("change by %d: %+v", n.id, ch)
	}
	c.handle(n)
}

// settle lets time pass and everything work until done, or for so many ticks.
func (c *cluster) settle(ticks int, done func() bool) bool {
	for range ticks {
		if done() {
			return true
		}
		c.now += testTick
		for _, id := range c.ids {
			c.tick(c.nodes[id])
		}
		for busy := true; busy && c.failure == nil; {
			busy = false
			for len(c.network) > 0 && c.failure == nil {
				c.deliver(0, false, false)
				busy = true
			}
			for _, id := range c.ids {
				n := c.nodes[id]
				if len(n.writes) > 0 {
					c.persist(n, len(n.writes))
					busy = true
				}
				if len(n.committed) > 0 {
					c.apply(n, len(n.committed))
					busy = true
				}
			}
		}
		if c.failure != nil {
			return false
		}
	}
	return done()
}

func (c *cluster) leading() *testNode {
	var best *testNode
	for _, id := range c.ids {
		if n := c.nodes[id]; n.up() && n.core.Role() == Leader && (best == nil || n.core.Term() > best.core.Term()) {
			best = n
		}
	}
	return best
}

// heal ends all faults and expects a leader, a commit, a read, and everyone in
// the configuration with the same state.
func (c *cluster) heal() {
	clear(c.cut)
	for _, id := range c.ids {
		n := c.nodes[id]
		n.frozen = 0
		if !n.up() {
			c.start(n)
		}
		n.wake() // nodes that were away are back
		c.handle(n)
	}
	n, first, term := c.agree()
	if c.failure != nil {
		return
	}
	if c.committed[first] != term {
		c.fail("the proposal after healing was lost")
		return
	}
	if !n.core.Configuration().IsVoter(n.id) {
		c.fail("member %d leads and is no voter of %v", n.id, n.core.Configuration())
	}
	if !c.handsOver(n) {
		c.fail("no transfer: %+v", n.core.Status())
		return
	}
	if n.cfg.SleepTicks > 0 && !c.settle(500, func() bool { return c.allAsleep() }) {
		c.fail("no sleep: %+v", c.leading().core.Status())
	}
}

// agree has a leader commit a proposal, answer a read, and everyone apply all of
// it. A leader that others had left behind before the healing is asked in vain.
func (c *cluster) agree() (n *testNode, first, term uint64) {
	ready := func() bool {
		n = c.leading()
		return n != nil && n.core.committedInTerm() && n.core.Commit() == n.core.LastIndex() && !n.core.Status().ChangePending && n.core.Status().TransferTarget == 0
	}
	for range 5 {
		if !c.settle(300, ready) {
			c.fail("no leader after healing")
			return n, 0, 0
		}
		var err error
		if first, term, err = n.core.Propose([]byte("last")); err != nil {
			c.fail("propose after healing: %v", err)
			return n, 0, 0
		}
		answered := c.answered
		c.read(n)
		leads := func() bool { return n.core.Role() == Leader && n.core.Term() == term }
		agreed := func() bool {
			for _, m := range n.core.Configuration().All() {
				if peer := c.nodes[m.ID]; peer.applied < first || peer.machine != n.machine {
					return false
				}
			}
			return c.answered > answered
		}
		if !c.settle(300, func() bool { return agreed() || !leads() }) {
			break
		}
		if leads() {
			return n, first, term
		}
	}
	c.fail("no agreement after healing: leader %+v", n.core.Status())
	return n, 0, 0
}

// handsOver has the leader make another voter lead, where there is one.
func (c *cluster) handsOver(n *testNode) bool {
	for _, m := range n.core.Configuration().Voters {
		if m.ID == n.id {
			continue
		}
		return c.settle(100, func() bool {
			if n.core.Role() == Leader && n.core.Status().TransferTarget == 0 {
				n.core.TransferLeader(m.ID)
				c.handle(n)
			}
			to := c.leading()
			return to != nil && to.id == m.ID && to.core.committedInTerm()
		})
	}
	return true
}

func (c *cluster) allAsleep() bool {
	n := c.leading()
	if n == nil {
		return false
	}
	for _, m := range n.core.Configuration().All() {
		if !c.nodes[m.ID].core.Asleep() {
			return false
		}
	}
	return true
}
