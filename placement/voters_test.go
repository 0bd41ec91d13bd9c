package placement

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/ident"
)

func TestCatalogueVotersBySize(t *testing.T) {
	for active, want := range []int{0, 1, 1, 3, 3, 5, 5, 5} {
		if got := CatalogueVoters(fleetOf(active), nil); len(got) != want {
			t.Errorf("%d active nodes: voters %v, want %d", active, got, want)
		}
	}
}

func TestCatalogueVotersStay(t *testing.T) {
	nodes := fleetOf(2, 2, 2)
	voters := CatalogueVoters(nodes, nil)
	if got := CatalogueVoters(setState(nodes, voters[1], Suspect), voters); !slices.Equal(got, voters) {
		t.Errorf("a suspicion changes %v to %v", voters, got)
	}
	got := CatalogueVoters(setState(nodes, voters[1], Dead), voters)
	kept := 0
	for _, id := range got {
		if slices.Contains(voters, id) {
			kept++
		}
	}
	if len(got) != 5 || kept != 4 || slices.Contains(got, voters[1]) {
		t.Errorf("after the death of %s %v became %v", voters[1], voters, got)
	}
}

func TestCatalogueVotersLastResort(t *testing.T) {
	nodes := fleetOf(3)
	current := []ident.NodeID{1, 2, 3}
	for _, n := range current[:2] {
		nodes = setState(nodes, n, Dead)
	}
	if got := CatalogueVoters(setState(nodes, 3, Draining), current); !slices.Equal(got, []ident.NodeID{3}) {
		t.Errorf("only a draining node lives: %v", got)
	}
	whole := setState(setState(setState(fleetOf(3), 1, Draining), 2, Inactive), 3, Draining)
	if got := CatalogueVoters(whole, current); !slices.Equal(got, current) {
		t.Errorf("a whole fleet drains, its nodes will need each other when they start again: %v", got)
	}
	if got := CatalogueVoters(setState(nodes, 3, Dead), current); !slices.Equal(got, current) {
		t.Errorf("nobody lives: %v", got)
	}
}

func TestCatalogueVotersWhileADrainLeavesTooFew(t *testing.T) {
	three := fleetOf(1, 1, 1)
	current := []ident.NodeID{1, 2, 3}
	if got := CatalogueVoters(setState(three, 2, Draining), current); !slices.Equal(got, current) {
		t.Errorf("one of three drains: %v", got)
	}
	if got := CatalogueVoters(setState(three, 2, Inactive), current); !slices.Equal(got, current) {
		t.Errorf("one of three is drained: %v", got)
	}
	if got := CatalogueVoters(setState(setState(three, 1, Draining), 2, Draining), current); !slices.Equal(got, current) {
		t.Errorf("two of three drain: %v", got)
	}
	if got := CatalogueVoters(setState(setState(three, 1, Inactive), 2, Draining), current); !slices.Equal(got, []ident.NodeID{3}) {
		t.Errorf("one of three is drained and another drains: when both are gone the third must do alone: %v", got)
	}
	if got := CatalogueVoters(setState(setState(three, 1, Inactive), 2, Inactive), current); !slices.Equal(got, []ident.NodeID{3}) {
		t.Errorf("two of three are drained, and their processes end: %v", got)
	}
	if got := CatalogueVoters(setState(three, 2, Dead), current); len(got) != 1 || got[0] == 2 {
		t.Errorf("one of three is drained and gone: %v", got)
	}
	if got := CatalogueVoters(setState(setState(setState(three, 1, Draining), 2, Suspect), 3, Inactive), current); !slices.Equal(got, current) {
		t.Errorf("one drains, one is suspect and one is drained: %v", got)
	}
	if got := CatalogueVoters(setState(setState(setState(three, 1, Dead), 2, Suspect), 3, Draining), current); !slices.Equal(got, current) {
		t.Errorf("one is dead, one suspect, and one drains: %v", got)
	}
	if got := CatalogueVoters(setState(fleetOf(1, 1, 1, 1), 2, Draining), current); !slices.Equal(got, []ident.NodeID{1, 3, 4}) {
		t.Errorf("one of four drains: %v", got)
	}
}

func TestPropertyCatalogueVoters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		var current []ident.NodeID
		for _, n := range nodes {
			if rapid.IntRange(0, 2).Draw(t, "votes") == 0 {
				current = append(current, n.ID)
			}
		}
		got := CatalogueVoters(nodes, current)
		if again := CatalogueVoters(rapid.Permutation(nodes).Draw(t, "order"), got); !slices.Equal(again, got) {
			t.Fatalf("%v, then %v", got, again)
		}
		able, zones, most := 0, make(map[string]int), 0
		for _, n := range nodes {
			if n.State == Active || n.State.stays() && slices.Contains(current, n.ID) {
				able++
			}
			if slices.Contains(got, n.ID) {
				if zones[n.Zone]++; zones[n.Zone] > zones[""] && zones[n.Zone] > most {
					most = zones[n.Zone]
				}
			}
		}
		if able == 0 {
			return
		}
		leaving, drained, active := 0, 0, 0
		for _, n := range nodes {
			switch votes := slices.Contains(current, n.ID); {
			case n.State == Draining && votes:
				leaving++
			case n.State == Inactive && votes:
				drained = 1
			case n.State == Active:
				active++
			}
		}
		if active >= 2 {
			leaving += drained
		}
		if active == 0 && able < 3 && able+leaving < 3 {
			if !slices.Equal(got, uniqueSorted(current)) {
				t.Fatalf("no node is active, and %v became %v", current, got)
			}
			return
		}
		want := []int{1, 1, 1, 3, 3, 5}[min(able, 5)]
		if able < 3 && able+leaving >= 3 {
			want = 3
		}
		if len(got) != want {
			t.Fatalf("%d nodes can vote, voters %v", able, got)
		}
		for _, n := range nodes {
			switch voted := slices.Contains(got, n.ID); {
			case voted && (n.State == Draining || n.State == Inactive) && able < 3 && slices.Contains(current, n.ID):
			case voted && !n.State.stays():
				t.Fatalf("%s node %s votes although others can", n.State, n.ID)
			case voted && n.State != Active && !slices.Contains(current, n.ID):
				t.Fatalf("%s node %s was chosen", n.State, n.ID)
			}
		}
		going := 0
		for _, n := range nodes {
			if n.State == Inactive && slices.Contains(got, n.ID) {
				going++
			}
		}
		if going*2 >= len(got) {
			t.Fatalf("of the voters %v, %d are drained: they may end and take the quorum with them", got, going)
		}
		// An active voter is never two above a zone with an active node to spare.
		for _, a := range nodes {
			for _, b := range nodes {
				if a.State == Active && slices.Contains(got, a.ID) && b.State == Active && !slices.Contains(got, b.ID) &&
					zones[a.Zone] >= zones[b.Zone]+2 {
					t.Fatalf("zones %v: %s could vote instead of %s", zones, b.ID, a.ID)
				}
			}
		}
	})
}
