package group

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, Final},
		{context.Canceled, Unknown},
		{context.DeadlineExceeded, Unknown},
		{errors.New("anything"), Unknown},
		{ErrSessionExpired, Unknown},
		{ErrStopped, Unknown},
		{ErrNotLeader, NotProposed},
		{fmt.Errorf("x: %w", ErrOverloaded), NotProposed},
		{ErrTransferring, NotProposed},
		{fmt.Errorf("x: %w: %w", ErrNotLeader, context.Canceled), Unknown},
		{ErrNoGroup, Final},
		{ErrCommandTooLarge, Final},
		{&MachineError{Text: "no"}, Final},
		{&CallError{Outcome: NotProposed, Err: context.Canceled}, NotProposed},
		{fmt.Errorf("x: %w", &CallError{Outcome: Unknown, Err: ErrNotLeader}), Unknown},
	} {
		if got := OutcomeOf(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestCallErrorSaysWhatToDo(t *testing.T) {
	id := CommandID{1, 2}
	for _, c := range []struct {
		err  CallError
		want string
	}{
		{CallError{Op: "add", Group: "g", Outcome: NotProposed, Err: ErrOverloaded}, `add of group "g" failed: too much is waiting already: try again later, with fewer calls at once (not proposed: safe to send again)`},
		{CallError{Op: "add", Group: "g", Attempts: 1, Outcome: Unknown, CommandID: id}, `add of group "g" failed after 1 attempt (outcome unknown: send it again with command id 0000000000000001-0000000000000002)`},
		{CallError{Op: "add", Group: "g", Attempts: 2, Outcome: Unknown}, `add of group "g" failed after 2 attempts (outcome unknown: it may have been applied; read the state before sending it again)`},
		{CallError{Op: "add", Group: "g", Attempts: 2, Outcome: Final, Err: ErrNoGroup}, `add of group "g" failed after 2 attempts: ` + ErrNoGroup.Error()},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s\nwant\n%s", got, c.want)
		}
	}
}

func TestCommandIDText(t *testing.T) {
	id := CommandID{0xabc, 1 << 63}
	b, err := id.MarshalText()
	if err != nil || string(b) != "0000000000000abc-8000000000000000" {
		t.Fatalf("%s, %v", b, err)
	}
	var back CommandID
	if err := back.UnmarshalText(b); err != nil || back != id {
		t.Fatalf("%v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte(strings.ToUpper(string(b)))); err != nil || back != id {
		t.Fatalf("capital letters: %v, %v", back, err)
	}
	if b, err := (CommandID{}).MarshalText(); err != nil || len(b) != 0 {
		t.Fatalf("the zero id: %q, %v", b, err)
	}
	if err := back.UnmarshalText(nil); err != nil || !back.IsZero() {
		t.Fatalf("empty text: %v, %v", back, err)
	}
	for _, s := range []string{
		"", "1-2", "0000000000000abc_8000000000000000", "0000000000000000-0000000000000001", "0000000000000001-0000000000000000",
		"+000000000000001-0000000000000001", "0000000000000_01-0000000000000001", "000000000000000g-0000000000000001",
	} {
		if _, err := ParseCommandID(s); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := back.UnmarshalText([]byte("x")); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("UnmarshalText: %v", err)
	}
}
