package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// eventsKept is how many events a node remembers.
const eventsKept = 4096

// eventLog keeps the newest events of a node, for whoever asks what happened.
type eventLog struct {
	now     func() time.Time
	mu      sync.Mutex
	ring    []view.Event // of eventsKept once full
	next    uint64       // sequence of the next event, from 1
	changed chan struct{}
}

func newEventLog(now func() time.Time) *eventLog {
	return &eventLog{now: now, next: 1, changed: make(chan struct{})}
}

func (l *eventLog) add(e view.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq, e.Time = l.next, l.now()
	if len(l.ring) < eventsKept {
		l.ring = append(l.ring, e)
	} else {
		l.ring[(l.next-1)%eventsKept] = e
	}
	l.next++
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *eventLog) after(seq uint64) ([]view.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.next - uint64(len(l.ring))
	var out []view.Event
	for s := max(seq+1, first); s < l.next; s++ {
		out = append(out, l.ring[(s-1)%eventsKept])
	}
	return out, l.changed
}

// Events returns what happened on this node after the event with the given
// sequence; 0 is the oldest that is kept, of the last 4096. With wait it returns
// once there is at least one, or when ctx ends.
func (n *Node) Events(ctx context.Context, after uint64, wait bool) ([]view.Event, error) {
	for {
		events, changed := n.events.after(after)
		if len(events) > 0 || !wait {
			return events, nil
		}
		if err := n.await(ctx, 0, changed); err != nil {
			if ctx.Err() == nil {
				err = ErrClosed
			}
			return nil, err
		}
	}
}
