package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// A group that is asked for begins with members on all the nodes that are active by
// then, whichever node is asked: its copy of the catalogue may not have heard of the
// youngest one.
func TestANewGroupBeginsOnANodeThatJustJoined(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type nothing struct{}
	typ := group.Define("nothing", func() *nothing { return new(nothing) })
	var nodes []*Node
	for i := range 5 {
		n := activateOne(t, nodes, typ)
		nodes = append(nodes, n)
		var all sync.WaitGroup
		for at, asked := range nodes[:i] {
			all.Go(func() {
				for heard := asked.gossipChanged.wait(); !asked.hears(n.id); heard = asked.gossipChanged.wait() {
					if err := asked.await(ctx, time.Second, heard); err != nil {
						t.Error(err)
						return
					}
				}
				name := fmt.Sprintf("g%d-%d", i, at)
				if err := asked.AddConsensusGroup(ctx, name, len(nodes), typ); err != nil {
					t.Error(err)
					return
				}
				if g, err := asked.groupNow(ctx, name); err != nil {
					t.Error(err)
				} else if len(g.First) != len(nodes) {
					t.Errorf("a group asked for at node %s, of %d active nodes, began with %d members", asked.cfg.Name, len(nodes), len(g.First))
				}
			})
		}
		all.Wait()
	}
}

// New groups pass over nodes that came back a short while ago, unless others are too few
// or their zone would be left out.
func TestNewGroupsPreferNodesThatStayed(t *testing.T) {
	node := func(id ident.NodeID, zone string, returned bool) placement.Node {
		return placement.Node{ID: id, Zone: zone, State: placement.Active, Returned: returned}
	}
	nodes := []placement.Node{node(1, "a", true), node(2, "a", false), node(3, "b", true), node(4, "b", true), node(5, "c", false), node(6, "c", false)}
	for replicas, want := range map[int][]ident.NodeID{3: {2, 3, 4, 5, 6}, 5: {2, 3, 4, 5, 6}, 6: {1, 2, 3, 4, 5, 6}} {
		var got []ident.NodeID
		for _, n := range preferTrusted(slices.Clone(nodes), replicas) {
			if got = append(got, n.ID); n.Returned {
				t.Errorf("node %d could not be chosen", n.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %d members: %v, want %v", replicas, got, want)
		}
	}
}
