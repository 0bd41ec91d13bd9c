package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/raftfleet/raftfleet/cache"
	"github.com/raftfleet/raftfleet/internal/exec"
	"github.com/raftfleet/raftfleet/internal/ident"
)

// patience is how long one attempt may take before another is made: the node that
// was asked may be frozen or cut off, and others may lead by now. It doubles with
// each attempt that had no answer, so that a fleet which is slow is not asked more
// and more.
const patience = 2 * time.Second

// errNoAnswer is returned by an attempt that ran out of patience.
var errNoAnswer = errors.New("the node did not answer in time")

// unanswered is the error of an attempt whose answer was not waited for any longer. Where
// only its patience is over, and not the call's time, another attempt may be made.
func unanswered(ctx context.Context, asked ident.NodeID, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("node %s: %w", asked, errNoAnswer)
	}
	return err
}

// silence is what a call remembers of the last node that did not answer it.
type silence struct {
	exec  exec.Exec
	asked cache.Route
	again time.Time // when that node may be asked again
	times int
}

// until is when the next attempt ends.
func (s *silence) until(deadline time.Time) time.Time {
	if t := s.exec.Now().Add(patience << min(s.times, 4)); t.Before(deadline) {
		return t
	}
	return deadline
}

// note takes in how an attempt ended.
func (s *silence) note(asked cache.Route, err error) {
	if errors.Is(err, errNoAnswer) {
		s.asked, s.again = asked, s.exec.Now().Add(patience)
		s.times++
	}
}

// of tells whether a route leads to the silent node, in a leadership that is not
// newer than the one in which it was silent.
func (s *silence) of(route cache.Route) bool {
	return s != nil && s.times > 0 && route.Leader == s.asked.Leader &&
		(s.asked.Term == 0 || route.Term <= s.asked.Term) && s.exec.Now().Before(s.again)
}

// others are the members to ask instead; all of them when there is nobody else.
func (s *silence) others(members []ident.NodeID) []ident.NodeID {
	if s == nil || s.times == 0 || !s.exec.Now().Before(s.again) {
		return members
	}
	var others []ident.NodeID
	for _, m := range members {
		if m != s.asked.Leader {
			others = append(others, m)
		}
	}
	if len(others) == 0 {
		return members
	}
	return others
}
