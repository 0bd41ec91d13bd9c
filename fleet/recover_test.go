package fleet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// moved is a group whose members are others already than those that its leader last
// reported: what there is between the end of a move and its report, for as long as the
// catalogue cannot take that.
type moved struct {
	nodes  map[ident.NodeID]*fleet.Node
	stay   [2]ident.NodeID // members before and after
	comes  ident.NodeID
	leaves ident.NodeID // hosts its member still
}

func movedUnreported(t *testing.T) moved {
	t.Helper()
	list := startFleet(t, 7, 1) // so many that two of them are not the catalogue's majority
	m := moved{nodes: make(map[ident.NodeID]*fleet.Node)}
	for _, n := range list {
		m.nodes[n.NodeID()] = n
	}
	if err := list[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, list[0], "g", 4, 4)
	eventually(t, "nothing moves", func() bool { b := balance(t, list[0]); return b.State == "balanced" && b.Left == 0 })
	if err := list[0].Pause(t.Context(), "a test", "moves by hand"); err != nil {
		t.Fatal(err)
	}
	propose := func(c catalogue.Command) {
		t.Helper()
		if err := list[0].ProposeToCatalogue(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	g, _ := list[0].GroupRecord("g")
	// Reports of the move are older than this one, and change nothing.
	propose(&catalogue.Report{Group: g.ID, Index: 1 << 40, Members: g.Configured})
	var stay []ident.NodeID
	for _, id := range g.TargetNodes() {
		if id == g.Preferred || m.leaves != 0 {
			stay = append(stay, id)
		} else {
			m.leaves = id
		}
	}
	m.stay = [2]ident.NodeID(stay)
	for id := range m.nodes {
		if !slices.Contains(g.TargetNodes(), id) {
			m.comes = id
		}
	}
	propose(&catalogue.SetTargets{Targets: []catalogue.Target{{Group: g.ID, IfEpoch: g.Epoch, Members: append(stay, m.comes), Preferred: g.Preferred}}})
	eventually(t, "the members are as targeted", func() bool {
		s, err := m.nodes[m.comes].GroupStatus(t.Context(), "g")
		if err != nil || len(s.Members) != 3 {
			return false
		}
		for _, member := range s.Members {
			if member.Role == "learner" || member.Role == "outgoing" || member.Node == m.nodes[m.leaves].Name() {
				return false
			}
		}
		return true
	})
	mustAdd(t, list[0], "g", 100, 104) // acknowledged by those who are members now
	return m
}

func (m moved) end(t *testing.T, ids ...ident.NodeID) {
	t.Helper()
	for _, id := range ids {
		if err := m.nodes[id].Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// recovers tries until those who ended are not heard any more.
func recovers(t *testing.T, n *fleet.Node) {
	t.Helper()
	eventually(t, "the group is recovered", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := n.Recover(ctx, "g", "g")
		if err != nil && !errors.Is(err, fleet.ErrRefused) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestRecoverTakesAMemberThatIsNotReportedYetAndNotOneThatLeft(t *testing.T) {
	t.Parallel()
	m := movedUnreported(t)
	m.end(t, m.stay[:]...)
	n := m.nodes[m.comes]
	old, _ := n.GroupRecord("g")
	if _, _, err := m.nodes[m.leaves].StatusOfMember(t.Context(), old.ID); err != nil {
		t.Fatalf("the member that left must be there to be taken by mistake: %v", err)
	}
	recovers(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	if v, err := add.Call(ctx, n, "g", 0); err != nil || v != 104 {
		t.Errorf("104 was acknowledged and node %s has it; after the recovery the value is %d, %v", n.Name(), v, err)
	}
}

func TestRecoverIsRefusedWhileAMajorityOfTheTrueVotersIsThere(t *testing.T) {
	m := movedUnreported(t)
	m.end(t, m.stay[0], m.leaves) // two of the three that were reported; one of the three that vote
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	n := m.nodes[m.comes]
	if v, err := add.Call(ctx, n, "g", 1); err != nil || v != 105 {
		t.Fatalf("the group does not serve: %d, %v", v, err)
	}
	for _, id := range []ident.NodeID{m.stay[1], m.comes} {
		if err := m.nodes[id].Recover(ctx, "g", "g"); !errors.Is(err, fleet.ErrRefused) {
			t.Errorf("a group that serves is recovered: %v", err)
		}
	}
	if v, err := add.Call(ctx, n, "g", 1); err != nil || v != 106 {
		t.Errorf("after the refusal: %d, %v", v, err)
	}
}

// heap is a value as large as a test wants.
type heap struct{ Data []byte }

var (
	heapType = group.Define("heap", func() *heap { return &heap{} })
	grow     = group.Command(heapType, "grow", func(h *heap, by int) (int, error) {
		h.Data = append(h.Data, make([]byte, by)...)
		return len(h.Data), nil
	})
)

// quorumLost has a group "g" of three members, whose value has size bytes, lose two of
// them. It returns the node with the one that is left, another that goes on, and how to
// start one of those that are gone.
func quorumLost(t *testing.T, size int, before func(n *fleet.Node)) (left, other *fleet.Node, gone fleet.Config) {
	t.Helper()
	configs := make(map[string]fleet.Config)
	var nodes []*fleet.Node
	for _, name := range []string{"n1", "n2", "n3", "n4", "n5"} {
		cfg := testConfig(t, name)
		cfg.Types = []group.Type{heapType}
		if len(nodes) > 0 {
			cfg.Join = []string{nodes[0].GossipAddr()}
		}
		nodes, configs[name] = append(nodes, activate(t, "zone-0", cfg)), cfg
	}
	if before != nil {
		before(nodes[0])
	}
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, heapType); err != nil {
		t.Fatal(err)
	}
	if _, err := grow.Call(t.Context(), nodes[0], "g", size); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Pause(t.Context(), "a test", "nothing moves"); err != nil {
		t.Fatal(err)
	}
	s, err := nodes[0].GroupStatus(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	var ended []*fleet.Node
	for _, n := range nodes {
		switch at := slices.IndexFunc(s.Members, func(m view.Member) bool { return m.Node == n.Name() }); {
		case at < 0:
			other = n
		case len(ended) < 2:
			ended, gone = append(ended, n), configs[n.Name()]
		default:
			left = n
		}
	}
	gone.Join = []string{left.GossipAddr(), other.GossipAddr()}
	for _, n := range ended {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return left, other, gone
}

// refusedFor awaits the refusal that says why.
func refusedFor(t *testing.T, n *fleet.Node, why string) {
	t.Helper()
	eventually(t, "recovery is refused for "+why, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err := n.Recover(ctx, "g", "g")
		if !errors.Is(err, fleet.ErrRefused) {
			t.Fatalf("recovery ended with %v", err)
		}
		return strings.Contains(err.Error(), why)
	})
}

func TestRecoverThatIsRefusedForTheSizeOfTheStateStopsNothing(t *testing.T) {
	t.Parallel()
	const size = 5 << 20
	left, _, gone := quorumLost(t, size, nil)
	refusedFor(t, left, "too large")
	activate(t, "zone-0", gone) // with it there is a quorum again, if the one that was left takes part
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if v, err := grow.Call(ctx, left, "g", 1); err != nil || v != size+1 {
		t.Errorf("the missing node is back: %d, %v", v, err)
	}
}

// The catalogue refuses the last step, for a node that it does not know.
func TestRecoverThatFailsAfterTheSalvageStopsNothing(t *testing.T) {
	t.Parallel()
	left, other, gone := quorumLost(t, 10, nil)
	eventually(t, "recovery fails at its last step", func() bool {
		err := other.RecoverOnto(t.Context(), "g", 99)
		if err == nil {
			t.Fatal("it did not fail")
		}
		return errors.Is(err, fleet.ErrNoNode)
	})
	activate(t, "zone-0", gone)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if v, err := grow.Call(ctx, left, "g", 1); err != nil || v != 11 {
		t.Errorf("the missing node is back: %d, %v", v, err)
	}
}

// The group is there as it was, so a second try finds it and ends what the first began.
func TestRecoverThatIsKilledHalfWayIsRepeated(t *testing.T) {
	t.Parallel()
	left, other, _ := quorumLost(t, 10, nil)
	eventually(t, "the state is salvaged", func() bool { return other.SalvageOnly(t.Context(), "g") == nil })
	recovers(t, left) // while the member is still kept apart
	if v, err := grow.Call(t.Context(), left, "g", 1); err != nil || v != 11 {
		t.Errorf("after the second try: %d, %v", v, err)
	}
}

func TestRecoverLeavesWhatWasKeptUnderTheName(t *testing.T) {
	t.Parallel()
	var kept []view.Archive
	left, other, _ := quorumLost(t, 10, func(n *fleet.Node) {
		if err := n.AddConsensusGroup(t.Context(), "g", 1, heapType); err != nil {
			t.Fatal(err)
		}
		if err := n.RemoveConsensusGroup(t.Context(), "g", fleet.Keep()); err != nil {
			t.Fatal(err)
		}
		var err error
		if kept, err = n.Archives(t.Context()); err != nil || len(kept) != 1 {
			t.Fatal(kept, err)
		}
	})
	recovers(t, left)
	if v, err := grow.Call(t.Context(), other, "g", 1); err != nil || v != 11 {
		t.Errorf("%d, %v", v, err)
	}
	if now, err := left.Archives(t.Context()); err != nil || !slices.Equal(now, kept) {
		t.Errorf("the archive was %+v and is %+v, %v", kept, now, err)
	}
}

func TestRecoveryCanBeTracedAndRepeated(t *testing.T) {
	t.Parallel()
	left, other, _ := quorumLost(t, 10, nil)
	recovers(t, other)
	var told string
	events, err := other.Events(t.Context(), 0, false)
	for _, e := range events {
		if e.Kind == "group_recovered" && e.Group == "g" {
			told = e.Detail
		}
	}
	for _, part := range []string{"by an operator through node " + other.Name(), "from the member on node " + left.Name(), "not reached: n", " at index "} {
		if err != nil || !strings.Contains(told, part) {
			t.Errorf("the event says %q, not %q; %v", told, part, err)
		}
	}
	// On every node, and when the one that did it is gone.
	if x, err := left.Explain(t.Context(), "g"); err != nil || x.Reason != told || x.Since.IsZero() {
		t.Errorf("the group says of itself %+v, want %q; %v", x, told, err)
	}
	if s, err := left.GroupStatus(t.Context(), "g"); err != nil || !strings.HasSuffix(s.Recovered, ": "+told) {
		t.Errorf("its status says %q, want %q; %v", s.Recovered, told, err)
	}
	refusedFor(t, left, "needs no recovery")
	if v, err := grow.Call(t.Context(), left, "g", 1); err != nil || v != 11 {
		t.Errorf("after a second recovery: %d, %v", v, err)
	}
}
