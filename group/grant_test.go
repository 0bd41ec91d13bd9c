package group

import (
	"testing"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// A query that one member was granted is not answered by another, which took its
// place on this node between the grant and the answer and knows nothing yet.
func TestAGrantIsForOneMember(t *testing.T) {
	c := newCluster(t, 1, sumType)
	c.add(g1, "sum", quick, 1)
	c.command(g1, Proposal{Body: number(1)})
	h := c.host(1)
	granted := make(chan ReadGrant, 1)
	h.Grant(g1, func(g ReadGrant, err error) {
		if err != nil {
			t.Error(err)
		}
		granted <- g
	})
	grant := <-granted
	if h.Expired(grant) {
		t.Fatal("expired while the member is here")
	}
	if err := h.Destroy(g1); err != nil {
		t.Fatal(err)
	}
	if !h.Expired(grant) {
		t.Fatal("still good when the member is gone")
	}
	spec := Spec{Group: g1, Member: 2, Name: "g", Type: "sum", Config: quick.Encode(), First: []Peer{{Member: 2, Node: ident.NodeID(1)}}}
	if err := h.Start(spec); err != nil {
		t.Fatal(err)
	}
	if !h.Expired(grant) {
		t.Fatal("still good when another member is here")
	}
}

// An answer under a lease is given only while the lease holds, looked at after the
// answer was computed.
func TestAGrantEndsWithItsLease(t *testing.T) {
	h := newCluster(t, 1, sumType).host(1)
	if !h.Expired(ReadGrant{LeaseUntil: 1}) || h.Expired(ReadGrant{LeaseUntil: 1 << 62}) {
		t.Fatal("it does not end with its lease")
	}
}
