package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// checkWell looks at what only shows when everything is well: what is left on disks
// and in memory, that every group can be called through every node, and what the
// nodes say of themselves.
func (f *fleetRun) checkWell() {
	f.checkLeftovers()
	f.checkBounds()
	f.callEverything()
	f.recoverNothing()
	f.askWhenWell()
	f.askForProblems()
}

// callEverything gives every group one command and one query through each node; all
// must be answered.
func (f *fleetRun) callEverything() {
	const patience = 15 * time.Second
	left, wrong := 0, ""
	for _, g := range f.record.machine.Groups("", 0) {
		n := f.nameOf(g.Name)
		for _, m := range f.machines {
			left++
			c := &call{then: func() {}, op: f.newID(), name: n, began: f.now, of: n.lineage, floor: n.lineage.floor}
			c.body = binary.LittleEndian.AppendUint64(nil, c.op)
			f.ops[c.op] = c
			f.open++
			m.run(func(p *process, api *fleet.Node) {
				ctx, cancel := exec.WithTimeout(context.Background(), p, patience)
				defer cancel()
				b, err := api.Command(ctx, n.text, c.body)
				f.answered(c, b, err)
				if c.state != acknowledged {
					wrong = fmt.Sprintf("a command for %s through node %d: %v; %s", n.text, m.node.id, err, f.describe(f.groupOf(n.group)))
				}
				if _, err := api.Query(ctx, n.text, nil); err != nil {
					wrong = fmt.Sprintf("a query of %s through node %d: %v; %s", n.text, m.node.id, err, f.describe(f.groupOf(n.group)))
				}
			}, func() { left-- })
			m.node.busy()
		}
	}
	if !f.runUntil(f.now+int64(2*patience), func() bool { return left == 0 }) && left > 0 {
		f.unhealed("%d calls through nodes that are well are not answered", left)
	}
	if wrong != "" {
		f.unhealed("%s", wrong)
	}
}

// recoverNothing has an operator recover groups that have a quorum: that is refused.
func (f *fleetRun) recoverNothing() {
	left, m := 0, f.machines[f.random.IntN(len(f.machines))]
	for _, g := range f.record.machine.Groups("", 0) {
		left++
		f.act(m, func(ctx context.Context, api *fleet.Node) {
			confirm := g.Name
			if f.chance(20) {
				confirm = "something else"
			}
			if err := api.Recover(ctx, g.Name, confirm); !errors.Is(err, fleet.ErrRefused) {
				f.unhealed("group %s, which has a quorum, is recovered: %v", g.Name, err)
			}
		}, func() { left-- })
		m.node.busy()
	}
	if !f.runUntil(f.now+int64(15*time.Second), func() bool { return left == 0 }) && left > 0 {
		f.unhealed("%d recoveries are neither done nor refused", left)
	}
}

// askForProblems asks every node how the fleet is. When all is well each comes to say
// so; what a fleet has too few nodes or zones for it may tell.
func (f *fleetRun) askForProblems() {
	for range 20 {
		left, wrong := 0, ""
		for _, m := range f.machines {
			left++
			m.run(func(p *process, api *fleet.Node) {
				ctx, cancel := exec.WithTimeout(context.Background(), p, 5*time.Second)
				defer cancel()
				s, err := api.Status(ctx)
				switch {
				case err != nil:
					wrong = err.Error()
				case s.MovesInFlight != 0 || s.GroupsWithoutLeader != 0 || len(s.Nodes) != len(f.machines):
					wrong = fmt.Sprintf("%d nodes, %d moves, %d groups without a leader", len(s.Nodes), s.MovesInFlight, s.GroupsWithoutLeader)
				}
				for _, problem := range s.Problems {
					if problem.Kind != "infeasible" && (problem.Kind != "too_few_members" || len(f.machines) >= mostReplicas) {
						wrong = fmt.Sprintf("%s %s: %s", problem.Kind, problem.Thing, problem.Reason)
					}
				}
				if wrong != "" && !strings.HasPrefix(wrong, "node ") {
					wrong = fmt.Sprintf("node %d tells: %s", m.node.id, wrong)
				}
			}, func() { left-- })
			m.node.busy()
		}
		f.runUntil(f.now+int64(6*time.Second), func() bool { return left == 0 })
		switch {
		case f.failure != nil || wrong == "" && left == 0:
			return
		case left > 0:
			wrong = fmt.Sprintf("%d nodes do not tell how the fleet is", left)
		}
		f.problem = wrong
		f.runUntil(f.now+int64(time.Second), func() bool { return false })
	}
	f.unhealed("all is well, and %s", f.problem)
}

// checkLeftovers looks at the disks, and at what waits in the processes.
func (f *fleetRun) checkLeftovers() {
	for _, m := range f.machines {
		records, err := m.node.disk.store.Store.Members()
		if err != nil {
			f.violate(Heals, "node %d: %v", m.node.id, err)
		}
		for _, r := range records {
			if !f.belongs(m, r.Key.Group, r.Key.Member) {
				f.violate(Heals, "node %d has a record of member %d of group %d left over", m.node.id, r.Key.Member, r.Key.Group)
			}
		}
		if waits := len(m.node.process.parked); waits > mostWaiting {
			f.violate(Bounded, "node %d: %d pieces of work wait when nothing is to be done", m.node.id, waits)
		}
		if m.wire.open > len(f.machines)*4 {
			f.violate(Bounded, "node %d has %d calls under way when nothing is to be done", m.node.id, m.wire.open)
		}
	}
	for op, c := range f.ops {
		if c.state == acknowledged && c.position == 0 {
			f.violate(Kept, "command %d was acknowledged and never applied", op)
		}
	}
}

// belongs tells whether a node is to have a member.
func (f *fleetRun) belongs(m *machine, id ident.GroupID, member ident.MemberID) bool {
	g, ok := f.record.machine.GroupByID(id)
	return id == ident.Catalogue || ok && placed(g, m.node.id, member)
}

// mostWaiting is far more pieces of work than a node has that only watches.
const mostWaiting = 200
