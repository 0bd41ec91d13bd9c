package planner

import (
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/catalogue"
	"github.com/raftfleet/raftfleet/internal/ident"
	"github.com/raftfleet/raftfleet/placement"
)

// restart has a node's process begin again, so soon that nobody missed it.
func (f *fleet) restart(id ident.NodeID, zone string) {
	f.t.Helper()
	f.apply(&catalogue.RegisterNode{ID: id, Name: "n", Zone: zone, Weight: 1})
	f.apply(&catalogue.SetNodeState{ID: id, To: placement.Active})
	f.hear(id)
}

// A node whose process begins again keeps its members, whatever it was taken for
// meanwhile, and gets new ones when it has stayed for a while: not even to replace lost
// ones. The report says which node is waited for, and until when; another planner waits
// as long.
func TestANodeThatBeginsAgainGetsMembersAfterAWhile(t *testing.T) {
	for _, was := range []placement.State{placement.Active, placement.Suspect, placement.Dead} {
		t.Run(was.String(), func(t *testing.T) {
			f := newFleet(t, 9, 3, 90)
			f.finish()
			had := f.loads()[1]
			f.apply(&catalogue.SetNodeState{ID: 1, To: was})
			f.after(time.Second)
			f.restart(1, "z0")
			f.kill(4) // its members go to nodes 1 and 7
			began := f.now
			for ; f.now.Sub(began) < f.limits.TrustAfter; f.after(time.Second) {
				if f.now.Sub(began) == f.limits.TrustAfter/2 {
					f.planner = Planner{}
				}
				d := f.do()
				f.settle()
				if n := f.loads()[1]; n != had {
					t.Fatalf("after %s it has %d members and had %d", f.now.Sub(began), n, had)
				}
				if r := d.Report; len(r.Returned) != 1 || r.Returned[0] != 1 || !r.TrustedFrom.Equal(began.Add(f.limits.TrustAfter)) || d.Next.After(r.TrustedFrom) {
					t.Fatalf("waited for is %v until %s, the next look is at %s", r.Returned, r.TrustedFrom, d.Next)
				}
			}
			f.finish()
			if n := f.loads()[1]; n <= had {
				t.Errorf("it has %d members, and had %d", n, had)
			}
			if r := f.do().Report; len(r.Returned) != 0 || !r.TrustedFrom.IsZero() {
				t.Errorf("still waited for is %v", r.Returned)
			}
		})
	}
}

// A process that falls and begins again for ever gets nothing.
func TestANodeThatKeepsFallingGetsNothing(t *testing.T) {
	f := newFleet(t, 6, 3, 60)
	f.finish()
	had := f.loads()[1]
	for id := ident.NodeID(10); id < 13; id++ {
		f.add(string(rune('a' + id)))
	}
	f.settle()
	had = max(had, f.loads()[1])
	f.kill(4) // node 1 is all that is left in its zone
	for range 200 {
		f.restart(1, "z0")
		for range 4 {
			f.do()
			f.settle()
			f.after(f.limits.TrustAfter / 5)
		}
	}
	if n := f.loads()[1]; n > had {
		t.Errorf("it has %d members, and had %d", n, had)
	}
}

// A node that is new, or was drained and comes again, gets members at once.
func TestANewNodeIsTrusted(t *testing.T) {
	f := newFleet(t, 3, 3, 20)
	f.finish()
	f.kill(3)
	f.do()
	f.join(4, "z2")
	f.after(time.Second)
	if d := f.do(); len(d.Targets) == 0 || len(d.Report.Returned) != 0 {
		t.Fatalf("%d members are replaced by the new node", len(d.Targets))
	}
	f.finish()
	f.apply(&catalogue.SetNodeState{ID: 4, To: placement.Draining})
	f.apply(&catalogue.SetNodeState{ID: 4, To: placement.Inactive})
	f.restart(4, "z2")
	if d := f.do(); len(d.Report.Returned) != 0 {
		t.Errorf("it was drained, and is waited for: %v", d.Report.Returned)
	}
}
