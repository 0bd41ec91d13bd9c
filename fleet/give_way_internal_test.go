package fleet

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// However many groups of a node wait to be led elsewhere, they ask the planner a few
// times a second together, and each within half a minute.
func TestGroupsThatWaitForTheirPreferredLeaderAskSeldom(t *testing.T) {
	var w wayGivers
	if after := w.wait(1); after != preferredRetry {
		t.Errorf("the only one that waits asks again after %s", after)
	}
	var after time.Duration
	for g := range ident.GroupID(60) {
		after = w.wait(g + 1)
	}
	if after != 15*time.Second {
		t.Errorf("60 groups ask again after %s each: 4 a second is 15s", after)
	}
	for g := range ident.GroupID(1000) {
		after = w.wait(g + 1)
	}
	if after != mostPreferredRetry {
		t.Errorf("1000 groups ask again after %s each", after)
	}
}

// While moves are paused they do not ask at all; when that ends, all do.
func TestGroupsThatWaitAskAgainWhenMovesAreResumed(t *testing.T) {
	var w wayGivers
	w.wait(7)
	w.wait(3)
	if out := w.pause(true); out != nil || w.ask() {
		t.Fatalf("a pause begins: %v", out)
	}
	if after := w.wait(5); after != mostPreferredRetry {
		t.Errorf("while moves are paused it is looked again after %s", after)
	}
	w.forget(7)
	if out := w.pause(false); len(out) != 2 || out[0] != 3 || out[1] != 5 {
		t.Errorf("the pause ends for %v", out)
	}
	if out := w.pause(false); out != nil {
		t.Errorf("it ends twice, for %v", out)
	}
	if !w.ask() || w.ask() {
		t.Error("of two that would ask at the same time, one does")
	}
	if w.asked(); !w.ask() {
		t.Error("when it was answered the next one asks")
	}
}

// The place of a group whose transfer is over goes to the others that wait, in turn.
func TestGroupsThatWaitFollowOneAnother(t *testing.T) {
	var w wayGivers
	for _, g := range []ident.GroupID{9, 4, 6} {
		w.wait(g)
	}
	after := ident.GroupID(5)
	for _, want := range []ident.GroupID{6, 9, 4, 0} {
		next, ok := w.next(after)
		if next != want || ok != (want != 0) {
			t.Fatalf("after %d comes %d, %v: want %d", after, next, ok, want)
		}
		after = next
	}
}

// A step that fails is tried ten times a second, and told once.
func TestAStepIsToldOnceForEachTarget(t *testing.T) {
	var m mover
	m.init()
	step := stepTold{term: 2, epoch: 5, text: "change members"}
	for i := range 3 {
		if m.tells(1, step) != (i == 0) {
			t.Errorf("try %d", i)
		}
	}
	next, again := step, step
	next.text, again.epoch = "transfer leadership", 6
	for _, s := range []stepTold{next, step, again} {
		if !m.tells(1, s) {
			t.Errorf("%+v is not told", s)
		}
	}
	m.led(1)
	if !m.tells(1, again) {
		t.Error("it is not told by the next leadership")
	}
}
