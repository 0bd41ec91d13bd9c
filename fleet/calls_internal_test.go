package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/group"
)

type tally struct{ N int }

var (
	tallyType = group.Define("tally", func() *tally { return &tally{} })
	tallyAdd  = group.Command(tallyType, "add", func(t *tally, by int) (int, error) { t.N += by; return t.N, nil })
)

// alone is a node that is a fleet by itself, with one group.
func alone(t *testing.T) *Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := Activate(ctx, "z", Config{InMemory: true, Name: "n", Types: []group.Type{tallyType}, Local: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.AddConsensusGroup(ctx, "g", 1, tallyType); err != nil {
		t.Fatal(err)
	}
	return n
}

// A node that was idle for longer than sessions live opens another one: the
// command that finds this out was applied by nobody.
func TestExpiredSessionIsReplaced(t *testing.T) {
	n := alone(t)
	for want := 1; want <= 3; want++ {
		if got, err := tallyAdd.Call(t.Context(), n, "g", 1); err != nil || got != want {
			t.Fatalf("add: %d, %v; want %d", got, err, want)
		}
		g, _ := n.catalogue.Load().Group("g")
		n.router.session(g.ID).SetSession(1 << 40) // the group does not know it
	}
	// The id of an earlier attempt is never exchanged for another one.
	_, err := tallyAdd.Call(t.Context(), n, "g", 1, group.WithCommandID(group.CommandID{Session: 1 << 40, Sequence: 1}))
	if !errors.Is(err, ErrSessionExpired) || OutcomeOf(err) != Unknown {
		t.Fatalf("a repeated command of an expired session: %v, outcome %s", err, OutcomeOf(err))
	}
}

func TestCallsEndWithTheNode(t *testing.T) {
	n := alone(t)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func() error{
		"command":  func() error { _, err := tallyAdd.Call(context.Background(), n, "g", 1); return err },
		"query":    func() error { _, err := n.Query(context.Background(), "g", nil); return err },
		"add":      func() error { return n.AddConsensusGroup(context.Background(), "h", 1, tallyType) },
		"remove":   func() error { return n.RemoveConsensusGroup(context.Background(), "g") },
		"transfer": func() error { return n.TransferLeader(context.Background(), "g", "n") },
		"activate": func() error { return n.Activate(context.Background(), "z") },
	} {
		start := time.Now()
		if err := call(); !errors.Is(err, ErrClosed) || time.Since(start) > 2*time.Second {
			t.Errorf("%s on a closed node, after %s: %v", what, time.Since(start), err)
		}
	}
}

// A call that a node made for another one does not come back as if it had been the
// other's own try: its leader is that of another group, and it is not tried again
// where it may have been done.
func TestAnswerOfACallKeepsItsOutcome(t *testing.T) {
	cause := &group.NotLeaderError{Group: catalogueName, Leader: 7, Term: 9}
	for outcome, again := range map[Outcome]bool{Unknown: false, NotProposed: true} {
		_, err := readAnswer(1, "g", answerFor(&group.CallError{Op: "command", Outcome: outcome, Err: errors.Join(cause, ErrOverloaded)}))
		var nl *group.NotLeaderError
		if errors.As(err, &nl) || retriable(err) != again {
			t.Errorf("outcome %s came back as %v, tried again: %v", outcome, err, retriable(err))
		}
	}
	var nl *group.NotLeaderError
	if _, err := readAnswer(1, "g", answerFor(cause)); !errors.As(err, &nl) || nl.Leader != 7 {
		t.Errorf("a redirect came back as %v", err)
	}
}

// A node that could not do an act because it found nobody to do it with says so in
// a way that the node which asked can tell: nothing was done, it may ask again.
func TestFindingNobodyIsToldApartByTheNodeThatAsked(t *testing.T) {
	_, err := readAnswer(1, "", answerFor(fmt.Errorf("%w: %w", errNobodyToAsk, errNoAnswer)))
	if !errors.Is(err, errNobodyToAsk) || !retriable(err) {
		t.Fatalf("%v: %t", err, retriable(err))
	}
	_, err = readAnswer(1, "", answerFor(fmt.Errorf("%w; last: %w", context.DeadlineExceeded, noLeaderIfUnknown("g", &group.NotLeaderError{}))))
	if !errors.Is(err, ErrNoLeader) || !strings.Contains(err.Error(), `"g"`) {
		t.Fatal(err)
	}
}
