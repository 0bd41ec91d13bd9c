package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/gossip"
	"github.com/raftfleet/raftfleet/internal/assemble"
	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/internal/planner"
	"github.com/raftfleet/raftfleet/placement"
)

// hearsAllBut is the gossip of a node that hears all others but some.
type hearsAllBut struct {
	assemble.Gossip
	gone []ident.NodeID
}

func (h hearsAllBut) Member(id ident.NodeID) (gossip.Member, bool) {
	return gossip.Member{Alive: !slices.Contains(h.gone, id)}, true
}

// clockAt is a clock that stands still.
type clockAt struct {
	exec.Exec
	now time.Time
}

func (c clockAt) Now() time.Time { return c.now }

// watcher is a node that only looks: it hears all nodes but some, an hour after the log
// of catalogueOf began.
func watcher(gone ...ident.NodeID) *Node {
	return &Node{id: 99, gossip: hearsAllBut{gone: gone}, exec: clockAt{now: time.Unix(0, int64(time.Hour))}}
}

func drainOf(t *testing.T, n *Node, c *catalogue.Machine, id ident.NodeID) (members, stuck int, blocked, later []string) {
	t.Helper()
	node, ok := c.Node(id)
	if !ok {
		t.Fatalf("no node %d", id)
	}
	p := n.drainOf(c, node)
	return p.Members, p.Stuck, p.Blocked, p.Later
}

func groupOn(name string, members ...ident.NodeID) catalogue.Command {
	return &catalogue.AddGroup{Name: name, Type: "t", Replicas: len(members), Members: members, Preferred: members[0]}
}

func TestADrainSaysWhatCannotLeaveAndWhy(t *testing.T) {
	drain := &catalogue.SetNodeState{ID: 1, To: placement.Draining}
	with := func(nodes int, more ...catalogue.Command) []catalogue.Command {
		return append(append(nodesIn(nodes), more...), drain)
	}
	key, text := planner.Pause{By: "ana", Reason: "new disks"}.Setting()
	back := &catalogue.SetTargets{Targets: []catalogue.Target{{Group: ident.Catalogue + 1, IfEpoch: 1, Members: []ident.NodeID{1, 2, 3}, Preferred: 2, Back: true, Rest: int64(time.Minute)}}}
	settled := &catalogue.Report{Group: ident.Catalogue + 1, Index: 9, Epoch: 2, Members: []catalogue.Member{{ID: 1, Node: 1}, {ID: 2, Node: 2}, {ID: 3, Node: 3}}}
	for _, c := range []struct {
		what           string
		commands       []catalogue.Command
		gone           []ident.NodeID
		members, stuck int
		blocked, later []string
	}{
		{"nothing is in the way", with(4, groupOn("g", 1, 2, 3)), []ident.NodeID{2}, 1, 0, nil, nil},
		{"a group without a quorum", with(6, groupOn("g", 1, 2, 3), groupOn("h", 1, 4, 5)), []ident.NodeID{2, 3}, 2, 1, []string{"g: 2 of its 3 members are on nodes that are gone: n2, n3"}, nil},
		{"no other node", with(3, groupOn("g", 1, 2, 3)), nil, 1, 1, []string{"g: no other active node can take its member"}, nil},
		{"a pause", with(4, groupOn("g", 1, 2, 3), groupOn("h", 1, 2), &catalogue.SetSettings{Settings: map[string]string{key: text}}), nil, 2, 2,
			[]string{"2 groups: moves are paused by ana: new disks"}, nil},
		{"the brake holds no drain", with(5, groupOn("g", 1, 2, 3), &catalogue.SetNodeState{ID: 4, To: placement.Suspect}, &catalogue.SetNodeState{ID: 3, To: placement.Suspect}), []ident.NodeID{3, 4}, 1, 0, nil, nil},
		{"a move that failed", with(4, groupOn("g", 1, 2, 3), back, settled), nil, 1, 0, nil, []string{"g: its move failed (1 time so far); it is tried again at 1970-01-01 01:01:00"}},
	} {
		members, stuck, blocked, later := drainOf(t, watcher(c.gone...), catalogueOf(t, c.commands...), 1)
		if members != c.members || stuck != c.stuck || !slices.Equal(blocked, c.blocked) || !slices.Equal(later, c.later) {
			t.Errorf("%s: %d members, %d stuck, blocked %q, later %q", c.what, members, stuck, blocked, later)
		}
	}
}

func TestADrainNamesTheFirstThatCannotLeaveAndCountsTheRest(t *testing.T) {
	commands := nodesIn(3)
	for i := range mostProblems + 5 {
		commands = append(commands, groupOn("g"+string(rune('a'+i)), 1, 2, 3))
	}
	members, stuck, blocked, _ := drainOf(t, watcher(), catalogueOf(t, append(commands, &catalogue.SetNodeState{ID: 1, To: placement.Draining})...), 1)
	if members != mostProblems+5 || stuck != members || len(blocked) != mostProblems+1 || blocked[mostProblems] != "and 5 more groups" {
		t.Errorf("%d members, %d stuck, blocked %q", members, stuck, blocked)
	}
}

// What moved is counted from when the drain was asked for, or from the first look at it.
func TestADrainCountsWhatMoved(t *testing.T) {
	var d drains
	node := catalogue.Node{ID: 1, State: placement.Active, Since: 5}
	looks := func(state placement.State, since int64, members, want int) {
		t.Helper()
		node.State, node.Since = state, since
		if got := d.moved(node, members); got != want {
			t.Errorf("%s since %d, %d members: %d moved, want %d", state, since, members, got, want)
		}
	}
	looks(placement.Draining, 6, 8, 0) // somebody else asked for it
	looks(placement.Draining, 6, 5, 3)
	looks(placement.Inactive, 7, 0, 8)
	looks(placement.Active, 8, 0, 0)
	d.begin(catalogueOf(t, append(nodesIn(3), groupOn("g", 1, 2), groupOn("h", 1, 3), groupOn("i", 2, 3))...), 1)
	looks(placement.Active, 8, 2, 0) // the copy here does not have it yet
	looks(placement.Draining, 9, 1, 1)
	looks(placement.Inactive, 10, 0, 2)
	looks(placement.Draining, 11, 3, 0) // and once more
	looks(placement.Draining, 11, 1, 2)
}
