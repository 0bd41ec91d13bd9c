package harness

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// The catalogue's leader is killed with SIGKILL at each step of a move. The move ends, or
// is taken back; meanwhile the group never has more than the members of one move too many,
// and a majority of its voters answers; nothing acknowledged is lost.
func TestKillOfTheCataloguesLeaderAtEachStepOfAMove(t *testing.T) {
	long(t)
	for _, step := range []struct {
		name       string
		kind, text string // of the event at which it is killed
		own        bool   // the node that is drained leads the catalogue itself
	}{
		{"the target is set", "move_started", "", false},
		{"the new member begins as a learner", "move_step", "add learners", false},
		{"the new member is promoted", "move_step", "promote", false},
		{"leadership is handed over", "move_step", "transfer leadership", false},
		{"the end is reported", "move_done", "", false},
		{"the new member begins, and the one that leaves led the catalogue", "move_step", "add learners", true},
		{"leadership is handed over by the one that led the catalogue", "move_step", "transfer leadership", true},
	} {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 2*time.Minute)
			const groups = 4
			f, l := loaded(t, Config{Nodes: 5, Zones: 5}, groups)
			s := await(t, ctx, f, "a fleet at rest", Quiet, Members(3*groups))
			group, leaving := aGroupLedBy(t, ctx, f, s.Catalogue.Leader, step.own)
			watch := watchGroup(t, ctx, f, group)
			at := f.firstEvent(ctx, group, step.kind, step.text)
			asked := f.Running()[0]
			if asked == leaving {
				asked = f.Running()[1]
			}
			must(t, asked.Client().Drain(ctx, leaving.Name))
			select {
			case <-at:
			case <-ctx.Done():
				t.Fatalf("the move of %s never came to %s %q", group, step.kind, step.text)
			}
			victim := f.Node(s.Catalogue.Leader)
			victim.Kill()
			await(t, ctx, f, "another leader of the catalogue", Led, func(s view.Status) error {
				if s.Catalogue.Leader == victim.Name {
					return fmt.Errorf("it is led by %s still", victim.Name)
				}
				return nil
			})
			progress(t, ctx, l)
			must(t, victim.Restart(ctx))
			settled := []func(view.Status) error{Quiet, Members(3 * groups)}
			if !step.own { // a node that starts again takes its drain back
				settled = append(settled, NodeIs(leaving.Name, "drained", func(n view.Node) bool { return n.State == view.StateInactive && n.Members == 0 }))
			}
			await(t, ctx, f, "the moves to end", settled...)
			watch.end(t)
			v, err := f.Running()[0].Client().Group(ctx, group)
			must(t, err)
			if len(v.Members) != 3 {
				t.Errorf("%s ends with %d members: %+v", group, len(v.Members), v.Members)
			}
			progress(t, ctx, l)
			finish(t, ctx, l)
		})
	}
}

// aGroupLedBy finds a group that some node leads which leads the catalogue too, or does not.
func aGroupLedBy(t *testing.T, ctx context.Context, f *Fleet, catalogue string, own bool) (string, *Node) {
	t.Helper()
	for {
		for _, group := range f.Groups() {
			n := leaderOf(t, ctx, f, group)
			if (n.Name == catalogue) == own {
				return group, n
			}
		}
		// None does: one of its members is asked to.
		for _, group := range f.Groups() {
			v, err := f.Running()[0].Client().Group(ctx, group)
			must(t, err)
			for _, m := range v.Members {
				if (m.Node == catalogue) == own {
					_ = f.Running()[0].Client().TransferLeader(ctx, group, m.Node) // or the next
					break
				}
			}
		}
		if rest(ctx, poll); ctx.Err() != nil {
			t.Fatal("no group is led as wanted")
		}
	}
}

// firstEvent is closed when some node tells of such an event of a group.
func (f *Fleet) firstEvent(ctx context.Context, group, kind, text string) <-chan struct{} {
	at := make(chan struct{})
	var once sync.Once
	for _, n := range f.Running() {
		client := n.Client()
		seen, err := client.Events(ctx, 0, false)
		last := uint64(0)
		if err == nil && len(seen) > 0 {
			last = seen[len(seen)-1].Seq
		}
		go func() {
			for ctx.Err() == nil {
				events, err := client.Events(ctx, last, true)
				if err != nil {
					rest(ctx, poll)
					continue
				}
				for _, e := range events {
					last = e.Seq
					if e.Group == group && e.Kind == kind && strings.Contains(e.Detail, text) {
						once.Do(func() { close(at) })
						return
					}
				}
			}
		}()
	}
	return at
}

// watcher looks at a group all along.
type watcher struct {
	stop context.CancelFunc
	done chan struct{}
	most int
	bad  []string
}

func watchGroup(t *testing.T, ctx context.Context, f *Fleet, group string) *watcher {
	ctx, stop := context.WithCancel(ctx)
	w := &watcher{stop: stop, done: make(chan struct{})}
	t.Cleanup(stop)
	go func() {
		defer close(w.done)
		for i := 0; ctx.Err() == nil; i++ {
			nodes := f.Running()
			if len(nodes) == 0 {
				continue
			}
			v, err := nodes[i%len(nodes)].Client().Group(ctx, group)
			if err == nil && v.Leader != "" {
				w.look(&v)
			}
			rest(ctx, poll/2)
		}
	}()
	return w
}

func (w *watcher) look(v *view.GroupStatus) {
	voters := 0
	for _, m := range v.Members {
		if m.Role == "voter" || m.Role == "leader" {
			voters++
		}
	}
	w.most = max(w.most, len(v.Members))
	// A move of one member adds one, and the next may begin before the last is told of.
	if len(v.Members) > 5 || voters < 3 {
		w.bad = append(w.bad, fmt.Sprintf("%d members, %d of them voters: %+v", len(v.Members), voters, v.Members))
	}
}

func (w *watcher) end(t *testing.T) {
	t.Helper()
	w.stop()
	<-w.done
	t.Logf("at most %d members at once", w.most)
	for _, bad := range w.bad {
		t.Error(bad)
	}
}
