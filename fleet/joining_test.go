package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet"
	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/admin"
)

// open starts a node that is activated in the background, for as long as the test lasts.
func open(t *testing.T, cfg fleet.Config, zone string) *fleet.Node {
	t.Helper()
	n, err := fleet.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	if zone != "" {
		done.Go(func() { n.Activate(ctx, zone) }) // what it comes to is seen in the status
	}
	t.Cleanup(func() {
		cancel()
		done.Wait()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func clientOf(t *testing.T, n *fleet.Node) *admin.Client {
	t.Helper()
	c, err := admin.NewClient(n.AdminAddr(), admin.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func problemOf(s view.Status, kind string) (view.Problem, bool) {
	for _, p := range s.Problems {
		if p.Kind == kind {
			return p, true
		}
	}
	return view.Problem{}, false
}

func TestANodeThatHasNotJoinedTellsWhatItLooksFor(t *testing.T) {
	cfg := testConfig(t, "n1", "127.0.0.1:1")
	cfg.Founders = 3
	n := open(t, cfg, "zone-0")
	second := testConfig(t, "n2", n.GossipAddr())
	second.Founders = 3
	open(t, second, "zone-1")
	var s view.Status
	eventually(t, "both founders and the bad address are known", func() bool {
		var err error
		s, err = n.Status(t.Context())
		return err == nil && s.Joining != nil && s.Joining.FoundersSeen == 2 && len(s.Joining.Errors) == 1 && s.Joining.State == view.JoiningSearches
	})
	j := s.Joining
	if s.Node != "n1" || s.FleetID != 0 || j.FoundersWanted != 3 || j.Zone != "zone-0" || j.Join[0] != "127.0.0.1:1" || j.Errors[0].Addr != "127.0.0.1:1" || !strings.Contains(j.Errors[0].Reason, "refused") {
		t.Errorf("%+v, %+v", s, j)
	}
	p, ok := problemOf(s, "not_joined")
	if !ok || p.Thing != "n1" || !strings.Contains(p.Reason, "2 of 3 founders") || !strings.Contains(p.Reason, "127.0.0.1:1") || !strings.Contains(p.Remedy, "--founders 3") {
		t.Errorf("%+v", p)
	}

	// Whatever needs a fleet is refused with the same words, and not waited for: the
	// time of these requests has no end.
	c := clientOf(t, n)
	_, listed := c.Nodes(t.Context())
	_, shown := c.Group(t.Context(), "g")
	_, called := c.Call(t.Context(), "g", "add", []byte("1"), "")
	_, kept := c.Archives(t.Context())
	for what, err := range map[string]error{
		"nodes": listed, "group": shown, "call": called, "archives": kept,
		"add": c.AddGroup(t.Context(), "g", "counter", 3, false), "drain": c.Drain(t.Context(), "n1"), "drop": c.DropArchive(t.Context(), "g"),
		"ready": c.Ready(t.Context()),
	} {
		if err == nil || !strings.Contains(err.Error(), "of 3 founders") || admin.RemedyOf(err) == "" {
			t.Errorf("%s: %v; %s", what, err, admin.RemedyOf(err))
		}
		if what != "ready" && admin.KindOf(err) != admin.KindUnavailable {
			t.Errorf("%s: %s", what, admin.KindOf(err))
		}
	}
	if _, err := n.Nodes(t.Context()); !errors.Is(err, fleet.ErrNotActive) {
		t.Errorf("nodes of a node without a fleet: %v", err)
	}
}

func TestANodeThatWasNotActivatedSaysSo(t *testing.T) {
	s, err := open(t, testConfig(t, "n1"), "").Status(t.Context())
	if err != nil || s.Joining == nil || s.Joining.State != view.JoiningNotActivated {
		t.Fatalf("%+v, %v", s, err)
	}
	if p, ok := problemOf(s, "not_joined"); !ok || !strings.Contains(p.Remedy, "activate it") {
		t.Errorf("%+v", p)
	}
}

// A node that joins another fleet than its own is refused by it, and both tell why.
func TestANodeOfAnotherFleetIsAProblemWithBothFleets(t *testing.T) {
	cfg := testConfig(t, "stray")
	stray, err := fleet.Activate(t.Context(), "zone-0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	own, err := stray.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stray.Close(); err != nil {
		t.Fatal(err)
	}
	other := startFleet(t, 1, 1)[0]
	s, err := other.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Join = []string{other.GossipAddr()}
	stray = open(t, cfg, "zone-0")
	for _, n := range []*fleet.Node{stray, other} {
		eventually(t, n.Name()+" tells of the other fleet", func() bool {
			now, err := n.Status(t.Context())
			p, ok := problemOf(now, "other_fleet")
			return err == nil && ok && strings.Contains(p.Reason, own.FleetID.String()) && strings.Contains(p.Reason, s.FleetID.String()) && strings.Contains(p.Remedy, "join addresses")
		})
	}
}

func TestWhatIsNotThereIsAnsweredWithWhatIs(t *testing.T) {
	n := startFleet(t, 1, 1)[0]
	c := clientOf(t, n)
	if err := c.AddGroup(t.Context(), "g", "conter", 1, false); admin.KindOf(err) != admin.KindNotFound || !strings.Contains(err.Error(), "only these: counter") {
		t.Errorf("an unknown type: %v", err)
	}
	if err := c.AddGroup(t.Context(), "g", "counter", 1, false); err != nil {
		t.Fatal(err)
	}
	_, asQuery := c.Query(t.Context(), "g", "add", []byte("1"), false, 0)
	_, asCommand := c.Call(t.Context(), "g", "get", nil, "")
	_, expired := c.Call(t.Context(), "g", "add", []byte("1"), "00000000000000aa-0000000000000007")
	var e *admin.Error
	if !errors.As(expired, &e) || e.Kind() != admin.KindUnknownOutcome || e.CommandID != "" {
		t.Errorf("an id that repeats nothing: %+v", expired)
	}
	_, misspelt := c.Call(t.Context(), "g", "ad", nil, "")
	for _, x := range []struct {
		err          error
		says, remedy string
	}{
		{asQuery, "is a command and not a query", "fleetctl call g add"},
		{asCommand, "is a query and not a command", "fleetctl query g get"},
		{misspelt, `has no command "ad"`, "its commands: add integer, slow, slower; its queries: get"},
	} {
		if admin.KindOf(x.err) != admin.KindNotFound || !strings.Contains(x.err.Error(), x.says) || admin.RemedyOf(x.err) != x.remedy {
			t.Errorf("%v; %s", x.err, admin.RemedyOf(x.err))
		}
	}
}

func TestArchivesAreListedAndDropped(t *testing.T) {
	n := startFleet(t, 1, 1)[0]
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, n, "g", 5, 5)
	if err := n.RemoveConsensusGroup(t.Context(), "g", fleet.Keep()); err != nil {
		t.Fatal(err)
	}
	client := open(t, testConfig(t, "client", n.GossipAddr()), "")
	for _, asked := range []*fleet.Node{n, client} {
		eventually(t, "the archive is listed", func() bool {
			a, err := asked.Archives(t.Context())
			return err == nil && len(a) == 1 && a[0].Name == "g" && a[0].Type == "counter" && a[0].Bytes > 0 && a[0].Index > 0 && time.Since(a[0].Removed) < time.Hour
		})
	}
	if err := client.DropArchive(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	if err := n.DropArchive(t.Context(), "g"); !errors.Is(err, fleet.ErrNoArchive) {
		t.Errorf("dropping it twice: %v", err)
	}
	if err := n.AddConsensusGroup(t.Context(), "g", 1, counterType, fleet.Restore()); !errors.Is(err, fleet.ErrNoArchive) {
		t.Errorf("restoring what was dropped: %v", err)
	}
	err := clientOf(t, n).AddGroup(t.Context(), "g", "", 1, true)
	if admin.KindOf(err) != admin.KindNotFound || !strings.Contains(err.Error(), "no archive of this name") || admin.RemedyOf(err) != "see fleetctl archive ls" {
		t.Errorf("restoring a type that nobody knows: %v; %s", err, admin.RemedyOf(err))
	}
}

// A query of a group without a quorum says so within the caller's time, and what to do.
func TestAQueryWithoutAQuorumSaysSo(t *testing.T) {
	t.Parallel()
	nodes := startFleet(t, 3, 3)
	if err := nodes[0].AddConsensusGroup(t.Context(), "g", 3, counterType); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, nodes[0], "g", 1, 1)
	for _, n := range nodes[1:] {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the voters that are missed are named", func() bool {
		s, err := nodes[0].Status(t.Context())
		p, ok := problemOf(s, "catalogue_no_leader")
		return err == nil && ok && strings.Contains(p.Reason, "not heard: n2, n3") && strings.Contains(p.Remedy, "bring back 1 of them")
	})
	c := clientOf(t, nodes[0])
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	_, err := c.Query(ctx, "g", "get", nil, false, 0)
	if admin.KindOf(err) != admin.KindUnavailable || strings.Contains(admin.RemedyOf(err), "address") || !strings.Contains(admin.RemedyOf(err), "group show g") && !strings.Contains(admin.RemedyOf(err), "status") {
		t.Errorf("%v; %s", err, admin.RemedyOf(err))
	}
}

func TestAJoinAddressIsCheckedBeforeTheNodeStarts(t *testing.T) {
	for _, addr := range []string{"h", "h:", ":1", "h:0", "h:x", "h:70000"} {
		if err := (fleet.Config{InMemory: true, Join: []string{"ok:1", addr}}).Validate(); err == nil || !strings.Contains(err.Error(), "Config.Join") || !strings.Contains(err.Error(), addr) {
			t.Errorf("%q: %v", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:70000", "127.0.0.1:x", "127.0.0.1:-1"} {
		if err := (fleet.Config{InMemory: true, Listen: addr}).Validate(); err == nil || !strings.Contains(err.Error(), "Config.Listen") {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// syncBuffer is a log that a test reads while a node writes it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestAListenAddressOutOfReachIsWarnedOf(t *testing.T) {
	for gossip, want := range map[string]bool{"": false, "192.0.2.7:7946": true} {
		var log syncBuffer
		cfg := testConfig(t, "n1")
		cfg.AdvertiseGossip = gossip
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		open(t, cfg, "")
		if got := strings.Contains(log.String(), "cannot connect to it"); got != want {
			t.Errorf("gossip at %q: warned %v\n%s", gossip, got, log.String())
		}
	}
}
