package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/group"
	"github.com/raftfleet/raftfleet/internal/catalogue"
)

// inMemory is the configuration of the i-th node of a fleet in memory, which joins the
// nodes there are.
func inMemory(nodes []*Node, types ...group.Type) Config {
	cfg := Config{InMemory: true, Name: fmt.Sprintf("n%d", len(nodes)+1), Types: types, Local: true, Logger: slog.New(slog.DiscardHandler)}
	if len(nodes) > 0 {
		cfg.Join = []string{nodes[0].GossipAddr()}
	}
	return cfg
}

// activateOne adds an active node to a fleet in memory.
func activateOne(t *testing.T, nodes []*Node, types ...group.Type) *Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := Activate(ctx, "z", inMemory(nodes, types...))
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, n)
	return n
}

func closeAtEnd(t *testing.T, n *Node) {
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

// activateSome makes a fleet in memory.
func activateSome(t *testing.T, count int, types ...group.Type) []*Node {
	t.Helper()
	var nodes []*Node
	for range count {
		nodes = append(nodes, activateOne(t, nodes, types...))
	}
	return nodes
}

// applier applies commands to a catalogue, each as an entry of its own.
func applier(t *testing.T, c *catalogue.Machine) func(catalogue.Command) {
	return func(command catalogue.Command) {
		t.Helper()
		index := c.Index() + 1
		b, err := catalogue.Encode(command)
		if err == nil {
			_, err = c.Apply(index, int64(index), b)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.AppliedUpTo(index)
	}
}
