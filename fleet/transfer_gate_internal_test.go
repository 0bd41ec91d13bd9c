package fleet

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// No more transfers are under way than may be; one that is over, or was forgotten, makes
// room for the next, and one that asks again takes no second place.
func TestTransfersAreBounded(t *testing.T) {
	var g transferGate
	now := time.Unix(1, 0)
	admitted := func(ids ...ident.GroupID) (n int) {
		for _, id := range ids {
			if g.grant(id, now, 3) {
				n++
			}
		}
		return n
	}
	if n := admitted(2, 3, 4, 5, 6); n != 3 {
		t.Fatalf("%d are admitted at once, 3 may be", n)
	}
	if n := admitted(2, 3, 4); n != 3 {
		t.Errorf("%d of 3 may go on that ask again", n)
	}
	g.over(3)
	if n := admitted(5, 6); n != 1 {
		t.Errorf("%d are admitted after one was over", n)
	}
	now = now.Add(grantFor)
	if n := admitted(7, 8, 9, 10); n != 3 {
		t.Errorf("%d are admitted after all grants ended", n)
	}
	g.clear()
	if n := admitted(2, 3, 4, 5); n != 3 {
		t.Errorf("%d are admitted by the next planner", n)
	}
}
