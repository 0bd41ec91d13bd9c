package sim

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// client calls one group, with a few calls at a time that share a session, as the
// router of a node does. It knows what was acknowledged, what is unknown and what
// was refused.
type client struct {
	w       *world
	name    string // of its group
	g       *replicated
	session *group.SessionClient
	leader  ident.NodeID // as far as it knows

	registering bool
	open        int        // calls under way
	held        []*command // of unknown outcome, to be repeated one day
}

// command is one command of a client, through all its attempts.
type command struct {
	g        *replicated
	op       uint64
	id       group.CommandID
	below    uint64
	body     []byte
	until    int64 // when the client gives up
	attempt  int   // the one under way; the answers of others are late
	unsure   bool  // some attempt may have been proposed
	state    commandState
	floor    uint64
	position uint64 // in the group's history, once it was applied
}

type commandState uint8

const (
	calling commandState = iota
	acknowledged
	unknown
	refused
)

func (w *world) newClient(name string, slots int) {
	c := &client{w: w, name: name}
	c.turnTo(w.named(name))
	w.clients = append(w.clients, c)
	for range slots {
		c.later()
	}
}

// named finds the group that has a name now.
func (w *world) named(name string) *replicated {
	for i := len(w.groups) - 1; i >= 0; i-- {
		if g := w.groups[i]; g.name == name && !g.removed {
			return g
		}
	}
	return nil
}

// turnTo has the client call another group.
func (c *client) turnTo(g *replicated) {
	c.g, c.session, c.leader, c.held, c.registering = g, new(group.SessionClient), 0, nil, false
}

// later begins the next call after a while.
func (c *client) later() {
	w := c.w
	pause := w.about(w.plan.think) + 1
	if w.has(Burst) && w.random.IntN(50) == 0 {
		pause += w.about(3 * time.Second)
	}
	w.after(time.Duration(pause), c.next)
}

func (c *client) next() {
	w := c.w
	if w.healing {
		return
	}
	if w.now < w.idleUntil {
		w.after(time.Duration(w.idleUntil-w.now)+time.Duration(w.about(time.Second)), c.next)
		return
	}
	if g := w.named(c.name); g == nil {
		w.after(100*time.Millisecond, c.next)
		return
	} else if g != c.g {
		c.turnTo(g)
	}
	switch k := w.random.IntN(100); {
	case k < 65:
		c.command()
	case k < 90:
		c.open++
		c.read(&query{g: c.g, floor: c.g.floor, until: w.now + int64(20*time.Second)})
	default:
		c.open++
		c.followerRead(c.g, c.g.floor)
	}
}

func (c *client) command() {
	w := c.w
	if len(c.held) > 0 && w.chance(20) {
		if c.repeat() {
			return
		}
	}
	if c.session.Session() == 0 {
		c.register()
		w.after(20*time.Millisecond, c.next)
		return
	}
	id, below, err := c.session.Begin()
	if err != nil {
		w.after(20*time.Millisecond, c.next)
		return
	}
	m := &command{g: c.g, op: w.newID(), id: id, below: below, floor: c.g.floor}
	size := commandHeader + w.random.IntN(w.plan.body)
	if w.random.IntN(64) == 0 {
		size += w.random.IntN(8 << 10)
	}
	m.body = make([]byte, size)
	binary.LittleEndian.PutUint64(m.body, uint64(c.g.id))
	binary.LittleEndian.PutUint64(m.body[8:], m.op)
	c.g.commands[m.op] = m
	w.result.Commands++
	c.begin(m)
}

func (c *client) begin(m *command) {
	c.open++
	m.state = calling
	m.until = c.w.now + int64(time.Second) + c.w.about(8*time.Second)
	c.try(m)
}

// repeat takes up a command whose outcome is unknown, under the same id.
func (c *client) repeat() bool {
	i := c.w.random.IntN(len(c.held))
	m := c.held[i]
	c.held = append(c.held[:i], c.held[i+1:]...)
	below, ok := c.session.Resume(m.id)
	if !ok {
		if c.w.chance(50) {
			return false // it stays unknown
		}
		// What a client does that was told the id and nothing else.
		below = 1
	}
	m.below = below
	c.w.result.Counts["repeat"]++
	c.begin(m)
	return true
}

func (c *client) register() {
	w := c.w
	if c.registering {
		return
	}
	c.registering = true
	s, g := c.session, c.g
	over := false
	end := func() {
		if !over && c.session == s {
			c.registering = false
		}
		over = true
	}
	w.after(time.Second, end)
	c.call(g, c.target(), func(n *node, answer func(func())) {
		n.host.Register(g.id, func(session uint64, err error) {
			answer(func() {
				c.learn(err)
				if err == nil && !over && c.session == s && s.Session() == 0 {
					s.SetSession(session)
				}
				end()
			})
		})
	})
}

// target chooses whom to ask.
func (c *client) target() *node {
	w := c.w
	if w.chance(25) && !w.healing {
		// Whoever believes to lead, also one that is so no more.
		if all := w.leaders(c.g); len(all) > 0 {
			return all[w.random.IntN(len(all))]
		}
	}
	if n := w.byID[c.leader]; n != nil && !w.chance(5) {
		return n
	}
	if seats := c.g.seats; len(seats) > 0 && !w.chance(5) {
		return seats[w.random.IntN(len(seats))].node
	}
	return w.nodes[w.random.IntN(len(w.nodes))]
}

// call has something done on a node, whose answer may be lost as the call may. twice
// tells that it is done again later, whatever comes of it the first time.
func (c *client) call(g *replicated, n *node, do func(n *node, answer func(func()))) (twice bool) {
	w := c.w
	if w.net.loss > 0 && w.chance(w.net.loss) {
		return false
	}
	at := w.now + w.about(w.plan.latency)
	e := event{kind: eventDo, node: n, do: func() {
		boot, answered := n.boot, false
		n.owed++
		do(n, func(f func()) {
			if n.boot == boot {
				n.owed--
				if answered {
					w.violate(Once, "node %d: a call of group %d is answered twice", n.id, g.id)
				}
				answered = true
			}
			if n.boot != boot || !n.up || n.disk.dying || w.net.loss > 0 && w.chance(w.net.loss) {
				return
			}
			w.after(time.Duration(w.about(w.plan.latency)), f)
		})
		n.busy()
	}}
	w.queue.push(at, e)
	if w.has(Duplicate) && w.chance(10) {
		// As an attempt that the client gave up, and that comes after the next one.
		w.queue.push(at+w.about(300*time.Millisecond), e)
		return true
	}
	return false
}

// learn takes the hint of an error.
func (c *client) learn(err error) {
	if err == nil {
		return
	}
	c.leader = 0
	var to *group.NotLeaderError
	if errors.As(err, &to) {
		c.leader = to.Leader
	}
}

// try sends a command once more.
func (c *client) try(m *command) {
	w := c.w
	m.attempt++
	attempt, n := m.attempt, c.target()
	below := min(m.below, m.id.Sequence)
	if c.session.Session() == m.id.Session {
		below = max(below, c.session.Mark(m.id))
	}
	if c.call(m.g, n, func(n *node, answer func(func())) {
		n.host.Propose(m.g.id, group.Proposal{ID: m.id, AcknowledgeBelow: below, Body: m.body}, func(b []byte, err error) {
			answer(func() { c.answered(m, attempt, b, err) })
		})
	}) {
		m.unsure = true
	}
	patience := w.patience()
	if w.healing {
		// Members that apply a few commands a second are kept busy by attempts alone.
		patience += time.Duration(m.attempt) * 50 * time.Millisecond
	}
	w.after(patience, func() {
		if m.state == calling && m.attempt == attempt {
			m.unsure = true // it was sent, and nobody knows how far it came
			c.leader = 0
			c.again(m, 0)
		}
	})
}

// patience is how long a client waits for one answer.
func (w *world) patience() time.Duration {
	return 300*time.Millisecond + min(time.Duration(w.about(2*w.plan.config.ElectionTimeout)), 4*time.Second)
}

// again tries once more or gives up.
func (c *client) again(m *command, pause time.Duration) {
	w := c.w
	if w.now >= m.until && !w.healing || m.g.removed {
		c.give(m)
		return
	}
	m.attempt++ // what comes for the last one is late
	if pause == 0 {
		c.try(m)
		return
	}
	attempt := m.attempt
	w.after(pause, func() {
		if m.state == calling && m.attempt == attempt {
			c.try(m)
		}
	})
}

// give ends a call without an answer.
func (c *client) give(m *command) {
	if m.unsure {
		c.end(m, unknown)
		if c.session.Session() == m.id.Session {
			c.session.Retain(m.id)
			if len(c.held) < 16 {
				c.held = append(c.held, m)
			}
		}
		return
	}
	c.session.Done(m.id)
	c.end(m, refused)
}

func (c *client) end(m *command, state commandState) {
	w := c.w
	m.state = state
	c.open--
	switch state {
	case acknowledged:
		w.result.Acknowledged++
	case unknown:
		w.result.Unknown++
	case refused:
		w.result.Refused++
		if m.position != 0 {
			w.violate(Refused, "group %d: command %d (%v) is refused and was applied as number %d", m.g.id, m.op, m.id, m.position)
		}
	}
	c.later()
}

// answered takes the answer to an attempt.
func (c *client) answered(m *command, attempt int, b []byte, err error) {
	if m.state != calling {
		return
	}
	if err == nil {
		b, err = group.DecodeResult(b)
	}
	var machine *group.MachineError
	if errors.As(err, &machine) {
		b, err = []byte(machine.Text), nil
		if !refusedOp(m.op) {
			c.w.violate(Agreement, "group %d: command %d is answered with the error %q", m.g.id, m.op, machine.Text)
			return
		}
	}
	if err == nil {
		c.acknowledged(m, b)
		return
	}
	if m.attempt != attempt {
		if group.OutcomeOf(err) == group.Unknown {
			m.unsure = true
		}
		return
	}
	switch {
	case errors.Is(err, group.ErrSessionExpired):
		c.w.result.Counts["expired"]++
		c.session.Reset(m.id.Session)
		if m.unsure {
			c.end(m, unknown)
		} else {
			c.end(m, refused)
		}
		return
	case group.OutcomeOf(err) == group.Unknown:
		m.unsure = true
	}
	c.learn(err)
	pause := time.Duration(0)
	if c.leader == 0 {
		pause = 20*time.Millisecond + time.Duration(c.w.about(50*time.Millisecond))
	}
	c.again(m, max(pause, time.Millisecond))
}

func (c *client) acknowledged(m *command, b []byte) {
	w, g := c.w, m.g
	w.result.Checked++
	if len(b) != 8 {
		w.violate(Agreement, "group %d: command %d is answered with %d bytes", g.id, m.op, len(b))
		return
	}
	at := binary.LittleEndian.Uint64(b)
	if at == 0 || at > uint64(len(g.values)) || g.values[at-1].op != m.op {
		w.violate(Kept, "group %d: command %d (%v) is acknowledged as number %d, which it is not", g.id, m.op, m.id, at)
		return
	}
	if at <= m.floor {
		w.violate(Fresh, "group %d: command %d, begun after number %d was known, is number %d", g.id, m.op, m.floor, at)
	}
	g.floor = max(g.floor, at)
	c.session.Done(m.id)
	c.end(m, acknowledged)
}

// query is one linearizable read through all its attempts.
type query struct {
	g       *replicated
	floor   uint64
	until   int64
	attempt int
	done    bool
}

func (c *client) read(q *query) {
	w := c.w
	q.attempt++
	attempt := q.attempt
	again := func(pause time.Duration) {
		w.after(pause, func() {
			switch {
			case q.done || q.attempt != attempt:
			case w.now >= q.until && !w.healing || q.g.removed:
				q.done = true
				c.open--
				c.later()
			default:
				c.read(q)
			}
		})
	}
	w.after(w.patience(), func() {
		if !q.done && q.attempt == attempt {
			c.leader = 0 // it may be gone
			again(0)
		}
	})
	c.call(q.g, c.target(), func(n *node, answer func(func())) {
		n.host.Grant(q.g.id, func(grant group.ReadGrant, err error) {
			if err != nil {
				answer(func() {
					c.learn(err)
					again(20 * time.Millisecond)
				})
				return
			}
			// The query is computed elsewhere, and the process may stand still in between.
			pause := 100 * time.Microsecond
			if w.random.IntN(40) == 0 {
				pause = 6 * time.Second // it takes that long; its member may be replaced meanwhile
			}
			w.at(w.now+w.random.Int64N(int64(pause)), n, func() {
				b, err := n.host.QueryLocal(q.g.id, nil)
				w.at(w.now+w.about(50*time.Microsecond), n, func() {
					if err != nil || n.host.Expired(grant) {
						answer(func() { again(time.Millisecond) })
						return
					}
					if grant.LeaseUntil != 0 {
						w.result.Counts["lease reads"]++
					}
					answer(func() {
						if !q.done {
							q.done = true
							c.open--
							c.sees(q.g, q.floor, b)
							c.later()
						}
					})
				})
			})
		})
	})
}

// sees checks what a read returned against what was known before it began.
func (c *client) sees(g *replicated, floor uint64, b []byte) {
	w := c.w
	w.result.Checked++
	w.result.Reads++
	count, hash := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	switch {
	case count < floor:
		w.violate(Fresh, "group %d: a read sees %d commands, %d were known before it began", g.id, count, floor)
	case count > uint64(len(g.values)) || count > 0 && g.values[count-1].hash != hash:
		w.violate(Agreement, "group %d: a read sees %d commands in a state that never was", g.id, count)
	}
	g.floor = max(g.floor, count)
}

// followerRead asks the leader for an index and reads on another member.
func (c *client) followerRead(g *replicated, floor uint64) {
	w := c.w
	over := false
	end := func() {
		if !over {
			over = true
			c.open--
			c.later()
		}
	}
	w.after(2*time.Second, end)
	c.call(g, c.target(), func(n *node, answer func(func())) {
		if info, ok := n.host.Info(g.id); !ok || info.Role != consensus.Leader {
			answer(end)
			return
		}
		n.process.Go(func() {
			index, err := n.host.ReadIndex(noContext, g.id)
			answer(func() {
				if err != nil || over {
					end()
					return
				}
				c.leader = 0
				c.call(g, c.target(), func(n *node, answer func(func())) {
					n.process.Go(func() {
						b, err := n.host.QueryAt(noContext, g.id, index, nil)
						if err != nil {
							answer(end)
							return
						}
						answer(func() {
							if !over {
								w.result.Counts["follower reads"]++
								c.sees(g, floor, b)
							}
							end()
						})
					})
				})
			})
		})
	})
}
