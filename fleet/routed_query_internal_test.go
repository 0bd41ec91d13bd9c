package fleet

import (
	"context"
	"errors"
	"testing"

	"github.com/raftfleet/raftfleet/group"
)

var tallyLook = group.Query(tallyType, "look", func(*tally, group.None) (int, error) {
	n := 0
	for i := range 200_000 { // takes longer than to be given the right to ask
		n += i
	}
	return n, nil
})

// encoded is a caller that keeps what it was to ask.
type encoded struct{ body []byte }

func (e *encoded) Command(_ context.Context, _ string, body []byte, _ ...group.CallOption) ([]byte, error) {
	e.body = body
	return nil, ErrClosed
}
func (e *encoded) Query(ctx context.Context, name string, body []byte, opts ...group.CallOption) ([]byte, error) {
	return e.Command(ctx, name, body, opts...)
}

// Nodes that ask more than can be answered do not keep this one from closing.
func TestCloseEndsWhileOthersAsk(t *testing.T) {
	n := alone(t)
	route, err := n.router.locateBut(t.Context(), "g", nil)
	if err != nil {
		t.Fatal(err)
	}
	var asked encoded
	_, _ = tallyLook.Call(t.Context(), &asked, "g", group.None{})
	request := appendGroup(nil, opQuery, route.Group, asked.body)
	answered := make(chan struct{}, 1)
	var ask func()
	ask = func() {
		handler{n}.Request(n.id, request, func(b []byte) {
			_, err := readAnswer(n.id, "g", b)
			if err == nil {
				select {
				case answered <- struct{}{}:
				default:
				}
			}
			if !errors.Is(err, group.ErrStopped) {
				ask()
			}
		})
	}
	for range queriesWaiting / 2 {
		ask()
	}
	<-answered
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
