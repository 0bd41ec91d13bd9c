package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftfleet/raftfleet/internal/exec"
)

// An act of the life cycle that fails at once is tried again after a pause: the
// simulator saw a node ask another one thousands of times a second.
func TestActsOfTheLifeCyclePauseBetweenTries(t *testing.T) {
	for _, err := range []error{errNobodyToAsk, context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			n := &Node{exec: exec.System, rand: rand.IntN, ctx: t.Context()}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			tries := 0
			_, got := n.retry(ctx, func(context.Context) ([]byte, error) {
				tries++
				if tries > 1000 {
					t.Fatalf("%v: more than a thousand tries", err)
				}
				return nil, err
			})
			if !errors.Is(got, context.DeadlineExceeded) || tries < 10 || tries > 200 {
				t.Errorf("%v: %d tries in ten seconds, then %v", err, tries, got)
			}
		})
	}
}
