package main

import (
	"context"
	"errors"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

type Counter struct{ Value int64 }

var counters = group.Define("counter", func() *Counter { return &Counter{} })
var add = group.Command(counters, "add", func(c *Counter, n int64) (int64, error) {
	c.Value += n
	return c.Value, nil
})

func count(ctx context.Context, zone, dir string, join ...string) (int64, error) {
	node, err := fleet.Activate(ctx, zone, fleet.Config{DataDir: dir, Join: join, Types: []group.Type{counters}})
	if err != nil {
		return 0, err
	}
	defer node.Close()
	err = node.AddConsensusGroup(ctx, "orders", 3, counters)
	if err != nil && !errors.Is(err, fleet.ErrGroupExists) {
		return 0, err
	}
	return add.Call(ctx, node, "orders", 1)
}
