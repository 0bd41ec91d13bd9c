package explore_test

import (
	"flag"
	"testing"

	"github.com/raftfleet/raftfleet/internal/explore"
)

var (
	complete  = flag.Bool("complete", false, "search the small scopes to their end, not only their first states")
	large     = flag.Bool("large", false, "search the large scopes")
	maxStates = flag.Int("states", 0, "end each search after so many states; 0: no limit")
)

// firstStates is how far a search goes that is not to be complete; raceStates where
// the race detector looks on.
const (
	firstStates = 100_000
	raceStates  = 10_000
)

// TestExhaustive searches the small scopes: the first states of each, or with
// -complete all; or the large ones.
func TestExhaustive(t *testing.T) {
	scopes := explore.Small()
	if *large {
		scopes = explore.Large()
	}
	for _, scope := range scopes {
		t.Run(scope.Name, func(t *testing.T) {
			scope.MaxStates = *maxStates
			switch {
			case raceEnabled:
				scope.MaxStates = raceStates
			case !*complete && !*large:
				scope.MaxStates = firstStates
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
