package group

import (
	"errors"
	"testing"
)

// What comes to a lane that is closed is refused, and does not count as waiting.
func TestAClosedLaneKeepsNoAccount(t *testing.T) {
	h := &Host{manual: true}
	l := &lane{host: h, wake: make(chan struct{}, 1), done: make(chan struct{}), closed: true}
	h.lanes = []*lane{l}
	m := &member{lane: l}
	if err := l.propose(proposal{member: m, item: batchItem{body: make([]byte, 100)}}); !errors.Is(err, ErrStopped) {
		t.Errorf("a command: %v", err)
	}
	if err := l.read(readRequest{member: m}); !errors.Is(err, ErrStopped) {
		t.Errorf("a query: %v", err)
	}
	l.deliver([]inMessage{{body: make([]byte, 7)}})
	if err := h.CheckLanes(); err != nil {
		t.Error(err)
	}
}
