package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

type counter struct{ N int64 }

var (
	counterType = group.Define("counter", func() *counter { return &counter{} })
	add         = group.Command(counterType, "add", func(c *counter, by int64) (int64, error) { c.N += by; return c.N, nil })
	get         = group.Query(counterType, "get", func(c *counter, _ group.None) (int64, error) { return c.N, nil })
)

func testConfig(t *testing.T, name string, join ...string) fleet.Config {
	level := slog.LevelWarn
	if os.Getenv("FLEET_TEST_DEBUG") != "" {
		level = slog.LevelDebug
	}
	return fleet.Config{
		DataDir: t.TempDir(), Name: name, Types: []group.Type{counterType}, Join: join, Local: true,
		Settle: 300 * time.Millisecond, Admin: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
}

func activate(t *testing.T, zone string, cfg fleet.Config) *fleet.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := fleet.Activate(ctx, zone, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func startFleet(t *testing.T, nodes, zones int) []*fleet.Node {
	t.Helper()
	var out []*fleet.Node
	for i := range nodes {
		var join []string
		if i > 0 {
			join = []string{out[0].GossipAddr()}
		}
		out = append(out, activate(t, fmt.Sprintf("zone-%d", i%zones), testConfig(t, fmt.Sprintf("n%d", i+1), join...)))
	}
	return out
}

func TestOneNode(t *testing.T) {
	n := startFleet(t, 1, 1)[0]
	if err := n.AddConsensusGroup(t.Context(), "orders", 1, counterType); err != nil {
		t.Fatal(err)
	}
	for want := int64(1); want <= 3; want++ {
		if got, err := add.Call(t.Context(), n, "orders", 1); err != nil || got != want {
			t.Fatalf("add: %d, %v; want %d", got, err, want)
		}
	}
	if got, err := get.Call(t.Context(), n, "orders", group.None{}); err != nil || got != 3 {
		t.Fatalf("get: %d, %v", got, err)
	}
}

func TestThreeNodes(t *testing.T) {
	nodes := startFleet(t, 3, 3)
	for i := range 10 {
		if err := nodes[i%3].AddConsensusGroup(t.Context(), fmt.Sprintf("g%d", i), 3, counterType); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		for k, n := range nodes {
			if got, err := add.Call(t.Context(), n, fmt.Sprintf("g%d", i), 1); err != nil || got != int64(k+1) {
				t.Fatalf("group %d through node %s: %d, %v", i, n.Name(), got, err)
			}
		}
	}
	s, err := nodes[1].Status(t.Context())
	if err != nil || s.Groups != 10 || len(s.Nodes) != 3 || s.GroupsWithoutLeader != 0 {
		t.Fatalf("status: %+v, %v", s, err)
	}
}
