package quorum

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Committed is the highest value that a majority has reached: a majority has
// it, and no majority has more.
func TestCommittedIsWhatAMajorityHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reached := rapid.SliceOfN(rapid.Uint64Range(0, 9), 1, 9).Draw(t, "reached")
		committed := Committed(slices.Clone(reached))
		have, more := 0, 0
		for _, v := range reached {
			if v >= committed {
				have++
			}
			if v > committed {
				more++
			}
		}
		if have < Majority(len(reached)) || more >= Majority(len(reached)) {
			t.Fatalf("Committed(%v) = %d", reached, committed)
		}
	})
}

func TestNobodyHindersNothing(t *testing.T) {
	if Committed(nil) != math.MaxUint64 || Vote(0, 0, 0) != Won {
		t.Fatal("a set without voters decided something")
	}
}

// An election is won or lost exactly when the votes still out cannot change it.
func TestVoteIsDecidedWhenItCannotChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		voters := rapid.IntRange(1, 9).Draw(t, "voters")
		yes := rapid.IntRange(0, voters).Draw(t, "yes")
		no := rapid.IntRange(0, voters-yes).Draw(t, "no")
		worst := yes >= Majority(voters)
		best := voters-no >= Majority(voters)
		want := Pending
		switch {
		case worst:
			want = Won
		case !best:
			want = Lost
		}
		if got := Vote(voters, yes, no); got != want {
			t.Fatalf("Vote(%d, %d, %d) = %v, want %v", voters, yes, no, got, want)
		}
	})
}

func TestBoth(t *testing.T) {
	for _, c := range []struct{ a, b, want Result }{
		{Won, Won, Won}, {Won, Pending, Pending}, {Pending, Pending, Pending},
		{Won, Lost, Lost}, {Lost, Pending, Lost}, {Lost, Lost, Lost},
	} {
		if got := Both(c.a, c.b); got != c.want || Both(c.b, c.a) != c.want {
			t.Errorf("Both(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestCommittedAllocatesNothing(t *testing.T) {
	reached := []uint64{3, 1, 4, 1, 5}
	if n := testing.AllocsPerRun(100, func() { Committed(reached) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestNames(t *testing.T) {
	for result, want := range map[Result]string{Pending: "pending", Lost: "lost", Won: "won"} {
		if result.String() != want {
			t.Errorf("%v, want %s", result, want)
		}
	}
}
