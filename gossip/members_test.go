package gossip

import (
	"cmp"
	"slices"
	"sync"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// A list that was handed out stays as it is, whatever happens afterwards, and the
// next one says what happened.
func TestMembersIsNeverChanged(t *testing.T) {
	w := newWorld(t)
	a := w.start(w.config(1))
	w.await("it sees itself", func() bool { return len(a.Members()) == 1 })
	before := a.Members()
	kept := slices.Clone(before)
	b := w.start(w.config(2, a))
	w.await("they see each other", func() bool { return allSee([]*Gossip{a, b}, a, b) })
	if err := b.UpdateMeta(func(m *Meta) { m.Zone = "elsewhere" }); err != nil {
		t.Fatal(err)
	}
	w.await("the new zone is told", func() bool {
		m, ok := a.Member(2)
		return ok && m.Zone == "elsewhere"
	})
	if !slices.Equal(before, kept) {
		t.Errorf("the list was %+v and became %+v", kept, before)
	}
	if _, ok := a.Member(3); ok {
		t.Error("a node is listed that never was")
	}
	if m, ok := a.Member(1); !ok || m.Node != 1 {
		t.Errorf("the node itself: %+v, %t", m, ok)
	}
}

// Readers run while nodes come, change and go; the race detector is the judge, and
// what is read is sorted.
func TestMembersAreReadWhileTheyChange(t *testing.T) {
	w := newWorld(t)
	a := w.start(w.config(1))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				members := a.Members()
				if !slices.IsSortedFunc(members, func(x, y Member) int { return cmp.Compare(x.Node, y.Node) }) {
					t.Errorf("out of order: %+v", members)
					return
				}
				a.Member(2)
			}
		})
	}
	for i := range ident.NodeID(4) {
		b := w.start(w.config(i+2, a))
		w.await("it is seen", func() bool { return allSee([]*Gossip{a}, b) })
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		w.await("its end is seen", func() bool { return allMiss([]*Gossip{a}, b) })
		if i%2 == 0 && !a.Forget(i+2) {
			t.Errorf("node %d was not forgotten", i+2)
		}
	}
	close(stop)
	readers.Wait()
}

// Who is there is asked with every call between nodes.
func BenchmarkMember(b *testing.B) {
	g := &Gossip{table: newTable("")}
	for i := range ident.NodeID(100) {
		joined(&g.table, i+1, 1, 10)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m, ok := g.Member(50); !ok || !m.Alive {
			b.Fatal("it is not there")
		}
	}
}
