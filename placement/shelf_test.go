package placement

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// plainCandidate is the rule of candidate, looking at every node.
func (l *ledger) plainCandidate(e *groupEntry, roomiest int32) int32 {
	use, limit := l.zoneUse(e), l.policy.MaxPerZone
	rank := func(n int32) [3]int {
		used := int(use[l.nodes[n].zone])
		crowd := used
		if limit > 0 {
			crowd = max(0, used+1-limit)
		}
		return [3]int{crowd, l.nodes[n].load.fill(), used}
	}
	winner := none
	for _, n := range l.active {
		if e.has(n) || use[l.nodes[n].zone] > roomiest {
			continue
		}
		if winner == none {
			winner = n
			continue
		}
		a, b := rank(n), rank(winner)
		if a == b {
			if score(e.hash, l.nodes[n].hash) > score(e.hash, l.nodes[winner].hash) {
				winner = n
			}
			continue
		}
		for i := range a {
			if a[i] != b[i] {
				if a[i] < b[i] {
					winner = n
				}
				break
			}
		}
	}
	return winner
}

// Shelves save work and decide nothing.
func TestPropertyShelvesDecideNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := ledgerOf(drawInput(t))
		l.refresh()
		l.beginPlan()
		for g := range l.groups {
			e := &l.groups[g]
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				roomiest := int32(math.MaxInt32)
				if rapid.Bool().Draw(t, "bounded") {
					roomiest = rapid.Int32Range(0, 2).Draw(t, "roomiest")
				}
				n := l.candidate(e, roomiest)
				if want := l.plainCandidate(e, roomiest); n != want {
					t.Fatalf("group %d: %d, want %d", e.ID, n, want)
				}
				if n != none {
					l.put(int32(g), n)
				}
			}
			if len(e.members) > 0 && rapid.Bool().Draw(t, "take") {
				l.take(int32(g), e.members[0])
			}
		}
	})
}
