package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// fleetGossip is the gossip of one life of a node: a view of the others that lags
// behind and errs. In rounds it looks which machines it can reach, over others too,
// and takes in what they say, now or later, newest or not. A run that lies lets it
// say of living nodes that they are dead and the other way round, go back to what a
// node said in an earlier life, and list nodes of other fleets.
type fleetGossip struct {
	m      *machine
	config gossip.Config
	self   gossip.Meta
	said   []gossip.Meta // all that this life said of itself, oldest first
	seen   map[ident.NodeID]*sight
	list   []gossip.Member // what Members returns; nil when something changed
	closed bool
}

// sight is what a node knows of another.
type sight struct {
	member gossip.Member
	boot   uint64 // the life of the other that it speaks of
	index  int    // of what that life said
	missed int    // rounds in which it was not heard
	lieEnd int64  // until when nothing true is learned of it
}

func newFleetGossip(m *machine, c gossip.Config) *fleetGossip {
	g := &fleetGossip{m: m, config: c, self: c.Meta, said: []gossip.Meta{c.Meta}, seen: make(map[ident.NodeID]*sight)}
	g.next(0)
	return g
}

func (g *fleetGossip) next(d time.Duration) {
	f, n := g.m.f, g.m.node
	f.at(f.now+int64(d), n, func() {
		if g.closed {
			return
		}
		g.round()
		g.next(g.m.f.plan.round/2 + time.Duration(f.random.Int64N(int64(f.plan.round))))
	})
}

// round looks at all others once.
func (g *fleetGossip) round() {
	f := g.m.f
	reach := f.reachedFrom(g.m)
	changed := false
	for _, o := range f.all {
		if o == g.m {
			continue
		}
		s := g.seen[o.node.id]
		heard := reach[o] && o.gossip != nil && !o.gossip.closed && !foreign(g.self.Fleet, o.gossip.self.Fleet)
		switch {
		case s != nil && s.lieEnd > f.now && !f.healing:
			continue
		case f.does(Lie) && s != nil && f.random.IntN(60) == 0:
			changed = g.lie(s, o) || changed
		case heard && f.chance(70):
			changed = g.hear(o) || changed
		case !heard && s != nil && s.member.Alive:
			if s.missed++; s.missed > 3 && f.chance(30) {
				g.lose(s)
				changed = true
			}
		}
	}
	if changed {
		g.changed()
	}
}

// reachedFrom lists the machines that a machine's gossip reaches, over others that
// run.
func (f *fleetRun) reachedFrom(m *machine) map[*machine]bool {
	reached := map[*machine]bool{m: true}
	for queue := []*machine{m}; len(queue) > 0; queue = queue[1:] {
		for _, o := range f.machines {
			if !reached[o] && o.node.up && o.gossip != nil && f.linked(queue[0].node, o.node) {
				reached[o] = true
				queue = append(queue, o)
			}
		}
	}
	return reached
}

// linked tells whether something passes between two nodes in both directions.
func (f *fleetRun) linked(a, b *node) bool {
	return f.net.cut[[2]ident.NodeID{a.id, b.id}] == 0 && f.net.cut[[2]ident.NodeID{b.id, a.id}] == 0 &&
		a.pausedUntil <= f.now && b.pausedUntil <= f.now
}

func foreign(ours, theirs ident.FleetID) bool { return ours != 0 && theirs != 0 && ours != theirs }

// hear takes in what a machine says, perhaps not the newest.
func (g *fleetGossip) hear(o *machine) bool {
	f, s := g.m.f, g.seen[o.node.id]
	if s == nil {
		s = &sight{}
		g.seen[o.node.id] = s
	}
	index := len(o.gossip.said) - 1
	if f.chance(30) && index > 0 {
		index-- // the rest comes later
	}
	boot := o.gossip.self.Boot // not the node's: it may not have begun to gossip in its new life
	if s.boot == boot {
		index = max(index, s.index)
	}
	s.missed = 0
	if s.member.Alive && s.boot == boot && s.index == index {
		return false
	}
	if !s.member.Alive {
		s.member.Since = g.m.node.process.Now()
	}
	s.boot, s.index = boot, index
	s.member.Meta, s.member.Addr = o.gossip.said[index], gossipAddr(o.node.place)
	s.member.Alive, s.member.Suspect, s.member.Left = true, false, false
	return true
}

func (g *fleetGossip) lose(s *sight) {
	s.member.Alive, s.member.Suspect, s.member.Since = false, false, g.m.node.process.Now()
	s.member.Left = s.member.State == gossip.StateLeaving
}

// lie has one node be mistaken about another for a while.
func (g *fleetGossip) lie(s *sight, o *machine) bool {
	f := g.m.f
	f.result.Counts["lie"]++
	s.lieEnd = f.now + f.about(4*time.Second)
	switch f.random.IntN(4) {
	case 0: // dead although it lives
		if s.member.Alive {
			g.lose(s)
		}
	case 1: // alive although it is dead, or nobody knows
		s.member.Alive, s.member.Suspect, s.member.Since = true, false, g.m.node.process.Now()
	case 2: // something that it said before
		if o.gossip != nil && len(o.gossip.said) > 0 {
			s.member.Meta, s.index = o.gossip.said[f.random.IntN(len(o.gossip.said))], -1 // until it is heard again
		}
	case 3:
		s.member.Suspect = s.member.Alive
		if g.self.Fleet != 0 {
			g.ghost()
		}
	}
	return true
}

// ghost lists a node of another fleet, which ought to have been refused.
func (g *fleetGossip) ghost() {
	f := g.m.f
	id := ident.NodeID(f.draw())
	g.seen[id] = &sight{member: gossip.Member{
		Meta: gossip.Meta{Fleet: g.self.Fleet + 1, Node: id, Boot: f.draw(), Name: "n0", Zone: "z0", Wire: wireAddr(f.random.IntN(200)), State: gossip.StateActive},
		Addr: gossipAddr(199), Alive: true, Since: g.m.node.process.Now(),
	}}
	f.at(f.now+f.random.Int64N(int64(10*time.Second)), g.m.node, func() {
		delete(g.seen, id)
		g.changed()
	})
}

func (g *fleetGossip) changed() {
	g.list = nil
	if g.config.OnChange != nil && !g.closed {
		g.config.OnChange()
	}
	g.m.node.busy()
}

// Addr and the others implement assemble.Gossip.
func (g *fleetGossip) Addr() string                  { return gossipAddr(g.m.node.place) }
func (g *fleetGossip) Self() gossip.Meta             { return g.self }
func (g *fleetGossip) Strangers() []gossip.Stranger  { return nil }
func (g *fleetGossip) Unreached() []gossip.Unreached { return nil }

// Members implements assemble.Gossip.
func (g *fleetGossip) Members() []gossip.Member {
	if g.list == nil {
		g.list = append(g.list, gossip.Member{Meta: g.self, Addr: g.Addr(), Alive: true})
		for _, s := range g.seen {
			if s.member.Node != 0 {
				g.list = append(g.list, s.member)
			}
		}
		slices.SortFunc(g.list, func(a, b gossip.Member) int { return cmp.Compare(a.Node, b.Node) })
	}
	return g.list
}

// Member implements assemble.Gossip.
func (g *fleetGossip) Member(id ident.NodeID) (gossip.Member, bool) {
	i, ok := slices.BinarySearchFunc(g.Members(), id, func(m gossip.Member, id ident.NodeID) int { return cmp.Compare(m.Node, id) })
	if !ok {
		return gossip.Member{}, false
	}
	return g.list[i], true
}

// UpdateMeta implements assemble.Gossip.
func (g *fleetGossip) UpdateMeta(change func(*gossip.Meta)) error {
	if g.closed {
		return gossip.ErrClosed
	}
	before := g.self.Fleet
	change(&g.self)
	g.said = append(g.said, g.self)
	if g.self.Fleet != before {
		for id, s := range g.seen {
			if foreign(g.self.Fleet, s.member.Fleet) {
				delete(g.seen, id)
			}
		}
	}
	g.changed()
	return nil
}

// Forget implements assemble.Gossip.
func (g *fleetGossip) Forget(id ident.NodeID) bool {
	if s := g.seen[id]; s != nil && s.member.Alive {
		return false
	}
	delete(g.seen, id)
	g.changed()
	return true
}

// Join implements assemble.Gossip.
func (g *fleetGossip) Join(ctx context.Context, addrs []string) (int, error) {
	f := g.m.f
	if err := exec.Sleep(ctx, g.m.node.process, time.Duration(f.about(f.plan.latency))); err != nil {
		return 0, err
	}
	joined := 0
	for _, a := range addrs {
		if o := f.machineAt(a); o != nil && o != g.m && o.node.up && o.gossip != nil && f.linked(g.m.node, o.node) {
			joined++
			g.hear(o)
		}
	}
	if joined == 0 {
		return 0, fmt.Errorf("%w: %w", gossip.ErrJoin, errors.New("nobody is there"))
	}
	g.changed()
	return joined, nil
}

// Leave implements assemble.Gossip.
func (g *fleetGossip) Leave(time.Duration) error {
	return g.UpdateMeta(func(m *gossip.Meta) { m.State = gossip.StateLeaving })
}

// Close implements assemble.Gossip.
func (g *fleetGossip) Close() error {
	g.closed = true
	return nil
}
