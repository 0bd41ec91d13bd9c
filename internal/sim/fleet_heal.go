package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// healFleet ends all faults and acts and waits for everything to be well: all nodes
// active, every call ended, every group with the members that the catalogue wants,
// one catalogue, nothing left over.
func (f *fleetRun) healFleet() {
	f.endFaults()
	f.idleUntil = 0
	for _, m := range f.machines {
		m.inactive, m.node.away = false, false
		if m.node.up && (m.node.disk.failed || m.node.disk.damaged) {
			m.node.fall() // an operator restarts what told of a failing or damaged disk
		}
		if !m.node.up {
			m.node.start()
		}
	}
	f.keepActive()
	f.forgetLost()
	f.finishRemovals()
	f.resumeBalance()
	limit := 60*time.Second + 3*f.plan.purgeAfter + 10*f.plan.settle
	if !f.runUntil(f.now+int64(limit), f.allGood) && f.failure == nil {
		bad, of := f.whatIsBad()
		f.unhealed("%s; %s; %s", bad, f.describe(of), f.describe(f.groupOf(ident.Catalogue)))
		return
	}
	if f.failure == nil {
		f.checkWell()
	}
}

// keepActive has every node that serves be activated, as its program or an operator
// would who sees that it is not.
func (f *fleetRun) keepActive() {
	for _, m := range f.machines {
		if state, ok := f.stateOf(m.node.id); m.serves() && (!ok || state != placement.Active) {
			m.node.process.Go(func() { m.activate(m.node.process, m.api) })
			m.node.busy()
		}
	}
	f.after(10*time.Second, f.keepActive)
}

// forgetLost has an operator forget the nodes whose disks are lost.
func (f *fleetRun) forgetLost() {
	for _, of := range f.all {
		m := f.anyServing()
		if _, known := f.stateOf(of.node.id); of.node.gone && known && m != nil {
			f.forgetMachine(m, of, true)
		}
	}
	f.after(5*time.Second, f.forgetLost)
}

// finishRemovals has an operator repeat the removals that did not come to an end: what
// they closed takes no commands. Groups that were placed on nodes already lost, and so
// never began, are removed as well.
func (f *fleetRun) finishRemovals() {
	for _, n := range f.names {
		if g := f.groupOf(n.group); g != nil && (g.neverBegan() || g.wasAlone()) {
			n.half = n.group
		}
		if m := f.anyServing(); m != nil && n.half != 0 && n.half == n.group {
			f.act(m, func(ctx context.Context, api *fleet.Node) {
				f.logf("finish the removal of %s: %v", n.text, api.RemoveConsensusGroup(ctx, n.text))
			}, func() {})
		}
	}
	f.after(10*time.Second, f.finishRemovals)
}

// neverBegan tells whether a group committed nothing and most of its first members are
// on lost disks.
func (g *replicated) neverBegan() bool {
	lost := 0
	for _, p := range g.first {
		if g.w.byID[p.Node].gone {
			lost++
		}
	}
	return g.committed == 1 && 2*lost >= len(g.first)
}

// wasAlone tells whether the only voter of a group is on a lost disk: it was added while
// that disk was damaged and nobody knew.
func (g *replicated) wasAlone() bool {
	voters := g.configs[len(g.configs)-1].config.Voters
	return len(voters) == 1 && g.w.byID[ident.NodeID(voters[0].Node)].gone
}

func (f *fleetRun) stateOf(id ident.NodeID) (placement.State, bool) {
	n, ok := f.record.machine.Node(id)
	return n.State, ok
}

func (f *fleetRun) allGood() bool {
	if f.result.Steps%256 != 0 {
		return false // it is not cheap to ask
	}
	bad, _ := f.whatIsBad()
	return bad == ""
}

// whatIsBad says the first thing that is not as it should be, and in which group.
func (f *fleetRun) whatIsBad() (bad string, of *replicated) {
	for _, m := range f.machines {
		state, known := f.stateOf(m.node.id)
		switch {
		case !m.serves():
			return fmt.Sprintf("node %d does not serve", m.node.id), nil
		case m.node.inTurn:
			return fmt.Sprintf("the disk of node %d hangs", m.node.id), nil
		case !known || state != placement.Active:
			return fmt.Sprintf("node %d is %v, listed=%v", m.node.id, state, known), nil
		}
	}
	for _, n := range f.record.machine.Nodes() {
		if m := f.machineWith(n.ID); m == nil || m.node.gone {
			return fmt.Sprintf("node %d is listed as %v, it is gone", n.ID, n.State), nil
		}
	}
	for _, n := range f.names {
		if n.half != 0 && n.half == n.group {
			return fmt.Sprintf("the removal of %s is not repeated yet", n.text), f.groupOf(n.group)
		}
	}
	if held := f.isHeldBack(); held != "" {
		return held, nil
	}
	if f.open != 0 {
		return fmt.Sprintf("%d calls are not answered", f.open), nil
	}
	for _, g := range f.record.machine.Groups("", 0) {
		if bad := f.whatIsBadIn(g); bad != "" {
			return fmt.Sprintf("group %d (%s): %s", g.ID, g.Name, bad), f.groupOf(g.ID)
		}
	}
	catalogue := f.groupOf(ident.Catalogue)
	for _, m := range f.machines {
		for _, info := range m.node.host.Infos() {
			if !f.belongs(m, info.Group, info.Member) {
				return fmt.Sprintf("node %d has member %d of group %d left over", m.node.id, info.Member, info.Group), nil
			}
		}
		for k := range m.node.disk.durable {
			if !f.belongs(m, ident.GroupID(k.Group), ident.MemberID(k.ID)) {
				return fmt.Sprintf("node %d has the log of member %d of group %d left over", m.node.id, k.ID, k.Group), nil
			}
		}
		if index, _, err := m.node.host.Applied(ident.Catalogue); err != nil || index < catalogue.committed {
			return fmt.Sprintf("node %d has %d of %d entries of the catalogue: %v", m.node.id, index, catalogue.committed, err), nil
		}
	}
	return "", nil
}

// describe says who takes part in a group, and how far each is.
func (f *fleetRun) describe(g *replicated) string {
	if g == nil {
		return "nothing else is known"
	}
	s := fmt.Sprintf("group %d: committed %d, %v; on disks:", g.id, g.committed, g.configs[len(g.configs)-1].config)
	for _, l := range g.logs {
		s += " " + l.describe()
	}
	for _, m := range f.machines {
		if m.node.host == nil {
			continue
		}
		if info, ok := m.node.host.Info(g.id); ok {
			index, _, _ := m.node.host.Applied(g.id)
			s += fmt.Sprintf("; node %d: member %d, %v of term %d, leader %d, applied %d, asleep=%v, failed=%v", m.node.id, info.Member, info.Role, info.Term, info.Leader, index, info.Asleep, info.Failed)
		}
	}
	return s
}

func (f *fleetRun) machineWith(id ident.NodeID) *machine {
	for _, m := range f.all {
		if m.node.id == id {
			return m
		}
	}
	return nil
}

func placed(g *catalogue.Group, n ident.NodeID, id ident.MemberID) bool {
	m, ok := g.MemberOn(n)
	return ok && m.ID == id
}

func (f *fleetRun) whatIsBadIn(g *catalogue.Group) string {
	r := f.groupOf(g.ID)
	want := min(g.Replicas, len(f.machines))
	switch {
	case g.Settled != g.Epoch:
		return fmt.Sprintf("its target of epoch %d is not reached, epoch %d is: target %v, configured %v", g.Epoch, g.Settled, g.Target, g.Configured)
	case len(g.Configured) != want || len(g.Target) != want:
		return fmt.Sprintf("it has %d members and %d targets, %d are wanted", len(g.Configured), len(g.Target), want)
	case r.leader() == nil:
		return "nobody leads it"
	}
	config := &r.configs[len(r.configs)-1].config
	// That of a group of one may be committed without anybody having been told.
	if info, _ := r.leader().host.Info(g.ID); r.logOf(info.Member) != nil {
		if own := r.logOf(info.Member).configs; len(own) > 0 {
			config = &own[len(own)-1].config
		}
	}
	if config.Joint() || len(config.Voters) != want {
		return fmt.Sprintf("its configuration is %v", config)
	}
	for _, member := range g.Configured {
		m := f.machineWith(member.Node)
		if !m.serves() {
			return fmt.Sprintf("node %d of member %d does not serve", member.Node, member.ID)
		}
		info, ok := m.node.host.Info(g.ID)
		switch {
		case !ok || info.Member != member.ID:
			return fmt.Sprintf("node %d has no member %d", member.Node, member.ID)
		case info.Failed != nil:
			return fmt.Sprintf("node %d: member %d failed: %v", member.Node, member.ID, info.Failed)
		}
		if index, _, err := m.node.host.Applied(g.ID); err != nil || index < r.committed {
			return fmt.Sprintf("node %d has applied %d of %d: %v", member.Node, index, r.committed, err)
		}
	}
	return ""
}
