package harness

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

func TestMain(m *testing.M) {
	code := m.Run()
	RemoveBuilt()
	os.Exit(code)
}

// long skips a test that takes more than a few seconds, unless all are asked for.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("RAFTFLEET_INTEGRATION") == "" {
		t.Skip("takes long: run with RAFTFLEET_INTEGRATION=1")
	}
}

// within is the context of a test, which bounds everything that it waits for.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await waits for conditions and returns the status that satisfied them.
func await(t *testing.T, ctx context.Context, f *Fleet, what string, conditions ...func(view.Status) error) view.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	s, err := f.Await(ctx, what, All(conditions...))
	must(t, err)
	return s
}

// progress waits until every group has acknowledged something more.
func progress(t *testing.T, ctx context.Context, l *Load) {
	t.Helper()
	before := l.acknowledgedEach()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	for {
		waiting := ""
		for group, count := range l.acknowledgedEach() {
			if count == before[group] {
				waiting = group
			}
		}
		if waiting == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("group %s acknowledges nothing any more", waiting)
		case <-time.After(poll):
		}
	}
}

// finish ends a load and demands that its account holds.
func finish(t *testing.T, ctx context.Context, l *Load) Account {
	t.Helper()
	a, err := l.Finish(ctx)
	must(t, err)
	if a.Acknowledged == 0 {
		t.Fatal("nothing was acknowledged at all")
	}
	var longest GroupAccount
	for _, g := range a.Groups {
		if g.LongestGap > longest.LongestGap {
			longest = g
		}
	}
	t.Logf("%d additions acknowledged, %d of unknown outcome of which %d were applied, %d refused and done anew; longest gap %s (%s)",
		a.Acknowledged, a.Unknown, a.Applied, a.Refused, longest.LongestGap.Round(time.Millisecond), longest.Group)
	if a.Refusal != nil {
		t.Logf("the last refusal: %v", a.Refusal)
	}
	return a
}

// leaderOf is the node that leads a group; the fleet must know one.
func leaderOf(t *testing.T, ctx context.Context, f *Fleet, group string) *Node {
	t.Helper()
	s, err := f.Running()[0].Client().Group(ctx, group)
	must(t, err)
	n := f.Node(s.Leader)
	if n == nil {
		t.Fatalf("group %s is led by %q, which is no node of the fleet", group, s.Leader)
	}
	return n
}
