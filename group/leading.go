package group

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/raftfleet/raftfleet/consensus"
)

// ErrLeadershipLost is returned for a command whose leader was deposed, or whose
// member stopped, before it was committed. The outcome is unknown: the next
// leader may keep it. Repeating it with its command id is safe.
var ErrLeadershipLost = errors.New("the leadership was lost before the command was committed: repeat it with its command id")

// ErrRemoved is returned by a group that is being removed. Nothing was applied.
var ErrRemoved = errors.New("the group is being removed: look again whether another has its name")

// ErrTransferAborted is returned when a transfer of leadership did not happen in
// time, or another member was elected.
var ErrTransferAborted = errors.New("the leadership was not transferred: the member asked for is not caught up or does not answer")

// leadership is a member's run of WhileLeading. Its own lock: lanes start and end
// it, and goroutines of the program's run in it.
type leadership struct {
	mu      sync.Mutex
	cancel  context.CancelFunc
	running chan struct{} // closed when the last WhileLeading has returned
	term    uint64        // of the leadership that is told to hooks, 0 when none
}

// leadingChanged tells the hooks, in order with the entries, that this member
// began or ceased to lead. It runs on the lane.
func (m *member) leadingChanged() {
	h := m.hooks
	if h == nil {
		return
	}
	// A leader counts once it serves: after the first commit of its term.
	leads := m.live() && m.core.Role() == consensus.Leader && m.core.LeaseIndex() > 0
	term := uint64(0)
	if leads {
		term = m.core.Term()
	}
	was := m.leadership.term
	if was == term {
		return
	}
	m.leadership.term = term
	if was != 0 {
		m.endWhileLeading()
	}
	name := m.spec.Name
	m.enqueueTask(applyTask{do: func() {
		m.applyState.leading = term != 0
		if was != 0 && h.OnDeposed != nil {
			h.OnDeposed(name, was)
		}
		if term != 0 && h.OnElected != nil {
			h.OnElected(name, term)
		}
	}})
	if term != 0 && h.WhileLeading != nil {
		m.beginWhileLeading(term)
	}
}

func (m *member) beginWhileLeading(term uint64) {
	l := &m.leadership
	ctx, cancel := context.WithCancel(m.host.ctx)
	l.mu.Lock()
	before := l.running
	done := make(chan struct{})
	l.cancel, l.running = cancel, done
	l.mu.Unlock()
	name, run := m.spec.Name, m.hooks.WhileLeading
	m.host.background(func(context.Context) {
		defer close(done)
		defer cancel()
		if before != nil {
			<-before
		}
		if ctx.Err() != nil {
			return
		}
		defer func() {
			if p := recover(); p != nil {
				m.host.log.Error("a hook panicked", "hook", "WhileLeading", "group", name, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		run(ctx, name, term)
	})
}

func (m *member) endWhileLeading() {
	l := &m.leadership
	l.mu.Lock()
	if l.cancel != nil {
		l.cancel()
		l.cancel = nil
	}
	l.mu.Unlock()
}

// stopLeading ends WhileLeading when the member goes.
func (m *member) stopLeading() { m.endWhileLeading() }

// tellRestored tells the hooks that the member resumed from disk.
func (m *member) tellRestored() {
	if h := m.hooks; h != nil && h.OnRestored != nil {
		m.enqueueTask(applyTask{do: func() { h.OnRestored(m.spec.Name, m.applyState.index) }})
	}
}

// transferWait is a caller that waits for a transfer of leadership.
type transferWait struct {
	to    consensus.MemberID
	term  uint64
	until int64 // monotonic; who leads is known by then, or the transfer counts as failed
	done  func(error)
}

// transferPatience is how long a transfer waits for somebody to lead once the old
// leader does not.
const transferPatience = 10 * time.Second

// checkTransfer ends the wait once it is known how the transfer went.
func (m *member) checkTransfer() {
	t := m.transfer
	if t == nil {
		return
	}
	switch {
	case m.core.Leader() == t.to:
		m.transfer = nil
		t.done(nil)
	case m.core.Role() != consensus.Leader && m.core.Leader() == 0 && m.host.exec.Monotonic() < t.until:
		// Deposed, as a transfer begins: who follows is not known yet.
	case m.core.Role() == consensus.Leader && m.core.Term() == t.term && m.core.TransferTarget() == t.to:
		// Under way.
	default:
		m.transfer = nil
		t.done(ErrTransferAborted)
	}
}
