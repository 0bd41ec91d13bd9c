package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

const (
	// callBytes is what a waiting call is counted for besides its body, so that
	// MaxQueuedBytes bounds calls by number too.
	callBytes = 64

	// timerGrain is the least time between two looks for calls that are out of
	// time: it bounds their cost, and how late ErrLost may come.
	timerGrain = 5 * time.Millisecond
)

var errNoAnswer = errors.New("no answer in time")

// Call sends a request to a node and waits for the answer, which is the caller's
// to keep (it shares the memory of one read). Many may be in flight; all that
// wait share one write.
//
// The error matches ErrNotSent when the request never left this process (also
// ErrOverloaded, ErrUnknownNode, or why the node cannot be reached), and ErrLost
// when it may have been received; context errors are matched too. While a node
// is down, calls fail at once.
func (t *Transport) Call(ctx context.Context, to ident.NodeID, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, notSent(to, err)
	}
	l, err := t.link(to, Calls)
	if err != nil {
		return nil, err
	}
	return l.call(ctx, body)
}

// CallAsync is Call without a goroutine that waits: done is called once, with
// the answer or the error. It is called from the goroutine that reads the
// connection, from a timer, or, if the request cannot be queued, from within
// CallAsync; it must not block. A call whose deadline passes fails up to 5 ms
// later. A zero deadline means to wait as long as the connection lasts.
func (t *Transport) CallAsync(to ident.NodeID, body []byte, deadline time.Time, done func([]byte, error)) {
	l, err := t.link(to, Calls)
	if err != nil {
		done(nil, err)
		return
	}
	var until int64
	if !deadline.IsZero() {
		until = max(int64(deadline.Sub(t.started)), 1)
		if until <= t.clock() {
			done(nil, notSent(to, context.DeadlineExceeded))
			return
		}
	}
	if _, err := l.start(body, until, done); err != nil {
		done(nil, err)
	}
}

// start queues a request.
func (l *link) start(body []byte, until int64, done func([]byte, error)) (id uint64, err error) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	if l.out.down != nil {
		return 0, l.out.down
	}
	id, ok := l.calls.put(callSlot{done: done, deadline: until}, max(1, l.out.limit/callBytes))
	if !ok {
		return 0, l.out.errFull
	}
	var head [requestHead]byte
	binary.LittleEndian.PutUint64(head[:], id)
	binary.LittleEndian.PutUint32(head[8:], uint32(len(body)))
	at, err := l.out.addRecord(kindRequests, head[:], body)
	if err != nil {
		l.calls.take(id)
		return 0, err
	}
	l.calls.at(id).place = at
	if until != 0 && (l.armed == 0 || until < l.armed) {
		l.arm(until)
	}
	return id, nil
}

// waiter is a goroutine that waits in Call.
type waiter struct {
	ready chan struct{}
	body  []byte
	err   error
	done  func([]byte, error) // finish, bound once
}

var waiters = sync.Pool{New: func() any {
	w := &waiter{ready: make(chan struct{}, 1)}
	w.done = w.finish
	return w
}}

func (w *waiter) finish(body []byte, err error) {
	w.body, w.err = body, err
	w.ready <- struct{}{}
}

// call queues a request and waits until it ends or ctx does.
func (l *link) call(ctx context.Context, body []byte) ([]byte, error) {
	w := waiters.Get().(*waiter)
	id, err := l.start(body, 0, w.done)
	if err != nil {
		waiters.Put(w)
		return nil, err
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
		if sent, ok := l.giveUp(id); ok {
			waiters.Put(w)
			if sent {
				return nil, lost(l.to, ctx.Err())
			}
			return nil, notSent(l.to, ctx.Err())
		}
		<-w.ready // it ends just now
	}
	body, err = w.body, w.err
	w.body, w.err = nil, nil
	waiters.Put(w)
	return body, err
}

// giveUp ends a call without its callback; ok is false if it has ended already.
func (l *link) giveUp(id uint64) (sent, ok bool) {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	s, ok := l.calls.take(id)
	if !ok {
		return false, false
	}
	return !l.withdraw(s), true
}

// withdraw makes sure that a request which still waits is never executed, and
// says whether that could be done. The caller holds out.mu.
func (l *link) withdraw(s callSlot) bool {
	b := l.out.at(s.place)
	if b == nil {
		return false
	}
	binary.LittleEndian.PutUint64(b, 0)
	return true
}

// answered is an answer on its way to its call.
type answered struct {
	id     uint64
	status byte
	body   []byte
	done   func([]byte, error)
}

func appendAnswers(dst []answered, payload []byte) ([]answered, bool) {
	for len(payload) > 0 {
		var a answered
		var ok bool
		if a.id, a.status, a.body, payload, ok = nextAnswer(payload); !ok {
			return dst, false
		}
		dst = append(dst, a)
	}
	return dst, true
}

// answer ends the calls that were answered in one read.
func (l *link) answer(answers []answered) {
	l.out.mu.Lock()
	for i := range answers {
		if s, ok := l.calls.take(answers[i].id); ok {
			answers[i].done = s.done
		}
	}
	l.out.mu.Unlock()
	for i := range answers {
		a := &answers[i]
		switch {
		case a.done == nil: // given up before
		case a.status == answerOK:
			a.done(a.body, nil)
		case a.status == answerOverloaded:
			a.done(nil, l.out.errFull)
		case a.status == answerTooLarge:
			a.done(nil, lost(l.to, ErrTooLarge))
		default:
			a.done(nil, lost(l.to, errNoAnswer))
		}
	}
}

// shrink gives memory back while nothing is going on.
func (l *link) shrink() {
	l.out.mu.Lock()
	l.calls.shrink()
	l.out.mu.Unlock()
}

// ended is a callback that is to run outside the lock.
type ended struct {
	done func([]byte, error)
	err  error
}

func runAll(calls []ended) {
	for _, c := range calls {
		c.done(nil, c.err)
	}
}

// failCalls removes the calls that were sent, with ErrLost and cause, and those
// that still wait, with waiting, unless that is nil. It comes before the outbox
// drops what waits. The caller holds out.mu, and runs the result without.
func (l *link) failCalls(waiting, cause error) []ended {
	if l.calls.active == 0 {
		return nil
	}
	gone := lost(l.to, cause)
	var out []ended
	for i := range l.calls.slots {
		s := l.calls.slots[i]
		err := gone
		if s.id == 0 {
			continue
		}
		if l.out.at(s.place) != nil {
			if waiting == nil {
				continue
			}
			err = waiting
		}
		l.calls.take(s.id)
		out = append(out, ended{s.done, err})
	}
	return out
}

// arm sets the link's timer. The caller holds out.mu.
func (l *link) arm(at int64) {
	l.armed = at
	in := time.Duration(at - l.t.clock())
	if l.timer == nil {
		l.timer = time.AfterFunc(in, l.expire)
		return
	}
	l.timer.Reset(in)
}

// expire ends the calls that are out of time.
func (l *link) expire() {
	l.expiring.Lock()
	defer l.expiring.Unlock()
	var out []ended
	l.out.mu.Lock()
	now, next := l.t.clock(), int64(0)
	for i := range l.calls.slots {
		s := l.calls.slots[i]
		switch {
		case s.id == 0 || s.deadline == 0:
		case s.deadline > now:
			if next == 0 || s.deadline < next {
				next = s.deadline
			}
		default:
			l.calls.take(s.id)
			err := notSent(l.to, context.DeadlineExceeded)
			if !l.withdraw(s) {
				err = lost(l.to, context.DeadlineExceeded)
			}
			out = append(out, ended{s.done, err})
		}
	}
	l.armed = 0
	if next != 0 {
		l.arm(max(next, now+int64(timerGrain)))
	}
	l.out.mu.Unlock()
	runAll(out)
}

// CallAddr is one call to whoever answers at an address, over a connection of
// its own; it says who that was. It works for a node that is in no fleet yet,
// and towards one: both sides must treat such a caller's request with care.
// Errors are those of Call; a node of another fleet refuses with ErrWrongFleet.
func (t *Transport) CallAddr(ctx context.Context, addr string, body []byte) ([]byte, ident.NodeID, error) {
	answer, node, err := t.callAddr(ctx, addr, body)
	var failed *CallError
	if errors.As(err, &failed) {
		c := *failed // may be shared with other calls of the link
		c.Addr = addr
		err = &c
	}
	return answer, node, err
}

func (t *Transport) callAddr(ctx context.Context, addr string, body []byte) ([]byte, ident.NodeID, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, 0, notSent(0, ErrClosed)
	}
	t.wg.Add(1) // Close waits for the caller's goroutine too
	t.mu.Unlock()
	defer t.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()

	conn, w, err := t.dial(ctx, addr, Calls, 0, true)
	if err != nil {
		return nil, 0, notSent(0, err)
	}
	l := t.newLink(w.node, Calls)
	served := make(chan struct{})
	go func() {
		defer close(served)
		l.end(l.serve(conn, w, addr))
	}()
	answer, err := l.call(ctx, body)
	l.cancel(nil)
	<-served
	return answer, w.node, err
}
