package explore

import (
	"strings"
	"testing"

	"github.com/raftfleet/raftfleet/consensus"
)

func TestQuorums(t *testing.T) {
	for _, c := range []struct {
		a, b    quorums
		overlap bool
	}{
		{quorums{0b111}, quorums{0b111}, true},
		{quorums{0b111}, quorums{0b1111}, true},
		{quorums{0b111}, quorums{0b001}, false},
		{quorums{0b001, 0b111}, quorums{0b111}, true},
		{quorums{0b001, 0b111}, quorums{0b001}, true},
		{quorums{0b0011}, quorums{0b1100}, false},
	} {
		if c.a.overlap(c.b) != c.overlap || c.b.overlap(c.a) != c.overlap {
			t.Errorf("%03b and %03b: overlap is not %v", c.a, c.b, c.overlap)
		}
	}
	if joint := (quorums{0b001, 0b111}); joint.agree(0b001) || joint.agree(0b110) || !joint.agree(0b011) {
		t.Error("a joint decision needs both majorities")
	}
}

// TestScopeTooLarge: what the search has no room for is refused, not cut off.
func TestScopeTooLarge(t *testing.T) {
	for _, scope := range []Scope{
		{Members: 5, MaxTerm: 2}, {Members: 0, MaxTerm: 2}, {Members: 3, Voters: 4, MaxTerm: 2},
		{Members: 3, MaxTerm: maxTerms}, {Members: 3, MaxTerm: 2, Commands: maxIndex},
	} {
		if _, err := Run(scope); err == nil {
			t.Errorf("searched %+v", scope)
		}
	}
}

// TestIncompleteSaysSo: a search that ends early does not claim to be complete,
// and the same search finds the same.
func TestIncompleteSaysSo(t *testing.T) {
	scope := Scope{Name: "some", Members: 3, MaxTerm: 3, Commands: 1, MaxStates: 1000}
	first, err := Run(scope)
	if err != nil {
		t.Fatal(err)
	}
	if first.Complete || first.States < 1000 || !strings.Contains(first.String(), "before it was complete") {
		t.Errorf("%v", first.String())
	}
	if second, err := Run(scope); err != nil || second.String() != first.String() {
		t.Errorf("another result: %v, error %v", second.String(), err)
	}
}

// TestPathTellsEveryKindOfStep follows a few ways to their beginnings.
func TestPathTellsEveryKindOfStep(t *testing.T) {
	kinds := map[action]string{}
	var x *search
	for _, scope := range []Scope{
		{Name: "small", Members: 2, MaxTerm: 2, Commands: 1, Reads: 1, Ticks: 1, Beats: 2, Wakes: 1, Sleep: true, Campaigns: 1, MaxStates: 20_000},
		{
			Name: "all", Members: 3, MaxTerm: 2, Commands: 1, Crashes: 1, Beats: 1, Transfers: 1, SlowDisks: 1,
			Changes: []consensus.Change{{Remove: []consensus.MemberID{3}}}, ChangesMade: 1, MaxStates: 20_000,
		},
	} {
		var err error
		if x, err = newSearch(scope); err != nil {
			t.Fatal(err)
		}
		if _, err := x.run(); err != nil {
			t.Fatal(err)
		}
		for n := 1; n < len(x.worlds.all); n++ {
			kinds[x.worlds.by[n].kind()] = x.tell(int(x.worlds.actor[n]), x.worlds.by[n], &x.worlds.all[n])
		}
	}
	for _, want := range []string{"->", "durable", "timer", "heartbeat", "command", "change", "transfer", "crash", "read 1", "a tick", "seems to be gone"} {
		found := false
		for _, told := range kinds {
			found = found || strings.Contains(told, want)
		}
		if !found {
			t.Errorf("no step tells of %q: %v", want, kinds)
		}
	}
	x.brokenAt, x.brokenWorld = uint32(len(x.worlds.all)-1), x.worlds.all[len(x.worlds.all)-1]
	if path := x.path(); len(path) < 3 || !strings.Contains(strings.Join(path, ""), "timer") {
		t.Errorf("path %q", path)
	}
}
