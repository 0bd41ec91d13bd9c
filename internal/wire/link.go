package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// link is one class of what goes out to one node. Its goroutine connects,
// writes what the outbox holds, and connects again; a second one reads.
type link struct {
	t      *Transport
	to     ident.NodeID
	class  Class
	home   *atomic.Pointer[link] // where others find it; nil for a one-off
	ctx    context.Context
	cancel context.CancelCauseFunc
	sent   atomic.Uint64

	out outbox // its mutex guards what follows too

	calls callTable
	timer *time.Timer // fires at armed; nil until a call has a deadline
	armed int64       // on Transport.clock, 0 if the timer is off

	expiring sync.Mutex // held while expire runs; taken before out.mu

	addr  string // last dialled
	since time.Time
	boot  uint64 // of the other side while connected, else 0
	last  error  // why it is not connected
	tries int    // dials that failed, since the last that did not
}

func (t *Transport) newLink(to ident.NodeID, class Class) *link {
	l := &link{t: t, to: to, class: class}
	l.ctx, l.cancel = context.WithCancelCause(t.ctx)
	l.out.init(t.cfg.MaxQueuedBytes, t.cfg.MaxFrameBytes, notSent(to, ErrOverloaded), notSent(to, ErrTooLarge))
	l.calls.init()
	return l
}

// run keeps the link connected until it is cancelled or its node is no longer
// known.
func (l *link) run() {
	defer l.cancel(nil)
	var pauses backoff
	var told string
	for {
		addr, ok := l.t.cfg.Resolve(l.to)
		if !ok {
			l.end(ErrUnknownNode)
			return
		}
		conn, w, err := l.t.dial(l.ctx, addr, l.class, l.to, false)
		if l.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			l.end(l.cause())
			return
		}
		var pause time.Duration
		if err != nil {
			l.unreachable(addr, err)
			if s := failureKey(addr, err); s != told { // the same reason is told once
				told = s
				l.logFailure(addr, err)
			}
			pause = pauses.next()
		} else {
			told = ""
			began := time.Now()
			err = l.serve(conn, w, addr)
			if l.ctx.Err() != nil {
				l.end(l.cause())
				return
			}
			l.t.cfg.Logger.Info("connection lost", "peer", l.to, "class", l.class, "addr", addr, "reason", err)
			// One that did not last is not tried again at once, or two nodes
			// that disagree would do nothing else.
			if time.Since(began) > l.t.cfg.KeepAlive {
				pauses.reset()
			} else {
				pause = pauses.next()
			}
		}
		l.pause(pause, addr)
	}
}

// cause is why the link was cancelled.
func (l *link) cause() error {
	if err := context.Cause(l.ctx); errors.Is(err, ErrForgotten) {
		return err
	}
	return ErrClosed
}

// failureKey tells failures apart without what changes from one attempt to the
// next, such as the local port.
func failureKey(addr string, err error) string {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return addr + " " + refused.Text
	}
	return addr
}

func (l *link) logFailure(addr string, err error) {
	if errors.Is(err, ErrRefused) {
		l.t.cfg.Logger.Warn("node refuses the connection", "peer", l.to, "class", l.class, "addr", addr, "reason", err)
		return
	}
	l.t.cfg.Logger.Info("node cannot be reached", "peer", l.to, "class", l.class, "addr", addr, "reason", err)
}

// pause waits, but no longer than the node keeps its address.
func (l *link) pause(d time.Duration, addr string) {
	const look = 50 * time.Millisecond
	for d > 0 && l.ctx.Err() == nil {
		step := min(d, look)
		timer := time.NewTimer(step)
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			timer.Stop()
			return
		}
		if now, ok := l.t.cfg.Resolve(l.to); !ok || now != addr {
			return
		}
		d -= step
	}
}

// serve uses one connection until it is lost or the link cancelled, and says
// why.
func (l *link) serve(conn net.Conn, w welcome, addr string) error {
	l.out.mu.Lock()
	l.addr, l.since, l.boot, l.last = addr, time.Now(), w.boot, nil
	l.out.down, l.tries = nil, 0
	l.out.parked = false
	l.out.mu.Unlock()
	l.t.cfg.Logger.Info("connected", "peer", l.to, "class", l.class, "addr", addr)
	if l.class == Consensus {
		l.t.cfg.Handler.Connected(l.to, w.boot)
	}

	unhook := context.AfterFunc(l.ctx, func() { conn.Close() })
	gone := make(chan error, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		err := l.read(conn)
		conn.Close() // a writer that is stuck must notice
		gone <- err
	}()
	writer := boxWriter{box: &l.out, conn: conn, timeout: l.t.silence(), bytes: &l.sent}
	err := writer.run(l.t.cfg.KeepAlive, true, gone)
	conn.Close()
	<-read
	select {
	case why := <-gone: // the reader knows better than a failed Write, if it is not our own Close
		if !errors.Is(why, net.ErrClosed) {
			err = why
		}
	default:
	}
	unhook()

	l.disconnected(err)
	if l.class == Consensus {
		l.t.cfg.Handler.Disconnected(l.to)
	}
	return err
}

// read takes what the other side answers: signs of life, and answers to calls.
func (l *link) read(conn net.Conn) error {
	frames := newFrameReader(&patientReader{conn: conn, silence: l.t.silence()}, l.t.largestFrame())
	var answers []answered
	for {
		if err := frames.fill(); err != nil {
			return err
		}
		answers = answers[:0]
		calm := true
		for {
			kind, payload, ok, err := frames.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			switch {
			case kind == kindPong && len(payload) == 0:
			case kind == kindAnswers && l.class == Calls:
				calm = false
				if answers, ok = appendAnswers(answers, payload); !ok {
					return fmt.Errorf("%w: answers are cut short", ErrBadFrame)
				}
			default:
				return fmt.Errorf("%w: of kind %d on a %v connection", ErrBadFrame, kind, l.class)
			}
		}
		if calm {
			frames.calm()
			l.shrink()
			continue
		}
		l.answer(answers)
		clear(answers)
	}
}

// unreachable fails what waits: nothing is queued for a node that is down.
func (l *link) unreachable(addr string, err error) {
	l.out.mu.Lock()
	l.addr, l.last = addr, err
	l.tries++
	l.out.down = notSent(l.to, err)
	failed := l.failCalls(l.out.down, err)
	l.out.drop()
	l.out.mu.Unlock()
	runAll(failed)
}

// disconnected fails the calls that were sent over a lost connection. What
// still waits stays for the next one.
func (l *link) disconnected(err error) {
	l.out.mu.Lock()
	l.boot, l.last = 0, err
	failed := l.failCalls(nil, err)
	l.out.disconnected()
	l.out.mu.Unlock()
	runAll(failed)
}

// end fails everything for ever.
func (l *link) end(why error) {
	if l.home != nil {
		l.home.CompareAndSwap(l, nil)
	}
	l.out.mu.Lock()
	l.last = why
	l.out.down = notSent(l.to, why)
	failed := l.failCalls(l.out.down, why)
	l.out.drop()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.out.mu.Unlock()
	runAll(failed)
	// A timer that fired has called its callbacks once the lock is to be had.
	l.expiring.Lock()
	defer l.expiring.Unlock()
}
