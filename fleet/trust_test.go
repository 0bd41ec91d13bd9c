package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/placement"
)

// A node whose process begins again is active at once and serves what it has; new
// members come only when it has stayed for trust_after. Status and explain say so.
func TestANodeThatBeginsAgainKeepsItsMembersAndGetsNoNewOnes(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 3, 3)
	cfg := testConfig(t, "n4", nodes[0].GossipAddr())
	n4 := activate(t, "zone-0", cfg)
	if err := nodes[0].AddConsensusGroup(t.Context(), "kept", 4, counterType); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].SetLimits(t.Context(), map[string]string{"trust_after": "10m", "settle": "0s"}); err != nil {
		t.Fatal(err)
	}
	state := func() string { return stateOf(t, nodes[0], "n4") }
	for times := range int64(2) { // it begins again at once, and then after it was missed
		if err := n4.Close(); err != nil {
			t.Fatal(err)
		}
		if times > 0 {
			eventually(t, "n4 to be suspected", func() bool { return state() == view.StateSuspect })
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		back, err := fleet.Activate(ctx, "zone-0", cfg)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		n4 = back
		if is := state(); is != view.StateActive {
			t.Fatalf("it returned from Activate as %s", is)
		}
		mustAdd(t, n4, "kept", 1, times+1)
	}
	defer n4.Close()
	if s, err := nodes[0].GroupStatus(t.Context(), "kept"); err != nil || len(s.Members) != 4 {
		t.Errorf("%+v, %v", s.Members, err)
	}
	for i := range 6 {
		name := fmt.Sprint("new-", i)
		if err := n4.AddConsensusGroup(t.Context(), name, 3, counterType); err != nil {
			t.Fatal(err)
		}
		s, err := n4.GroupStatus(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(s.Members, func(m view.Member) bool { return m.Node == "n4" }) {
			t.Errorf("group %s, which is new, has a member on n4", name)
		}
	}
	eventually(t, "the status to say what is waited for", func() bool {
		b := balance(t, nodes[0])
		return b.State == view.BalanceWaiting && slices.Equal(b.Returned, []string{"n4"}) && strings.Contains(b.Why, "n4 came back a short while ago")
	})
	x, err := n4.Explain(t.Context(), "new-0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range x.Candidates {
		if c.Node == "n4" && !strings.Contains(c.Why, "back for a short while only") {
			t.Errorf("%+v", c)
		}
	}
	// That it is activated once more says nothing of its process.
	before := balance(t, nodes[0]).TrustedFrom
	if err := n4.Activate(t.Context(), "zone-0"); err != nil {
		t.Fatal(err)
	}
	if after := balance(t, nodes[0]).TrustedFrom; after.Sub(before).Abs() > time.Second {
		t.Errorf("trusted from %s, and then from %s", before, after)
	}
	if err := nodes[0].SetLimits(t.Context(), map[string]string{"trust_after": "0s"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n4 to get members", func() bool {
		s, err := nodes[0].Skew(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(s.Nodes, func(n view.SkewNode) bool { return n.Node == "n4" })
		return s.Nodes[at].Members > 1
	})
}

func stateOf(t *testing.T, n *fleet.Node, name string) string {
	t.Helper()
	all, err := n.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Name == name {
			return v.State
		}
	}
	return placement.Inactive.String()
}

// A node that was forgotten while its process ran, and whose copy of the catalogue may
// never hear of it, takes part again when it is activated.
func TestANodeThatWasForgottenIsActivatedAgain(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 3, 3)
	n4 := activate(t, "zone-0", testConfig(t, "n4", nodes[0].GossipAddr()))
	if err := nodes[0].Forget(t.Context(), "n4", true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n4.Activate(ctx, "zone-0"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n4 to be active", func() bool { return stateOf(t, nodes[0], "n4") == view.StateActive })
}
