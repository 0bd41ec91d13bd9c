package fleet

import "testing"

// Of two members that are left, the one whose log ends in the later term is taken,
// however long the other's is.
func TestHazard38_RecoveryPrefersTheLaterTerm(t *testing.T) {
	old, late := memberReport{DurableTerm: 3, Durable: 900}, memberReport{DurableTerm: 4, Durable: 20}
	longer := memberReport{DurableTerm: 4, Durable: 21}
	for _, c := range []struct {
		r, than memberReport
		want    bool
	}{{late, old, true}, {old, late, false}, {longer, late, true}, {late, longer, false}, {late, late, false}} {
		if got := c.r.moreComplete(c.than); got != c.want {
			t.Errorf("%d@%d before %d@%d: %t", c.r.Durable, c.r.DurableTerm, c.than.Durable, c.than.DurableTerm, got)
		}
	}
}
