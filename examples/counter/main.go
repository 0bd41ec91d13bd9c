// Counter runs three nodes of a fleet in one process, all in memory, and a counter
// that they replicate. A program of its own has one node, and DataDir instead of
// InMemory.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

type Counter struct{ Value int64 }

var counters = group.Define("counter", func() *Counter { return &Counter{} })

var add = group.Command(counters, "add", func(c *Counter, n int64) (int64, error) {
	c.Value += n
	return c.Value, nil
})

var get = group.Query(counters, "get", func(c *Counter, _ group.None) (int64, error) {
	return c.Value, nil
})

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	var nodes []*fleet.Node
	var join []string // the first node joins nobody: it founds the fleet
	for _, zone := range []string{"a", "b", "c"} {
		node, err := fleet.Activate(ctx, zone, fleet.Config{
			InMemory: true, Local: true, Name: "node-" + zone, Join: join, Types: []group.Type{counters},
		})
		if err != nil {
			return err
		}
		defer node.Close()
		nodes, join = append(nodes, node), []string{node.GossipAddr()}
	}
	if err := nodes[0].AddConsensusGroup(ctx, "orders", 3, counters); err != nil {
		return err
	}
	for i := range 3 { // any node takes a call for any group
		if _, err := add.Call(ctx, nodes[i], "orders", 10); err != nil {
			return err
		}
	}
	total, err := get.Call(ctx, nodes[1], "orders", group.None{})
	fmt.Println("orders:", total)
	return err
}
