package gossip

import (
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Two fleets that meet, by a wrong join address, stay apart and say so, once.
func TestTwoFleetsRefuseEachOther(t *testing.T) {
	w := newWorld(t)
	ones, twos := w.fleet(2, 1), w.fleet(2, 2)
	var log lineLog
	c := w.config(150, ones[0])
	c.Meta.Fleet = 1
	c.Logger = log.logger()
	c.Join = append(c.Join, twos[0].Addr())
	lost := w.start(c)
	w.await("in its own fleet", func() bool { return allSee(append(ones, lost), append(ones, lost)...) })
	for range 3 {
		if _, err := lost.Join(t.Context(), []string{twos[1].Addr()}); !errors.Is(err, ErrForeignFleet) {
			t.Errorf("joining another fleet: %v", err)
		}
		if _, err := twos[1].Join(t.Context(), []string{lost.Addr()}); !errors.Is(err, ErrForeignFleet) {
			t.Errorf("joining another fleet: %v", err)
		}
	}
	for _, g := range append(ones, lost) {
		for _, m := range g.Members() {
			if m.Fleet != 1 {
				t.Errorf("%s of fleet %s is listed in fleet 1", m.Name, m.Fleet)
			}
		}
	}
	for _, g := range twos {
		for _, m := range g.Members() {
			if m.Fleet != 2 {
				t.Errorf("%s of fleet %s is listed in fleet 2", m.Name, m.Fleet)
			}
		}
	}
	for _, g := range twos {
		if n := log.count("addr=" + g.Addr() + " fleet="); n > 1 {
			t.Errorf("said %d times within a minute that %s was refused", n, g.Addr())
		}
	}
	if log.count("refused a node of another fleet") == 0 {
		t.Error("refused without a word")
	}
	if n := log.count("level=ERROR"); n > 0 {
		t.Errorf("%d errors in the log: %v", n, log.lines)
	}
}

func TestFreshNodeFindsTheFleet(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(2, 7)
	fresh := w.start(w.config(1, nodes[0]))
	w.await("fleet found", func() bool { return allSee([]*Gossip{fresh}, nodes...) })
	m, _ := member(fresh, nodes[1].Self().Node)
	if m.Fleet != 7 {
		t.Fatalf("found fleet %s, want 7", m.Fleet)
	}
	w.await("fresh node seen", func() bool { return allSee(nodes, fresh) })
	if err := fresh.UpdateMeta(func(own *Meta) { own.Fleet = m.Fleet }); err != nil {
		t.Fatal(err)
	}
	w.await("all in one fleet", func() bool { return allSee(append(nodes, fresh), append(nodes, fresh)...) })
}

// Fresh nodes that found two fleets at the same time part again.
func TestHazard39_FreshNodesThatFoundTwoFleetsPart(t *testing.T) {
	w := newWorld(t)
	nodes := w.fleet(4, 0)
	for i, g := range nodes {
		if err := g.UpdateMeta(func(m *Meta) { m.Fleet = ident.FleetID(1 + i%2) }); err != nil {
			t.Fatal(err)
		}
	}
	odd, even := []*Gossip{nodes[0], nodes[2]}, []*Gossip{nodes[1], nodes[3]}
	for _, side := range [][]*Gossip{odd, even} {
		w.await("each lists its own fleet only", func() bool {
			for _, g := range side {
				if len(g.Members()) != 2 {
					return false
				}
			}
			return allSee(side, side...)
		})
	}
	// Not only the list: memberlist itself loses the others, since nothing is sent.
	w.await("nothing connects them", func() bool {
		for _, g := range nodes {
			if len(g.list.Members()) != 2 {
				return false
			}
		}
		return true
	})
	for _, g := range nodes {
		g.transport.mu.Lock()
		if n := len(g.transport.blocked); n != 0 {
			t.Errorf("%d processes stay blocked", n)
		}
		g.transport.mu.Unlock()
	}
	if !allSee(odd, odd...) || !allSee(even, even...) {
		t.Error("the fleets lost nodes of their own")
	}
}

// A fresh node that knows two fleets carries neither into the other, and may choose.
func TestFreshNodeBetweenTwoFleets(t *testing.T) {
	w := newWorld(t)
	ones, twos := w.fleet(2, 1), w.fleet(2, 2)
	fresh := w.start(w.config(999, ones[0], twos[0]))
	w.await("sees both", func() bool { return allSee([]*Gossip{fresh}, append(ones, twos...)...) })
	if err := fresh.UpdateMeta(func(m *Meta) { m.Fleet = 2 }); err != nil {
		t.Fatal(err)
	}
	w.await("is in one", func() bool {
		for _, g := range ones {
			if len(g.Members()) != 2 {
				return false
			}
		}
		for _, g := range append(twos, fresh) {
			if len(g.Members()) != 3 {
				return false
			}
		}
		return allSee(append(twos, fresh), append(twos, fresh)...)
	})
}
