package gossip

import (
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// delegate is what memberlist calls. It calls most of it with its own lock held, so
// nothing here may call memberlist, block, or hold Gossip.mu while it logs.
type delegate struct{ g *Gossip }

var (
	_ memberlist.Delegate      = delegate{}
	_ memberlist.EventDelegate = delegate{}
	_ memberlist.AliveDelegate = delegate{}
	_ memberlist.MergeDelegate = delegate{}
	_ memberlist.PingDelegate  = delegate{}
)

// NodeMeta is what we say of ourselves.
func (d delegate) NodeMeta(int) []byte {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.encoded
}

// NotifyAlive refuses whoever is no node of our fleet. It is asked about every word
// of a living process that arrives, also stale ones.
func (d delegate) NotifyAlive(n *memberlist.Node) error {
	_, meta, err := d.read(n)
	if err != nil {
		return err
	}
	g := d.g
	g.mu.Lock()
	ours := g.meta.Fleet
	refused := foreign(ours, meta.Fleet)
	if refused {
		g.estrange(n.Name)
	} else if meta.State == StateLeaving && g.table.leaving(n.Name) {
		g.changed()
	}
	g.mu.Unlock()
	if refused {
		return d.refuse(n, meta)
	}
	return nil
}

// NotifyMerge refuses to join, or to be joined by, a node of another fleet before
// anything is merged. A fresh node may have met nodes of several fleets and passes
// them all on: those are refused one by one by NotifyAlive, not the fresh node.
func (d delegate) NotifyMerge(peers []*memberlist.Node) error {
	g := d.g
	var refused error
	friends := 0
	for _, n := range peers {
		_, meta, err := d.read(n)
		if err != nil {
			refused = err
			continue
		}
		living := n.State == memberlist.StateAlive || n.State == memberlist.StateSuspect
		g.mu.Lock()
		if !living && meta.State == StateLeaving && g.table.leaving(n.Name) {
			g.changed()
		}
		strange := living && foreign(g.meta.Fleet, meta.Fleet)
		dialled := g.joining[n.Address()] > 0
		self := n.Name == g.name
		if strange {
			g.estrange(n.Name)
		}
		g.mu.Unlock()
		switch {
		case strange:
			refused = d.refuse(n, meta)
			if dialled {
				return refused
			}
		case living && !self:
			friends++
		}
	}
	if friends > 0 {
		return nil
	}
	return refused
}

// estrange takes a process off the list that turned out to be of another fleet: it
// was known from before it was in one. Since estranged processes are told nothing
// any more, some learn that they are only when they think us dead and look for us.
// It is called with g.mu held.
func (g *Gossip) estrange(name string) {
	p := g.table.byName[name]
	if p == nil || p.foreign {
		return
	}
	if g.table.estrange(p) {
		g.transport.block(name)
	}
	g.changed()
}

func (d delegate) refuse(n *memberlist.Node, meta Meta) error {
	g := d.g
	ours := g.Self().Fleet
	g.trouble.refused(n.Address(), meta)
	if g.refusals.due(n.Address()) {
		g.logger.Warn("refused a node of another fleet: check join addresses and keys",
			"node", meta.Node.String(), "name", meta.Name, "addr", n.Address(),
			"fleet", meta.Fleet.String(), "own_fleet", ours.String())
	}
	return fmt.Errorf("%w: %s is in fleet %s, this node in %s", ErrForeignFleet, n.Address(), meta.Fleet, ours)
}

// read takes apart what another process says of itself.
func (d delegate) read(n *memberlist.Node) (started uint64, meta Meta, err error) {
	meta, err = decodeMeta(n.Meta)
	if err == nil {
		var node ident.NodeID
		node, started, err = parseProcessName(n.Name)
		if err == nil && node != meta.Node {
			err = fmt.Errorf("%w: %q says it is node %s", ErrMeta, n.Name, meta.Node)
		}
	}
	if err != nil {
		if d.g.refusals.due(n.Address()) {
			d.g.logger.Warn("refused something that gossips and is no node of this release",
				"addr", n.Address(), "name", n.Name, "reason", err.Error())
		}
		return 0, Meta{}, err
	}
	return started, meta, nil
}

// NotifyJoin: a process is alive that was unknown or dead.
func (d delegate) NotifyJoin(n *memberlist.Node) { d.alive(n) }

// NotifyUpdate: a living process says something new.
func (d delegate) NotifyUpdate(n *memberlist.Node) { d.alive(n) }

func (d delegate) alive(n *memberlist.Node) {
	started, meta, err := d.read(n)
	if err != nil {
		return // cannot be: NotifyAlive read the same and refused it
	}
	g := d.g
	g.mu.Lock()
	g.table.join(n.Name, started, meta, n.Address(), time.Now())
	g.changed()
	twin := meta.Node == g.meta.Node && started > g.started
	g.mu.Unlock()
	if twin && g.refusals.due(n.Address()) {
		g.logger.Error("another process runs as this node: two copies of one data folder? stop one and wipe its folder",
			"node", meta.Node.String(), "addr", n.Address())
	}
}

// NotifyLeave: a process is dead, or left.
func (d delegate) NotifyLeave(n *memberlist.Node) {
	g := d.g
	g.mu.Lock()
	defer g.mu.Unlock()
	g.transport.unblock(n.Name)
	g.table.leave(n.Name, time.Now())
	g.changed()
}

// NotifyPingComplete: a process answered our probe.
func (d delegate) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	d.suspect(n.Name, false)
}

func (d delegate) suspect(name string, is bool) {
	g := d.g
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.table.byName[name]
	if p == nil || !p.member.Alive || p.member.Suspect == is {
		return
	}
	p.member.Suspect = is
	g.changed()
}

// Nothing else travels with gossip.

func (delegate) AckPayload() []byte                { return nil }
func (delegate) NotifyMsg([]byte)                  {}
func (delegate) GetBroadcasts(int, int) [][]byte   { return nil }
func (delegate) LocalState(bool) []byte            { return nil }
func (delegate) MergeRemoteState(_ []byte, _ bool) {}
