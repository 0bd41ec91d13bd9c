package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/raftfleet/raftfleet/internal/exec"
)

func begin(t fataler, c *SessionClient) (CommandID, uint64) {
	t.Helper()
	id, ack, err := c.Begin()
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return id, ack
}

func TestSessionClientAcknowledgesWhatIsAnswered(t *testing.T) {
	var c SessionClient
	if _, _, err := c.Begin(); !errors.Is(err, ErrNoSession) {
		t.Fatalf("before a registration: %v", err)
	}
	c.SetSession(9)
	first, ack := begin(t, &c)
	if first != (CommandID{9, 1}) || ack != 1 {
		t.Fatal(first, ack)
	}
	second, _ := begin(t, &c)
	c.Done(second)
	if _, ack := begin(t, &c); ack != 1 {
		t.Fatalf("mark %d while the first is open", ack)
	}
	c.Done(first)
	c.Done(first) // twice is once
	if got := c.Mark(CommandID{9, 3}); got != 3 {
		t.Fatalf("mark %d", got)
	}
	if got := c.Mark(CommandID{8, 3}); got != 0 {
		t.Fatalf("mark %d of another session", got)
	}
}

func TestSessionClientHoldsUnknownOutcomesBack(t *testing.T) {
	var c SessionClient
	c.SetSession(1)
	unknown, _ := begin(t, &c)
	c.Retain(unknown)
	if _, ok := c.Resume(CommandID{1, 7}); ok {
		t.Fatal("resumed a command that never was")
	}
	later, ack := begin(t, &c)
	if c.Done(later); ack != 1 {
		t.Fatalf("mark %d", ack)
	}
	if ack, ok := c.Resume(unknown); !ok || ack != 1 {
		t.Fatal(ack, ok)
	}
	if _, ok := c.Resume(unknown); ok {
		t.Fatal("resumed twice at once")
	}
	c.Done(unknown)
	if _, ack := begin(t, &c); ack != 3 {
		t.Fatalf("mark %d after all is answered", ack)
	}
	if _, ok := c.Resume(unknown); ok {
		t.Fatal("resumed after its answer")
	}
}

func TestSessionClientGivesUpTheOldestUnknown(t *testing.T) {
	var c SessionClient
	c.SetSession(1)
	var ids []CommandID
	for range maxRetained + 1 {
		id, _ := begin(t, &c)
		ids = append(ids, id)
		c.Retain(id)
	}
	if _, ok := c.Resume(ids[0]); ok {
		t.Fatal("the oldest of too many is still held")
	}
	if _, ok := c.Resume(ids[1]); !ok {
		t.Fatal("the second was given up too")
	}
}

func TestSessionClientNeverOutrunsTheWindow(t *testing.T) {
	var c SessionClient
	c.SetSession(1)
	first, _ := begin(t, &c)
	for range SessionWindow - 1 {
		id, _ := begin(t, &c)
		c.Done(id)
	}
	if _, _, err := c.Begin(); !errors.Is(err, ErrOverloaded) {
		t.Fatalf("beyond the window: %v", err)
	}
	c.Retain(first) // held for a repetition only: it gives way
	id, ack := begin(t, &c)
	if id.Sequence != SessionWindow+1 || ack != id.Sequence {
		t.Fatal(id, ack)
	}
}

func TestSessionClientForgetsAnExpiredSession(t *testing.T) {
	var c SessionClient
	c.SetSession(1)
	old, _ := begin(t, &c)
	c.Reset(1)
	c.Reset(1)
	if c.Session() != 0 {
		t.Fatal("still there")
	}
	c.SetSession(2)
	c.Reset(1) // hears of it late
	id, _ := begin(t, &c)
	c.Done(old)
	c.Retain(old)
	if _, ok := c.Resume(old); ok || c.Session() != 2 || c.Mark(id) != 1 {
		t.Fatal("the old session's commands touch the new one")
	}
	if _, ack := begin(t, &c); ack != 1 {
		t.Fatalf("the old session's answer moved the new one's mark to %d", ack)
	}
}

// TestEstablishRegistersOnce: many callers, one registration; a failed one is tried again by another caller.
func TestEstablishRegistersOnce(t *testing.T) {
	var c SessionClient
	var calls atomic.Int32
	broken := errors.New("broken")
	entered, release := make(chan struct{}), make(chan struct{})
	failing := func(context.Context) (uint64, error) {
		close(entered)
		<-release
		return 0, broken
	}
	firstDone := make(chan error, 1)
	go func() { firstDone <- c.Establish(context.Background(), exec.System, failing) }()
	<-entered

	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Establish(canceled, exec.System, failing); !errors.Is(err, context.Canceled) {
		t.Fatalf("a caller that gives up: %v", err)
	}

	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := c.Establish(context.Background(), exec.System, func(context.Context) (uint64, error) {
				calls.Add(1)
				return 5, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	wg.Wait()
	if err := <-firstDone; !errors.Is(err, broken) {
		t.Fatalf("the caller whose registration failed: %v", err)
	}
	if calls.Load() != 1 || c.Session() != 5 {
		t.Fatalf("%d registrations, session %d", calls.Load(), c.Session())
	}

	c.Reset(5)
	if err := c.Establish(context.Background(), exec.System, func(context.Context) (uint64, error) { return 0, nil }); !errors.Is(err, ErrNoSession) {
		t.Fatalf("a registration without an id: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = c.Establish(context.Background(), exec.System, func(context.Context) (uint64, error) { panic("x") })
	}()
	if err := c.Establish(context.Background(), exec.System, func(context.Context) (uint64, error) { return 6, nil }); err != nil || c.Session() != 6 {
		t.Fatalf("after a panic: %v", err)
	}
}

func TestSessionClientIsSharedByManyCallers(t *testing.T) {
	var c SessionClient
	c.SetSession(1)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[uint64]bool{}
	for caller := range 16 {
		wg.Go(func() {
			for i := range 500 {
				id, ack, err := c.Begin()
				if err != nil || ack > id.Sequence {
					t.Error(id, ack, err)
					return
				}
				mu.Lock()
				if seen[id.Sequence] {
					t.Errorf("%v was given out twice", id)
				}
				seen[id.Sequence] = true
				mu.Unlock()
				if (caller+i)%7 == 0 {
					c.Retain(id)
					if _, ok := c.Resume(id); !ok {
						t.Errorf("%v is not held", id)
					}
				}
				c.Done(id)
			}
		})
	}
	wg.Wait()
	if id, ack := begin(t, &c); ack != id.Sequence || id.Sequence != 16*500+1 {
		t.Fatal(id, ack)
	}
}

// TestClientAndTableApplyOnce drives a client and a table through a network that duplicates, delays, reorders and loses
// both commands and answers. Each command is applied at most once, each that is answered exactly once and always alike,
// and a client that follows the rules is never told that its session has expired.
func TestClientAndTableApplyOnce(t *testing.T) {
	type sent struct {
		id  CommandID
		ack uint64
	}
	rapid.Check(t, func(t *rapid.T) {
		table := newSessionTable(time.Hour, 10)
		var c SessionClient
		session, err := table.register(1, 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		c.SetSession(session)
		applied, answered := map[CommandID]string{}, map[CommandID]string{}
		open, retained := map[CommandID]bool{}, map[CommandID]bool{}
		var network []sent
		pick := func(t *rapid.T, from map[CommandID]bool) CommandID {
			var ids []CommandID
			for q := uint64(1); len(ids) < len(from); q++ {
				if id := (CommandID{session, q}); from[id] {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				t.Skip("none")
			}
			return rapid.SampledFrom(ids).Draw(t, "id")
		}
		index := uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				id, ack := begin(t, &c)
				open[id] = true
				network = append(network, sent{id, ack})
			},
			"retry": func(t *rapid.T) {
				id := pick(t, open)
				network = append(network, sent{id, c.Mark(id)})
			},
			"give up": func(t *rapid.T) {
				id := pick(t, open)
				c.Retain(id)
				delete(open, id)
				retained[id] = true
			},
			"resume": func(t *rapid.T) {
				id := pick(t, retained)
				ack, ok := c.Resume(id)
				if !ok {
					t.Fatalf("%v is not held", id)
				}
				delete(retained, id)
				open[id] = true
				network = append(network, sent{id, ack})
			},
			"lose": func(t *rapid.T) {
				if len(network) > 0 {
					i := rapid.IntRange(0, len(network)-1).Draw(t, "which")
					network = append(network[:i:i], network[i+1:]...)
				}
			},
			"deliver": func(t *rapid.T) {
				if len(network) == 0 {
					t.Skip("nothing on the way")
				}
				i := rapid.IntRange(0, len(network)-1).Draw(t, "which")
				m := network[i]
				if !rapid.Bool().Draw(t, "again later") {
					network = append(network[:i:i], network[i+1:]...)
				}
				index++
				verdict, answer := table.lookup(m.id.Session, m.id.Sequence, m.ack)
				switch verdict {
				case verdictFresh:
					if _, twice := applied[m.id]; twice {
						t.Fatalf("%v is applied again", m.id)
					}
					answer = []byte(fmt.Sprint(index))
					applied[m.id] = string(answer)
					table.store(m.id.Session, m.id.Sequence, m.ack, int64(index), answer)
				case verdictDuplicate:
					if applied[m.id] != string(answer) {
						t.Fatalf("%v is answered %q, was %q", m.id, answer, applied[m.id])
					}
				default:
					if open[m.id] || retained[m.id] {
						t.Fatalf("%v, whose answer nobody has, is %v", m.id, verdict)
					}
					return
				}
				if open[m.id] && rapid.Bool().Draw(t, "answer arrives") {
					c.Done(m.id)
					delete(open, m.id)
					answered[m.id] = string(answer)
				}
			},
			"snapshot": func(t *rapid.T) {
				var err error
				if table, err = decodeSessionTable(table.appendTo(nil), time.Hour, 10); err != nil {
					t.Fatalf("%v", err)
				}
			},
			"": func(t *rapid.T) {
				for id, answer := range answered {
					if applied[id] != answer {
						t.Fatalf("%v was answered %q and applied as %q", id, answer, applied[id])
					}
				}
			},
		})
	})
}
