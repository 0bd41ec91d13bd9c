package fleet

import "testing"

// Of two members that are left, the one whose log ends in the later term is taken,
// however long the other's is.
func TestHazard38_RecoveryPrefersTheLaterTerm(t *testing.T) {
	old, late := memberReport{LastTerm: 3, Last: 900}, memberReport{LastTerm: 4, Last: 20}
	longer := memberReport{LastTerm: 4, Last: 21}
	for _, c := range []struct {
		r, than memberReport
		want    bool
	}{{late, old, true}, {old, late, false}, {longer, late, true}, {late, longer, false}, {late, late, false}} {
		if got := c.r.moreComplete(c.than); got != c.want {
			t.Errorf("%d@%d before %d@%d: %t", c.r.Last, c.r.LastTerm, c.than.Last, c.than.LastTerm, got)
		}
	}
}
