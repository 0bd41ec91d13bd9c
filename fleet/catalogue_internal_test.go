package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// What Activate ends with: a copy of the catalogue that lags is waited for until it
// holds all that was committed, and the error says what it waits for.
func TestALaggingCopyOfTheCatalogueIsWaitedFor(t *testing.T) {
	open := func(name string, join ...string) *Node {
		n, err := Activate(t.Context(), "zone-"+name, Config{Name: name, InMemory: true, Local: true, Join: join, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		return n
	}
	first := open("n1")
	second := open("n2", first.GossipAddr())
	// Whoever holds this lock stops the copy at the next entry that it applies.
	lag := &second.catalogueChanged.mu
	lag.Lock()
	locked := true
	defer func() {
		if locked {
			lag.Unlock()
		}
	}()
	for _, key := range []string{"a", "b", "c"} {
		if _, err := first.propose(t.Context(), &catalogue.SetSettings{Settings: map[string]string{key: "set"}}); err != nil {
			t.Fatal(err)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := second.awaitCopy(soon)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "copy of the catalogue") {
		t.Errorf("a copy that lags: %v", err)
	}
	lag.Unlock()
	locked = false
	if err := second.awaitCopy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if settings := second.catalogue.Load().Settings(); len(settings) != 3 {
		t.Errorf("the copy lacks what was committed: %v", settings)
	}
}

// A node that was given up while it was away has a copy of the catalogue from the
// past, in which nobody may be left who has it now. It finds them all the same.
func TestTheCatalogueIsFoundFromAnOldCopy(t *testing.T) {
	nodes := activateSome(t, 2)
	first, second := nodes[0], nodes[1]
	old := catalogue.New()
	applier(t, old)(&catalogue.RegisterNode{ID: second.id, Name: "n2", Zone: "z", Weight: 1})
	now := second.catalogue.Swap(old)
	defer second.catalogue.Store(now)
	if r, err := second.locateCatalogue(); err != nil || !slices.Contains(r.Members, first.id) {
		t.Errorf("asked would be %v, not node %s that has the catalogue; %v", r.Members, first.id, err)
	}
}

// The catalogue is given to nodes that are ready. One whose member never catches up is
// not waited for while another is caught up, and a voter whose member does not answer
// is replaced in the end, though its node is there.
func TestTheCatalogueIsNotKeptWaitingByOneNode(t *testing.T) {
	var nodes []*Node
	for range 5 {
		n, err := Open(t.Context(), inMemory(nodes))
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, n)
		nodes = append(nodes, n)
	}
	leader := nodes[0]
	c := catalogue.New()
	apply := applier(t, c)
	for _, n := range nodes {
		for heard := leader.gossipChanged.wait(); !leader.hears(n.id); heard = leader.gossipChanged.wait() {
			if err := leader.await(t.Context(), time.Second, heard); err != nil {
				t.Fatal(err)
			}
		}
		apply(&catalogue.RegisterNode{ID: n.id, Name: n.cfg.Name, Zone: "z", Weight: 1})
		apply(&catalogue.SetNodeState{ID: n.id, To: placement.Active})
	}
	apply(&catalogue.SetNodeState{ID: nodes[2].id, To: placement.Dead})
	s := &consensus.Status{ID: 1, Role: consensus.Leader, Term: 2, Last: 10_000}
	for i, n := range nodes {
		m := consensus.Member{ID: consensus.MemberID(i + 1), Node: uint64(n.id)}
		if i < 3 {
			s.Config.Voters = append(s.Config.Voters, m)
		} else {
			s.Config.Learners = append(s.Config.Learners, m)
		}
		s.Members = append(s.Members, consensus.MemberStatus{ID: m.ID, Match: 10_000, RecentlyActive: true})
	}
	votes := func(i int) bool {
		return slices.ContainsFunc(leader.catalogueTarget(c, s).voters, func(m consensus.Member) bool { return m.Node == uint64(nodes[i].id) })
	}
	s.Members[2].RecentlyActive = false // dead
	for _, stuck := range []int{3, 4} {
		s.Members[stuck].Match, s.Members[stuck].RecentlyActive = 0, false
		if ready := 7 - stuck; votes(stuck) || !votes(ready) {
			t.Errorf("node n%d never catches up, n%d is ready: the target is %+v", stuck+1, ready+1, leader.catalogueTarget(c, s).voters)
		}
		if !leader.catalogueTarget(c, s).unready {
			t.Error("it is not looked at again when the node has caught up")
		}
		s.Members[stuck].Match, s.Members[stuck].RecentlyActive = 10_000, true
	}
	s.Members[1].RecentlyActive = false
	if !votes(1) {
		t.Error("a voter that does not answer for a moment is replaced")
	}
	leader.mover.silent.since[2] = leader.mover.silent.since[2].Add(-leader.cfg.limits().StuckAfter - time.Second)
	if votes(1) {
		t.Error("a voter that does not answer, though its node is there, keeps its vote for ever")
	}
}

// What a planner decided goes into the log of the node that it ran on, or nowhere: by
// the time that another node is found to lead, the planner there has decided too.
func TestAPlannerDecidesOnlyWhereItLeads(t *testing.T) {
	nodes := activateSome(t, 2)
	set := func(key string) *catalogue.SetSettings {
		return &catalogue.SetSettings{Settings: map[string]string{key: "set"}}
	}
	if _, err := nodes[1].decide(t.Context(), set("elsewhere")); !errors.Is(err, group.ErrNotLeader) {
		t.Errorf("a node that does not lead: %v", err)
	}
	if _, err := nodes[0].decide(t.Context(), set("here")); err != nil {
		t.Error(err)
	}
	if err := nodes[1].catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if settings := nodes[1].catalogue.Load().Settings(); settings["here"] != "set" || settings["elsewhere"] != "" {
		t.Errorf("decided: %v", settings)
	}
}

// A node whose drain was given up, as where nobody can take its members, stops with them
// and takes them up again when it is started: it keeps its vote as a suspect node does.
// Two more votes would be lost with it otherwise.
func TestANodeThatStopsWithItsMembersKeepsItsVote(t *testing.T) {
	n := alone(t)
	c := catalogue.New()
	apply := applier(t, c)
	s := &consensus.Status{ID: 1, Role: consensus.Leader, Term: 2, Last: 10}
	const stopped, other = ident.NodeID(7), ident.NodeID(8)
	for i, id := range []ident.NodeID{n.id, stopped, other} {
		apply(&catalogue.RegisterNode{ID: id, Name: fmt.Sprint("n", i), Zone: "z", Weight: 1})
		apply(&catalogue.SetNodeState{ID: id, To: placement.Active})
		s.Config.Voters = append(s.Config.Voters, consensus.Member{ID: consensus.MemberID(i + 1), Node: uint64(id)})
		s.Members = append(s.Members, consensus.MemberStatus{ID: consensus.MemberID(i + 1), Match: 10, RecentlyActive: id == n.id})
	}
	apply(&catalogue.AddGroup{Name: "g", Type: "t", Replicas: 1, Members: []ident.NodeID{stopped}})
	apply(&catalogue.SetNodeState{ID: stopped, To: placement.Draining})
	if got := n.catalogueTarget(c, s).voters; len(got) != 3 {
		t.Errorf("a node stopped while it drained, with a member: the catalogue's voters become %+v", got)
	}
	apply(&catalogue.RemoveGroup{Name: "g"})
	for _, m := range n.catalogueTarget(c, s).voters {
		if m.Node == uint64(stopped) {
			t.Error("a node that stopped without members keeps its vote")
		}
	}
}
