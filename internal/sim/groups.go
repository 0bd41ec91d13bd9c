package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// noContext is for calls that nobody gives up: they end with the process.
var noContext = context.Background()

// The run itself stands for the catalogue: it knows which groups there are and who
// should be their members, and tells the nodes, sooner or later.

// addGroup makes a group with members on some nodes.
func (w *world) addGroup(name string, members int) *replicated {
	g := newReplicated(w, ident.GroupID(w.newID()), name)
	g.ordinal = len(w.groups)
	var config consensus.Configuration
	for _, n := range w.someNodes(members) {
		s := g.seatFor(n, true)
		g.first = append(g.first, group.Peer{Member: s.member, Node: n.id})
		config.Voters = append(config.Voters, consensus.Member{ID: consensus.MemberID(s.member), Node: uint64(n.id)})
	}
	g.begin(config)
	w.groups = append(w.groups, g)
	for _, s := range g.seats {
		w.tell(s.node)
	}
	w.drive(g)
	return g
}

func newReplicated(w *world, id ident.GroupID, name string) *replicated {
	return &replicated{
		w: w, id: id, name: name, leaders: make(map[uint64]ident.MemberID), votes: make(map[vote]uint64),
		snapshots: make(map[uint64]uint64), commands: make(map[uint64]*command),
	}
}

// begin is where all members start: one committed entry, which stands for the
// configuration.
func (g *replicated) begin(config consensus.Configuration) {
	g.committed, g.entries, g.knownIn = 1, []logEntry{{1, uint64(g.id)}}, []uint64{0}
	g.configs = []configEntry{{1, config}}
}

func (w *world) someNodes(count int) []*node {
	some := slices.Clone(w.nodes)
	w.random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:min(count, len(some))]
}

func (g *replicated) seatFor(n *node, voter bool) *seat {
	for _, s := range g.seats {
		if s.node == n && !s.removed {
			s.wanted, s.voter = true, voter
			return s
		}
	}
	g.anotherOn(n)
	g.nextID++
	s := &seat{member: g.nextID, node: n, voter: voter, wanted: true}
	g.seats = append(g.seats, s)
	return s
}

// anotherOn takes note of a node that may come to have another member than before.
func (g *replicated) anotherOn(n *node) {
	g.w.readded = g.w.readded || slices.ContainsFunc(g.seats, func(s *seat) bool { return s.node == n })
}

// tell lets a node hear soon of what it should have.
func (w *world) tell(n *node) {
	w.queue.push(w.now+w.about(50*time.Millisecond), event{kind: eventDo, node: n, do: n.reconcile})
}

// reconcile starts the members that the node should have and deletes those that it
// should not have any more.
func (n *node) reconcile() {
	w := n.w
	for _, g := range w.groups {
		var have ident.MemberID
		if info, ok := n.host.Info(g.id); ok {
			have = info.Member
		}
		var want *seat
		for _, s := range g.seats {
			if s.node == n && !s.removed {
				want = s
			}
		}
		if have != 0 && (want == nil || want.member != have) {
			if err := n.host.Destroy(g.id); err != nil {
				w.after(300*time.Millisecond, func() { w.tell(n) })
				continue
			}
			have = 0
		}
		if want != nil && have == 0 {
			spec := group.Spec{
				Group: g.id, Member: want.member, Name: g.name, Type: typeName(g.ordinal),
				Config: w.plan.config.Encode(), First: g.first,
			}
			if err := n.host.Start(spec); err != nil {
				w.after(300*time.Millisecond, func() { w.tell(n) })
			}
		}
		if n.disk.dying {
			return
		}
	}
	n.busy()
}

// gaveUp tells whether a member was to be deleted.
func (g *replicated) gaveUp(id ident.MemberID) bool {
	for _, s := range g.seats {
		if s.member == id {
			return s.removed
		}
	}
	return false
}

// changed is told of every change of a member's role.
func (n *node) changed(i group.Info) {
	if i.Role == consensus.Leader && i.Failed == nil && !n.disk.dying {
		if g := n.w.groupOf(i.Group); g != nil {
			g.leads(n, i.Member, i.Term)
		}
	}
	if i.Failed != nil && !n.disk.excusesMember(i.Failed) {
		n.w.violate(Starts, "node %d: member %d of group %d failed: %v", n.id, i.Member, i.Group, i.Failed)
	}
}

// mend does what an operator does where a member has failed for a reason that
// passed: the node is started anew.
func (w *world) mend() {
	for _, n := range w.nodes {
		if !n.up || n.disk.dying {
			continue
		}
		for _, g := range w.groups {
			info, ok := n.host.Info(g.id)
			if !ok || info.Failed == nil {
				continue
			}
			if !n.disk.excusesMember(info.Failed) {
				w.violate(Starts, "node %d: member %d of group %d failed: %v", n.id, info.Member, g.id, info.Failed)
			}
			n.fall()
			break
		}
	}
	w.after(500*time.Millisecond, w.mend)
}

// leader finds who leads a group, as the nodes that can answer say.
func (g *replicated) leader() *node {
	var leader *node
	term := uint64(0)
	for _, n := range g.w.nodes {
		if !n.up || n.host == nil || n.disk.dying || n.pausedUntil > g.w.now {
			continue
		}
		if info, ok := n.host.Info(g.id); ok && info.Role == consensus.Leader && info.Term > term {
			leader, term = n, info.Term
		}
	}
	return leader
}

// drive takes a group step by step from the members it has to those it should have.
func (w *world) drive(g *replicated) {
	w.after(30*time.Millisecond+time.Duration(w.about(150*time.Millisecond)), func() {
		if g.removed {
			return
		}
		w.drive(g)
		g.hear()
		if g.moving && w.chance(90) || w.limping {
			return
		}
		if n := g.leader(); n != nil && !g.settled() {
			g.ask(n)
		}
	})
}

// ask has a node that leads take a step.
func (g *replicated) ask(n *node) {
	g.moving = true
	n.process.Go(func() {
		s, err := n.host.Status(noContext, g.id)
		g.moving = false
		if err == nil {
			g.move(n, &s.Core)
		}
	})
}

// hear asks the members what they have applied: of a configuration that a lone
// member commits nothing else tells.
func (g *replicated) hear() {
	for _, n := range g.w.nodes {
		if n.up && !n.disk.dying {
			if index, _, err := n.host.Applied(g.id); err == nil {
				g.commitTo(index, n)
			}
		}
	}
}

// settled tells whether nothing is left to be done about the members.
func (g *replicated) settled() bool {
	c := &g.configs[len(g.configs)-1].config
	if c.Joint() {
		return false
	}
	for _, s := range g.seats {
		id := consensus.MemberID(s.member)
		switch {
		case s.removed:
		case !s.wanted, s.voter != c.IsVoter(id), !s.voter && !c.IsLearner(id):
			return false
		}
	}
	return true
}

// move takes one step.
func (g *replicated) move(n *node, s *consensus.Status) {
	if s.Role != consensus.Leader || g.removed || g.w.limping || s.ChangePending && !g.w.chance(20) {
		return
	}
	// What the committed configuration does not know may be deleted.
	for _, seat := range g.seats {
		if !s.ChangePending && s.Config.Equal(&g.configs[len(g.configs)-1].config) && !seat.wanted && !seat.removed && !s.Config.Contains(consensus.MemberID(seat.member)) {
			seat.removed = true
			g.w.tell(seat.node)
			if g.w.has(Change) && !seat.node.gone && g.w.chance(30) {
				g.seatFor(seat.node, true) // at once, while the last one's messages are on their way
			}
		}
	}
	var change consensus.Change
	wantVoters := 0
	for _, seat := range g.seats {
		if id := consensus.MemberID(seat.member); seat.wanted && !seat.removed {
			if seat.voter {
				wantVoters++
			}
			if !s.Config.Contains(id) {
				change.AddLearners = append(change.AddLearners, consensus.Member{ID: id, Node: uint64(seat.node.id)})
			}
		}
	}
	if wantVoters == 0 {
		return
	}
	if len(change.AddLearners) == 0 {
		for _, seat := range g.seats {
			id := consensus.MemberID(seat.member)
			switch {
			case !s.Config.Contains(id):
			case !seat.wanted:
				change.Remove = append(change.Remove, id)
			case seat.voter && s.Config.IsLearner(id):
				if !caughtUp(s, id) {
					return
				}
				change.Promote = append(change.Promote, id)
			case !seat.voter && s.Config.IsVoter(id):
				change.Demote = append(change.Demote, id)
			}
		}
	}
	if len(change.AddLearners)+len(change.Remove)+len(change.Promote)+len(change.Demote) == 0 {
		return
	}
	g.w.result.Counts["changes"]++
	g.changed = g.w.now
	g.asked, g.askedBoot = n, n.boot
	n.host.Change(g.id, change, s.ConfigIndex, func(error) { g.asked = nil })
	n.busy()
}

func caughtUp(s *consensus.Status, id consensus.MemberID) bool {
	if s.Asleep {
		return true // a group sleeps only when all its members have everything
	}
	for i := range s.Members {
		if m := &s.Members[i]; m.ID == id {
			return m.RecentlyActive && m.Match+250 >= s.Commit
		}
	}
	return false
}

// removeGroup removes a group; its name is free for another.
func (w *world) removeGroup(g *replicated) {
	g.removed = true
	for _, s := range g.seats {
		s.removed = true
		w.tell(s.node)
	}
	w.result.Counts["recreate"]++
}

func groupName(i int) string { return fmt.Sprintf("g%d", i) }
