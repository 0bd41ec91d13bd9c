package main

import (
	"os"
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/group"
)

// A node that starts again on its folder has all that it acknowledged.
func TestCountsOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	for want := int64(1); want <= 3; want++ {
		if n, err := count(t.Context(), "a", dir); err != nil || n != want {
			t.Fatalf("%d, %v; want %d", n, err, want)
		}
	}
}

// Given the address of another node, it counts in that one's fleet.
func TestJoins(t *testing.T) {
	first, err := fleet.Activate(t.Context(), "a", fleet.Config{InMemory: true, Types: []group.Type{counters}})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := first.AddConsensusGroup(t.Context(), "orders", 1, counters); err != nil {
		t.Fatal(err)
	}
	if _, err := add.Call(t.Context(), first, "orders", 41); err != nil {
		t.Fatal(err)
	}
	if n, err := count(t.Context(), "b", t.TempDir(), first.GossipAddr()); err != nil || n != 42 {
		t.Fatalf("%d, %v; want 42", n, err)
	}
}

// The README shows this program: it must be the one that compiles.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("counter.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\ntype Counter")
	if !strings.Contains(string(readme), "type Counter"+program) {
		t.Error("README.md does not show examples/counter/counter.go as it is: copy it, from `type Counter` to the end")
	}
}
