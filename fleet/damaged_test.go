package fleet_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/group"
)

type page struct{ Data []byte }

var (
	pageType = group.Define("page", func() *page { return &page{} })
	write    = group.Command(pageType, "write", func(p *page, data []byte) (int, error) { p.Data = data; return len(data), nil })
	read     = group.Query(pageType, "read", func(p *page, _ group.None) ([]byte, error) { return p.Data, nil })
)

// A member whose snapshot is damaged on the disk is replaced by one on another node,
// and the group serves meanwhile. Where there is no other node nothing is taken from it.
func TestADamagedMemberIsReplacedWhereThereIsAnotherNode(t *testing.T) {
	t.Parallel()
	for _, count := range []int{4, 3} {
		t.Run(fmt.Sprint(count, " nodes"), func(t *testing.T) { damageOneOf(t, count) })
	}
}

func damageOneOf(t *testing.T, count int) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	nodes, configs := make([]*fleet.Node, count), make([]fleet.Config, count)
	for i := range nodes {
		var join []string
		if i > 0 {
			join = []string{nodes[0].GossipAddr()}
		}
		configs[i] = testConfig(t, fmt.Sprintf("n%d", i+1), join...)
		configs[i].Types = []group.Type{pageType}
		nodes[i] = activate(t, fmt.Sprintf("zone-%d", i), configs[i])
	}
	small := group.Config{SnapshotLeast: 64 << 10, SnapshotMost: 256 << 10}
	if err := nodes[0].AddConsensusGroup(ctx, "g", 3, pageType, fleet.WithConfig(small)); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 100<<10)
	rand.Read(data)
	for range 20 {
		if _, err := write.Call(ctx, nodes[0], "g", data); err != nil {
			t.Fatal(err)
		}
	}
	// Anyone but the first node, through which the others find each other.
	var at int
	var before view.GroupStatus
	awaitStatus(ctx, t, nodes[0], "a snapshot on the disk of a member", func(s view.GroupStatus) bool {
		before = s
		at = slices.IndexFunc(configs, func(c fleet.Config) bool {
			files, _ := filepath.Glob(filepath.Join(c.DataDir, "snapshots", "*"))
			return c.Name != "n1" && memberAt(s, c.Name) != nil && len(files) > 0
		})
		return at >= 0
	})
	if err := nodes[at].Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(configs[at].DataDir, "snapshots", "*"))
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 0xff
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nodes[at] = activate(t, fmt.Sprintf("zone-%d", at), configs[at])
	old := memberAt(before, configs[at].Name).MemberID
	awaitStatus(ctx, t, nodes[0], "what becomes of the damaged member", func(s view.GroupStatus) bool {
		voters := 0
		for _, m := range s.Members {
			if m.Role != "learner" {
				voters++
			}
		}
		if voters < 3 {
			t.Fatalf("the group has %d voters: %+v", voters, s.Members)
		}
		m := memberAt(s, configs[at].Name)
		if count == 3 {
			return m != nil && m.Failed != "" && m.MemberID == old
		}
		return len(s.Members) == 3 && (m == nil || m.MemberID != old) && !slices.ContainsFunc(s.Members, func(m view.Member) bool { return m.Unresponsive })
	})
	if got, err := read.Call(ctx, nodes[at], "g", group.None{}); err != nil || !slices.Equal(got, data) {
		t.Errorf("%d bytes were read, %v", len(got), err)
	}
}

func memberAt(s view.GroupStatus, node string) *view.Member {
	if i := slices.IndexFunc(s.Members, func(m view.Member) bool { return m.Node == node }); i >= 0 {
		return &s.Members[i]
	}
	return nil
}

func awaitStatus(ctx context.Context, t *testing.T, n *fleet.Node, what string, is func(view.GroupStatus) bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last view.GroupStatus
	var err error
	for {
		if last, err = n.GroupStatus(ctx, "g"); err == nil && is(last) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still waiting for %s: %+v, %v", what, last, err)
		}
	}
}
