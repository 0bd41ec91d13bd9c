package gossip

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
	"go.uber.org/goleak"
)

func TestFiveNodesFindEachOther(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(5, 1)
	for _, g := range nodes {
		if n := len(g.Members()); n != 5 {
			t.Errorf("%s lists %d members, want 5", g.Addr(), n)
		}
	}
}

func TestKilledNodeIsSuspectedThenDeadAndKeptUntilForgotten(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(2, 1)
	observer, victim := nodes[0], nodes[1]
	id := victim.Self().Node
	if observer.Forget(id) {
		t.Error("a living node was forgotten")
	}
	if err := victim.Close(); err != nil {
		t.Fatal(err)
	}
	w.await("suspected", func() bool { m, _ := member(observer, id); return m.Alive && m.Suspect })
	w.await("dead", func() bool { return allMiss(nodes[:1], victim) })
	m, _ := member(observer, id)
	if m.Left || m.Suspect || m.Meta != victim.Self() || m.Addr != victim.Addr() {
		t.Errorf("a node that was killed is listed as %+v", m)
	}
	if !observer.Forget(id) {
		t.Error("a dead node was not forgotten")
	}
	if _, ok := member(observer, id); ok {
		t.Error("a forgotten node is listed")
	}
}

func TestLeaveIsToldApartFromDeath(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(4, 1)
	leaver, killed, rest := nodes[2], nodes[3], nodes[:2]
	if err := leaver.Leave(patience); err != nil {
		t.Fatal(err)
	}
	if err := leaver.Leave(patience); err != nil {
		t.Errorf("leaving twice: %v", err)
	}
	if err := leaver.UpdateMeta(func(*Meta) {}); !errors.Is(err, ErrClosed) {
		t.Errorf("update after leaving: %v", err)
	}
	for _, g := range []*Gossip{leaver, killed} {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.await("both gone", func() bool { return allMiss(rest, leaver, killed) })
	for _, g := range rest {
		if m, _ := member(g, leaver.Self().Node); !m.Left || m.State != StateLeaving {
			t.Errorf("a node that left is listed as %+v", m)
		}
		if m, _ := member(g, killed.Self().Node); m.Left {
			t.Errorf("a node that was killed is listed as %+v", m)
		}
	}
}

func TestUpdateMetaSpreads(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(3, 1)
	if err := nodes[0].UpdateMeta(func(m *Meta) { m.State, m.Zone = StateDraining, "elsewhere" }); err != nil {
		t.Fatal(err)
	}
	w.await("all see the update", func() bool { return allSee(nodes, nodes[0]) })
	for what, change := range map[string]func(*Meta){
		"Node":  func(m *Meta) { m.Node++ },
		"Boot":  func(m *Meta) { m.Boot++ },
		"Fleet": func(m *Meta) { m.Fleet++ },
		"State": func(m *Meta) { m.State = 9 },
	} {
		before := nodes[0].Self()
		if err := nodes[0].UpdateMeta(change); !errors.Is(err, ErrMeta) {
			t.Errorf("changing %s: %v", what, err)
		}
		if nodes[0].Self() != before {
			t.Errorf("changing %s took effect", what)
		}
	}
}

// Several nodes change what they say at the same time, in words of the same length: no
// word is lost, though nobody exchanges all of what is known.
func TestUpdatesAtTheSameTimeAllSpread(t *testing.T) {
	w := newWorld(t)
	w.wordOnly = true
	nodes := w.fleet(3, 1)
	for i := range 3 {
		c := w.config(ident.NodeID(200+i), nodes[0])
		c.Meta.Fleet = 1
		nodes = append(nodes, w.start(c))
	}
	w.await("all see all", func() bool { return allSee(nodes, nodes...) })
	for round := range 10 {
		var all sync.WaitGroup
		for _, g := range nodes[3:] {
			all.Go(func() {
				if err := g.UpdateMeta(func(m *Meta) { m.Zone = fmt.Sprintf("zone-%02d", round) }); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.await("all see the updates", func() bool { return allSee(nodes[3:], nodes[3:]...) })
	}
}

// The observers have not noticed the end of the former process when the new one
// speaks up from another port.
func TestHazard40_RestartAtAnotherAddressReplacesAtOnce(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(3, 1)
	old, rest := nodes[2], nodes[:2]
	// A version far ahead of what a fresh process begins with.
	for range 5 {
		if err := old.UpdateMeta(func(m *Meta) { m.State = StateActive - m.State }); err != nil {
			t.Fatal(err)
		}
	}
	w.await("updates seen", func() bool { return allSee(rest, old) })
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	c := w.config(old.Self().Node, rest[0])
	c.Meta.Fleet = 1
	reborn := w.start(c)
	w.await("replaced", func() bool { return allSee(append(rest, reborn), append(rest, reborn)...) })
	// The former process is declared dead meanwhile; that must not show.
	w.await("former process dead", func() bool {
		for _, g := range rest {
			for _, n := range g.list.Members() {
				if n.Name == old.name {
					return false
				}
			}
		}
		return true
	})
	if !allSee(rest, reborn) {
		t.Error("the end of the former process took the new one with it")
	}
	for _, g := range rest {
		if n := len(g.Members()); n != 3 {
			t.Errorf("%d members, want 3", n)
		}
	}
}

// The new process comes to the very address that the others hold for dead.
func TestHazard40_RestartAtTheSameAddress(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(3, 1)
	old, rest := nodes[2], nodes[:2]
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	w.await("dead", func() bool { return allMiss(rest, old) })
	c := w.config(old.Self().Node, rest[0])
	c.Meta.Fleet, c.Bind = 1, old.Addr()
	reborn, err := Start(c)
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	defer reborn.Close()
	w.await("back", func() bool { return allSee(append(rest, reborn), append(rest, reborn)...) })
}

func TestHazard40_PartitionHealsByItself(t *testing.T) {
	t.Run("while memberlist remembers the dead", func(t *testing.T) { partitionHeals(t, time.Hour) })
	t.Run("after memberlist forgot the dead", func(t *testing.T) { partitionHeals(t, 300*time.Millisecond) })
}

func partitionHeals(t *testing.T, deadTime time.Duration) {
	w := newWorld(t)
	w.deadTime = deadTime
	nodes := w.fleet(6, 1)
	left, right := nodes[:3], nodes[3:]
	for round := range 2 {
		w.partition(right...)
		w.await("both sides hold each other for dead", func() bool {
			return allMiss(left, right...) && allMiss(right, left...)
		})
		if deadTime < time.Minute {
			w.awaitTries(10, nodes...) // some three rounds of rejoin, three addresses each
			if !allMiss(left, right...) || !allMiss(right, left...) {
				t.Error("the dead came back while the network was cut")
			}
		}
		// What changes on one side meanwhile must get across too.
		if err := right[0].UpdateMeta(func(m *Meta) { m.Zone = string(rune('a' + round)) }); err != nil {
			t.Fatal(err)
		}
		w.heal()
		w.await("all see all again", func() bool { return allSee(nodes, nodes...) })
	}
}

// A node alone on its side, with no join address of its own, is found by the others.
func TestIsolatedFirstNodeComesBack(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(3, 1)
	w.partition(nodes[0])
	w.await("isolated", func() bool { return allMiss(nodes[:1], nodes[1:]...) && allMiss(nodes[1:], nodes[0]) })
	w.heal()
	w.await("back", func() bool { return allSee(nodes, nodes...) })
}

// The node that the others once joined has nobody to turn to when it is back.
func TestFirstNodeThatLeftIsFoundAgain(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(3, 1)
	if err := nodes[0].Leave(patience); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	w.await("left", func() bool { return allMiss(nodes[1:], nodes[0]) })
	c := w.config(nodes[0].Self().Node)
	c.Meta.Fleet, c.Bind = 1, nodes[0].Addr()
	back, err := Start(c)
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	defer back.Close()
	nodes[0] = back
	w.await("found again", func() bool { return allSee(nodes, nodes...) })
}

func TestJoinAddressThatIsNotThereYet(t *testing.T) {
	w := newWorld(t)
	placeholder := w.start(w.config(9))
	addr := placeholder.Addr()
	if err := placeholder.Close(); err != nil {
		t.Fatal(err)
	}
	c := w.config(1)
	c.Join = []string{addr}
	early := w.start(c)
	c = w.config(2)
	c.Bind = addr
	late, err := Start(c)
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	defer late.Close()
	w.await("found", func() bool { return allSee([]*Gossip{early, late}, early, late) })
}

func TestJoin(t *testing.T) {
	w := newWorld(t)
	a, b := w.start(w.config(1)), w.start(w.config(2))
	n, err := a.Join(t.Context(), []string{a.Addr(), b.Addr()})
	if n != 1 || err != nil {
		t.Fatalf("joined %d, %v; want 1: the own address does not count", n, err)
	}
	w.await("joined", func() bool { return allSee([]*Gossip{a, b}, a, b) })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Join(t.Context(), []string{b.Addr()}); !errors.Is(err, ErrJoin) {
		t.Errorf("joining a closed address: %v", err)
	}
	if _, err := a.Join(t.Context(), []string{"nowhere"}); !errors.Is(err, ErrJoin) {
		t.Errorf("joining no address: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Join(ended, []string{b.Addr()}); !errors.Is(err, context.Canceled) {
		t.Errorf("joining with an ended context: %v", err)
	}
	if _, err := b.Join(t.Context(), []string{a.Addr()}); !errors.Is(err, ErrClosed) {
		t.Errorf("joining after close: %v", err)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	w := newWorld(t)
	nodes := w.fleet(3, 1)
	if err := nodes[0].Leave(patience); err != nil {
		t.Fatal(err)
	}
	for _, g := range nodes {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		if err := g.Leave(time.Second); !errors.Is(err, ErrClosed) {
			t.Errorf("leaving after close: %v", err)
		}
	}
	if err := settled(before); err != nil {
		t.Error(err)
	}
}

// OnChange may use everything but Close, also while Close waits for it.
func TestOnChangeMayCallBack(t *testing.T) {
	w := newWorld(t)
	ready := make(chan *Gossip, 1)
	called := make(chan struct{}, 1)
	c := w.config(1)
	c.OnChange = func() {
		g := <-ready
		ready <- g
		_ = g.UpdateMeta(func(m *Meta) { m.State = StateActive - m.State }) // changes again and again
		g.Members()
		select {
		case called <- struct{}{}:
		default:
		}
	}
	g := w.start(c)
	ready <- g
	<-called
	<-called
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTwoProcessesOfOneNode(t *testing.T) {
	w := newWorld(t)
	var log lineLog
	c := w.config(1)
	c.Logger = log.logger()
	first := w.start(c)
	second := w.start(w.config(1, first))
	observer := w.start(w.config(2, first))
	w.await("the later process stands for the node", func() bool { return allSee([]*Gossip{observer}, second) })
	w.await("the first one says so", func() bool { return log.count("another process runs as this node") == 1 })
	if m, ok := member(first, ident.NodeID(1)); !ok || m.Addr != first.Addr() {
		t.Errorf("the first one takes the second for itself: %+v", m)
	}
}
