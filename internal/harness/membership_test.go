package harness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

func parse(t *testing.T, b []byte) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	must(t, err)
	return n
}

func TestANodeThatJoinsGetsItsShare(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 3}, 16)
	_, err := f.Add(ctx, "n4", "z1")
	must(t, err)
	await(t, ctx, f, "the new node to have its share", Quiet, Members(48), NodeIs("n4", "one with members and leaders", func(n view.Node) bool {
		return n.Members >= 8 && n.Leaders >= 1
	}))
	progress(t, ctx, l)
	finish(t, ctx, l)
}

func TestADrainLeavesNothingBehind(t *testing.T) {
	ctx := within(t, 90*time.Second)
	f, l := loaded(t, Config{Nodes: 4}, 12)
	leaving := f.Nodes()[3]
	must(t, f.Nodes()[0].Client().Drain(ctx, leaving.Name))
	await(t, ctx, f, "the drain", Quiet, Members(36), NodeIs(leaving.Name, "drained", func(n view.Node) bool {
		return n.State == "inactive" && n.Members == 0 && n.Leaders == 0
	}))
	p, err := f.Nodes()[0].Client().DrainProgress(ctx, leaving.Name)
	must(t, err)
	if !p.Done {
		t.Fatalf("the node is inactive and its drain is not done: %+v", p)
	}
	progress(t, ctx, l)
	must(t, leaving.Stop(ctx))
	progress(t, ctx, l)
	// Started again it takes part again.
	must(t, leaving.Restart(ctx))
	await(t, ctx, f, "the node to take part again", NodeIs(leaving.Name, "active with members", func(n view.Node) bool {
		return n.State == "active" && n.Members > 0
	}))
	finish(t, ctx, l)
}

func TestSigtermDrainsBeforeTheProcessEnds(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	f, l := loaded(t, Config{Nodes: 4, DrainTimeout: 30 * time.Second}, 12)
	leaving := f.Nodes()[0]
	must(t, leaving.Stop(ctx))
	await(t, ctx, f, "nothing to be left on the node", Led, NodeIs(leaving.Name, "empty", func(n view.Node) bool { return n.Members == 0 }))
	progress(t, ctx, l)
	must(t, leaving.Restart(ctx))
	progress(t, ctx, l)
	finish(t, ctx, l)
}

func TestAWholeFleetIsStoppedTogetherAndStartsAgain(t *testing.T) {
	ctx := within(t, 90*time.Second)
	f := New(t, Config{Nodes: 3, DrainTimeout: 30 * time.Second})
	must(t, f.AddGroups(ctx, "g", 6, 3))
	for i, group := range f.Groups() {
		_, err := f.Nodes()[i%3].Client().Call(ctx, group, "add", []byte("7"), "")
		must(t, err)
	}
	stopping, cancel := context.WithTimeout(ctx, 20*time.Second) // far less than the drain's bound
	defer cancel()
	ended := make(chan error, 3)
	for _, n := range f.Nodes() {
		go func() { ended <- n.Stop(stopping) }()
	}
	for range f.Nodes() {
		must(t, <-ended)
	}
	startTogether(t, f.Nodes())
	for _, n := range f.Nodes() {
		must(t, n.AwaitActive(ctx))
	}
	for _, group := range f.Groups() {
		got, err := f.Counter(ctx, group)
		must(t, err)
		if got != 7 {
			t.Errorf("group %s counts %d after the restart, not 7", group, got)
		}
	}
}

func TestTwoFleetsThatMeetStayApart(t *testing.T) {
	long(t)
	ctx := within(t, 2*time.Minute)
	one := New(t, Config{Nodes: 2})
	two := New(t, Config{Nodes: 2})
	must(t, one.AddGroups(ctx, "shared", 2, 2))
	must(t, two.AddGroups(ctx, "shared", 2, 2))
	for i, group := range one.Groups() {
		_, err := one.Nodes()[0].Client().Call(ctx, group, "add", []byte(strconv.Itoa(10+i)), "")
		must(t, err)
	}
	// A node of the second is told to join the first as well, and still is of the second.
	stray := two.Nodes()[1]
	stray.Kill()
	stray.alsoJoin(one.Nodes()[0].GossipAddr)
	must(t, stray.Restart(ctx))
	for _, f := range []*Fleet{one, two} {
		s := await(t, ctx, f, "both nodes", Led)
		if len(s.Nodes) != 2 {
			t.Errorf("a fleet of two nodes lists %d", len(s.Nodes))
		}
	}
	a, err := one.Status(ctx)
	must(t, err)
	b, err := two.Status(ctx)
	must(t, err)
	if a.FleetID == b.FleetID {
		t.Errorf("two foundings have one id, %s", a.FleetID)
	}
	for _, group := range two.Groups() {
		got, err := two.Counter(ctx, group)
		must(t, err)
		if got != 0 {
			t.Errorf("group %s of the second fleet counts %d: what the first was told", group, got)
		}
	}
}

func TestHazard36_ANameIsRemovedAndAddedAgainWhileANodeIsAway(t *testing.T) {
	ctx := within(t, 90*time.Second)
	f := New(t, Config{Nodes: 3})
	must(t, f.AddGroups(ctx, "g", 3, 3))
	name := f.Groups()[0]
	add := func(by string) int64 {
		t.Helper()
		b, err := f.Running()[0].Client().Call(ctx, name, "add", []byte(by), "")
		must(t, err)
		return parse(t, b)
	}
	add("1000")
	away := f.Nodes()[2]
	away.Kill()
	client := f.Nodes()[0].Client()
	await(t, ctx, f, "all groups to be led", Led)
	must(t, client.RemoveGroup(ctx, name, false))
	var gone *admin.Error
	if _, err := client.Query(ctx, name, "get", nil, false, 0); !errors.As(err, &gone) || gone.Class != admin.KindNotFound {
		t.Fatalf("a query of the removed group: %v, not %s", err, admin.KindNotFound)
	}
	must(t, client.AddGroup(ctx, name, "counter", 3, false))
	if got := add("1"); got != 1 {
		t.Fatalf("the new group of the old name counts %d, not 1", got)
	}
	must(t, away.Restart(ctx))
	// It takes part again once it votes in the catalogue and answers the new group's
	// leader: before that, the first node is still needed for both.
	await(t, ctx, f, "all groups at rest and the node that was away a part of them", Quiet, Members(9), func(s view.Status) error {
		if len(s.Catalogue.Voters) != 3 {
			return fmt.Errorf("the catalogue has %d voters", len(s.Catalogue.Voters))
		}
		g, err := client.Group(ctx, name)
		if err != nil {
			return err
		}
		for _, m := range g.Members {
			if m.Unresponsive {
				return fmt.Errorf("the member on node %s does not answer", m.Node)
			}
		}
		return nil
	})
	// The one that was away must neither answer nor vote with what it has of the old one.
	b, err := away.Client().Query(ctx, name, "get", nil, false, 0)
	must(t, err)
	if got := parse(t, b); got != 1 {
		t.Fatalf("the node that was away answers %d, not 1", got)
	}
	f.Nodes()[0].Kill()
	if got := add("1"); got != 2 {
		t.Fatalf("with the node that was away as a part of the quorum it counts %d, not 2", got)
	}
}
