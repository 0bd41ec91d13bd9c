package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/assemble"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/store"
	"github.com/raftfleet/raftfleet/internal/wal"
	"github.com/raftfleet/raftfleet/internal/wire"
)

// machine is a node's place in a fleet: what its program is told, and in each life
// the parts that it is made of.
type machine struct {
	f          *fleetRun
	node       *node
	name, zone string
	identity   ident.FleetID // as the disk has it
	inactive   bool          // it was drained and is to stay so

	// of this life
	api    *fleet.Node // nil while it opens
	wire   *fleetWire
	gossip *fleetGossip
	ending bool // it is being closed in order
	begun  []*errand
}

func (f *fleetRun) newMachine(n *node) *machine {
	m := &machine{f: f, node: n, name: fmt.Sprintf("n%d", n.place), zone: fmt.Sprintf("z%d", n.place%f.plan.zones)}
	f.machines[n.place] = m
	f.all = append(f.all, m)
	return m
}

func (m *machine) serves() bool {
	n := m.node
	return n.up && !n.disk.dying && m.api != nil && !m.ending && n.pausedUntil <= m.f.now
}

// Addresses are those of the place: another node may answer there one day.
func wireAddr(place int) string   { return fmt.Sprintf("10.0.0.%d:7000", place+1) }
func gossipAddr(place int) string { return fmt.Sprintf("10.0.0.%d:7946", place+1) }

func (f *fleetRun) machineAt(addr string) *machine {
	for _, m := range f.machines {
		if wireAddr(m.node.place) == addr || gossipAddr(m.node.place) == addr {
			return m
		}
	}
	return nil
}

// config is what the program is told. With no founders the first place founds; it
// is told so only for its first disk, as an operator would.
func (m *machine) config() fleet.Config {
	p := &m.f.plan
	c := fleet.Config{
		InMemory: true, Name: m.name, Types: m.f.types(m.node), Founders: p.founders, Weight: 1,
		Defaults: p.config, CallTimeout: p.callTimeout, PurgeAfter: p.purgeAfter, Settle: p.settle, RejoinInterval: p.round,
		Logger: slog.New(slog.DiscardHandler),
	}
	if p.Log != nil {
		c.Logger = slog.New(logTo{m.f, slog.NewTextHandler(p.Log, &slog.HandlerOptions{Level: slog.LevelDebug})})
	}
	first := p.founders == 0 && m.f.all[0] == m
	if m != m.f.all[m.node.place] {
		c.Founders = 0 // an empty disk in the place of one that was lost joins
	}
	if !first {
		for i := range p.Size.Nodes {
			if i != m.node.place {
				c.Join = append(c.Join, gossipAddr(i))
			}
		}
	}
	return c
}

// begin opens the node in a life of its machine.
func (f *fleetRun) begin(n *node) error {
	m := f.machineOf(n)
	m.api, m.wire, m.gossip, m.ending = nil, nil, nil, false
	p := n.process
	p.Go(func() {
		api, err := fleet.Open(assemble.With(context.Background(), m.parts(p)), m.config())
		if p.ended || n.disk.dying {
			return
		}
		if err != nil {
			if !n.disk.excuses(err) {
				f.violate(Starts, "node %d cannot start: %v", n.id, err)
			}
			n.disk.dying = true
			return
		}
		m.api = api
		f.logf("node %d has opened", n.id)
		if !m.inactive {
			m.activate(p, api)
		}
	})
	return nil
}

// activate does as fleetd does: it tries until it is done.
func (m *machine) activate(x exec.Exec, api *fleet.Node) {
	for {
		ctx, cancel := exec.WithTimeout(context.Background(), x, 20*time.Second)
		err := api.Activate(ctx, m.zone)
		cancel()
		m.f.logf("node %d activates: %v", m.node.id, err)
		if err == nil || errors.Is(err, fleet.ErrClosed) || m.inactive {
			return
		}
		m.f.result.Counts["not activated yet"]++
		_ = exec.Sleep(context.Background(), x, time.Second)
	}
}

func (m *machine) parts(p *process) assemble.Parts {
	f, n := m.f, m.node
	return assemble.Parts{
		Exec: p, Rand: f.random.IntN, ID: f.draw,
		Storage: func() (store.Store, *wal.Log, error) {
			kept := &fleetStorage{n.disk.store, m}
			log, err := n.openLog(kept)
			if !p.ended && !n.disk.dying {
				f.opened(n, err)
			}
			return kept, log, err
		},
		Wire: func(c wire.Config) (assemble.Wire, error) {
			m.wire = newFleetWire(m, c)
			return m.wire, nil
		},
		Host: func(c group.HostConfig) (*group.Host, error) {
			told := c.OnChange
			c.OnChange = func(i group.Info) {
				m.changed(i)
				told(i)
			}
			broken := c.OnBroken
			c.OnBroken = func(err error) {
				broken(err)
				n.broken(err)
			}
			for i, t := range c.Types {
				c.Types[i] = f.record.watch(n, t)
			}
			c.Tick, c.Lanes, c.ApplyWorkers, c.Exec, c.Rand, c.Manual = tick, f.plan.lanes, 1, p, f.random.IntN, true
			h, err := group.NewHost(c)
			n.host = h
			n.busy()
			return h, err
		},
		Gossip: func(c gossip.Config) (assemble.Gossip, error) {
			m.gossip = newFleetGossip(m, c)
			return m.gossip, nil
		},
	}
}

// changed is told of every change of a member.
func (m *machine) changed(i group.Info) {
	n := m.node
	if i.Role == consensus.Leader && i.Failed == nil && !n.disk.dying {
		if g := m.f.groupOf(i.Group); g != nil {
			g.leads(n, i.Member, i.Term)
		}
	}
	if i.Failed != nil && !n.disk.excusesMember(i.Failed) {
		m.f.violate(Starts, "node %d: member %d of group %d failed: %v", n.id, i.Member, i.Group, i.Failed)
	}
}

// errand is something that is done through a node; it is over when it is done or
// when the process ends, and then over is called.
type errand struct {
	ended bool
	over  func()
}

func (e *errand) end() {
	if !e.ended {
		e.ended = true
		e.over()
	}
}

// run does something in the process of a machine. What was not begun when the
// process ends is over too.
func (m *machine) run(do func(p *process, api *fleet.Node), over func()) {
	e := &errand{over: over}
	m.begun = append(m.begun, e)
	p, api := m.node.process, m.api
	p.Go(func() {
		defer e.end()
		do(p, api)
	})
	if len(m.begun) > 64 {
		m.begun = slices.DeleteFunc(m.begun, func(e *errand) bool { return e.ended })
	}
}

// fell is told of the end of a node's process.
func (f *fleetRun) fell(n *node) {
	m := f.machineOf(n)
	begun := m.begun
	m.begun = nil
	for _, e := range begun {
		e.end()
	}
}

// close ends the process in order; it starts again after a while.
func (m *machine) close() {
	n, p, api := m.node, m.node.process, m.api
	m.ending, n.disk.closing = true, true // it is patient: a sync under way ends first, and no other one hangs
	p.Go(func() {
		if !p.wait(func() bool { return !n.inTurn }) {
			return
		}
		err := api.Close()
		m.f.logf("node %d closed: %v", n.id, err)
		n.disk.dying = true
	})
}

// logTo writes what a node logs between what happens.
type logTo struct {
	f *fleetRun
	slog.Handler
}

func (l logTo) Handle(ctx context.Context, r slog.Record) error {
	l.f.logf("%s", "log:")
	return l.Handler.Handle(ctx, r)
}

func (l logTo) WithAttrs(a []slog.Attr) slog.Handler { return logTo{l.f, l.Handler.WithAttrs(a)} }
func (l logTo) WithGroup(g string) slog.Handler      { return logTo{l.f, l.Handler.WithGroup(g)} }
