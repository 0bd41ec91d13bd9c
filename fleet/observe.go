package fleet

import (
	"context"
	"sync"

	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
)

// Before a node is given up others are asked whether they hear it. The planner waits
// for what they say, so they are asked beside each other: one of them may be frozen.

// spareObservers is how many more are asked at once than must agree.
const spareObservers = 2

// missed asks the other nodes about some that are not heard here, and returns those
// that nobody who was asked hears and enough miss.
func (n *Node) missed(ctx context.Context, nodes []ident.NodeID) map[ident.NodeID]bool {
	c := n.catalogue.Load()
	if len(nodes) == 0 || c == nil {
		return nil
	}
	limits, _ := planner.FromSettings(c.Settings(), n.cfg.limits())
	others := n.activeNodes()
	return n.observe(ctx, nodes, others, min(limits.Observers, len(others)), // all there are, when they are fewer
		func(ctx context.Context, observer, node ident.NodeID) (heard bool, err error) {
			b, err := n.ask(ctx, observer, appendGroup(nil, opObserve, ident.GroupID(node), nil))
			return len(b) == 1 && b[0] == 1, err
		})
}

// observe asks observers about nodes until so many as wanted miss each node, or one
// hears it. Who fails to answer is asked nothing more, and another in its place; who is
// slow is not waited for when the others have said enough.
func (n *Node) observe(ctx context.Context, nodes, observers []ident.NodeID, wanted int, ask func(ctx context.Context, observer, node ident.NodeID) (bool, error)) map[ident.NodeID]bool {
	asking, enough := exec.WithCancel(ctx, n.exec)
	defer enough()
	var mu sync.Mutex
	heard, agree := make(map[ident.NodeID]bool), make(map[ident.NodeID]int)
	known := func(node ident.NodeID) bool {
		mu.Lock()
		defer mu.Unlock()
		return heard[node] || agree[node] >= wanted
	}
	take := func(node ident.NodeID, hears bool) {
		mu.Lock()
		defer mu.Unlock()
		if hears {
			heard[node] = true
		} else {
			agree[node]++
		}
		for _, node := range nodes {
			if !heard[node] && agree[node] < wanted {
				return
			}
		}
		enough()
	}
	_ = n.each(len(observers), wanted+spareObservers, func(i int) error {
		for _, node := range nodes {
			if asking.Err() != nil || known(node) {
				continue
			}
			hears, err := ask(asking, observers[i], node)
			if err != nil {
				return nil // the next observer is asked instead
			}
			take(node, hears)
		}
		return nil
	})
	missed := make(map[ident.NodeID]bool, len(nodes))
	for _, node := range nodes {
		missed[node] = !heard[node] && agree[node] >= wanted
	}
	return missed
}
