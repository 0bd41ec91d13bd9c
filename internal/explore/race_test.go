//go:build race

package explore_test

// raceEnabled: the race detector makes a search ten times as slow and finds
// nothing, for there is one goroutine.
const raceEnabled = true
