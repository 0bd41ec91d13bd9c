package fleet

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"

	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// A node is missed when enough others miss it and none that was asked hears it, however
// many of the observers cannot be asked.
func TestANodeIsMissedByTheWordOfEnoughOthers(t *testing.T) {
	const hears, misses, fails = 'h', 'm', 'f'
	for _, c := range []struct {
		observers string
		wanted    int
		missed    bool
	}{
		{"", 0, true}, {"m", 1, true}, {"h", 1, false}, {"f", 1, false},
		{"mm", 2, true}, {"mf", 2, false}, {"hm", 2, false}, {"mh", 2, false},
		{"fffffmm", 2, true}, {"fffffmf", 2, false}, {"mmm", 3, true}, {"fhf", 1, false},
	} {
		n := &Node{exec: exec.System}
		var observers []ident.NodeID
		for i := range c.observers {
			observers = append(observers, ident.NodeID(i))
		}
		got := n.observe(t.Context(), []ident.NodeID{99}, observers, c.wanted, func(_ context.Context, observer, node ident.NodeID) (bool, error) {
			if node != 99 {
				t.Errorf("asked about node %d", node)
			}
			if c.observers[observer] == fails {
				return false, errors.New("no answer")
			}
			return c.observers[observer] == hears, nil
		})
		if !maps.Equal(got, map[ident.NodeID]bool{99: c.missed}) {
			t.Errorf("%q, %d wanted: %v", c.observers, c.wanted, got)
		}
	}
}

// Observers that are frozen hold nobody up, and are asked about one of many nodes only.
func TestAFrozenObserverIsNotWaitedFor(t *testing.T) {
	n := &Node{exec: exec.System}
	var nodes []ident.NodeID
	for id := range ident.NodeID(200) {
		nodes = append(nodes, 100+id)
	}
	var mu sync.Mutex
	asked := make(map[ident.NodeID]int)
	frozen := func(observer ident.NodeID) bool { return observer <= 2 }
	got := n.observe(t.Context(), nodes, []ident.NodeID{1, 2, 3, 4, 5}, 2, func(ctx context.Context, observer, node ident.NodeID) (bool, error) {
		mu.Lock()
		asked[observer]++
		mu.Unlock()
		if frozen(observer) {
			<-ctx.Done() // it never answers
			return false, ctx.Err()
		}
		return node%2 == 0, nil
	})
	for _, node := range nodes {
		if got[node] != (node%2 == 1) {
			t.Errorf("node %d: %v", node, got[node])
		}
	}
	if asked[1] > 1 || asked[2] > 1 {
		t.Errorf("frozen observers were asked %d and %d times", asked[1], asked[2])
	}
}
