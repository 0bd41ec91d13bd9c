package explore_test

import (
	"flag"
	"testing"

	"github.com/raftfleet/raftfleet/internal/explore"
)

var (
	large     = flag.Bool("large", false, "search the large scopes")
	maxStates = flag.Int("states", 0, "end each search after so many states; 0: no limit")
)

// shortStates ends a search in a short test, and in one for races.
const shortStates = 100_000

// TestExhaustive searches the small scopes completely, or the large ones.
func TestExhaustive(t *testing.T) {
	scopes := explore.Small()
	if *large {
		scopes = explore.Large()
	}
	for _, scope := range scopes {
		t.Run(scope.Name, func(t *testing.T) {
			scope.MaxStates = *maxStates
			if testing.Short() || raceEnabled {
				scope.MaxStates = shortStates
			}
			result, err := explore.Run(scope)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(result.String())
			switch {
			case result.Broken != "":
				t.Error("a promise is broken")
			case scope.MaxStates == 0 && !result.Complete:
				t.Error("the search is not complete")
			case result.Leaders == 0, !scope.ElectionsOnly && result.Commits == 0, len(scope.Changes) > 0 && result.Joint == 0:
				t.Error("the search got to see nothing")
			}
		})
	}
}
