package group

import (
	"context"
	"sync"

	"github.com/raftfleet/raftfleet/internal/exec"
)

// maxRetained bounds the unknown outcomes that one session keeps repeatable.
const maxRetained = 1024

// SessionClient is the client's half of a session: it hands out sequences and knows below which of them the answers of
// all commands have arrived. A router has one for each group that it calls, and many callers share it.
//
// For each command: Begin (or Resume, for an id given by the application), send it with the id and the mark until
// the outcome is known or the caller gives up, then exactly one of Done and Retain.
//
// The zero value is ready for use. All methods are safe for concurrent use and none but Establish blocks.
type SessionClient struct {
	mu       sync.Mutex
	session  uint64 // 0: none is registered
	next     uint64 // the sequence to hand out next
	mark     uint64 // all below are done
	retained int
	states   []commandState // of [mark,next), at sequence & (len-1)

	registering chan struct{} // closed when the registration that is under way ends; nil if none is
}

type commandState uint8

const (
	commandDone commandState = iota
	commandOpen
	commandRetained
)

// Establish makes sure that a session is registered. One caller at a time runs register, which replicates a
// registration and returns its session id; the others wait for it, on x. It returns the error of the caller's own
// register, or of ctx.
func (c *SessionClient) Establish(ctx context.Context, x exec.Exec, register func(context.Context) (session uint64, err error)) error {
	for {
		c.mu.Lock()
		if c.session != 0 {
			c.mu.Unlock()
			return nil
		}
		if wait := c.registering; wait != nil {
			c.mu.Unlock()
			if _, err := exec.Await(ctx, x, wait); err != nil {
				return err
			}
			continue // if it failed, this caller tries with its own context
		}
		ended := make(chan struct{})
		c.registering = ended
		c.mu.Unlock()

		return c.register(ctx, ended, register)
	}
}

func (c *SessionClient) register(ctx context.Context, ended chan struct{}, register func(context.Context) (uint64, error)) error {
	var session uint64
	var err error
	defer func() { // also when register panics: the others must not wait for ever
		c.mu.Lock()
		c.registering = nil
		if err == nil && session != 0 && c.session == 0 {
			c.set(session)
		}
		c.mu.Unlock()
		close(ended)
	}()
	session, err = register(ctx)
	if err == nil && session == 0 {
		err = ErrNoSession
	}
	return err
}

// SetSession starts anew with a session that the caller registered.
func (c *SessionClient) SetSession(session uint64) {
	c.mu.Lock()
	c.set(session)
	c.mu.Unlock()
}

func (c *SessionClient) set(session uint64) {
	c.session = session
	c.next, c.mark, c.retained = 1, 1, 0
	c.states = nil
}

// Session returns the id of the registered session, zero if there is none.
func (c *SessionClient) Session() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Reset forgets a session that the group called expired. It does nothing if another one took its place already, so
// that of many callers who hear of it only the first resets.
func (c *SessionClient) Reset(session uint64) {
	c.mu.Lock()
	if c.session == session {
		c.set(0)
	}
	c.mu.Unlock()
}

// Begin hands out the id of a new command, and the mark to send with it: every sequence below ackBelow is answered.
// It fails with ErrNoSession before a registration, and with ErrOverloaded while SessionWindow commands are waiting.
func (c *SessionClient) Begin() (id CommandID, ackBelow uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == 0 {
		return CommandID{}, 0, ErrNoSession
	}
	if c.next-c.mark >= SessionWindow && !c.giveUpOldest() {
		return CommandID{}, 0, ErrOverloaded
	}
	if c.next-c.mark >= uint64(len(c.states)) {
		c.grow()
	}
	id = CommandID{Session: c.session, Sequence: c.next}
	*c.state(c.next) = commandOpen
	c.next++
	return id, c.mark, nil
}

// Resume takes up a command whose outcome was left unknown. It reports false when this client does not hold the id back
// any more, or another call is repeating it just now; the group then may have forgotten the answer.
func (c *SessionClient) Resume(id CommandID) (ackBelow uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holds(id) || *c.state(id.Sequence) != commandRetained {
		return 0, false
	}
	*c.state(id.Sequence) = commandOpen
	c.retained--
	return c.mark, true
}

// Mark returns the mark to send with another attempt of a command that was begun, which may be higher by now. It is
// zero for an id of another session.
func (c *SessionClient) Mark(id CommandID) (ackBelow uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != id.Session {
		return 0
	}
	return min(c.mark, id.Sequence)
}

// Done says that the command's answer has arrived, or that it was never and will never be proposed.
func (c *SessionClient) Done(id CommandID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holds(id) {
		return // of an earlier session
	}
	state := c.state(id.Sequence)
	if *state == commandRetained {
		c.retained--
	}
	*state = commandDone
	c.advance()
}

// Retain says that nobody waits for the command any more and its outcome is unknown. It stays repeatable until
// Resume takes it up, or until it is the oldest of more than 1024 such commands, or holds up the whole window.
func (c *SessionClient) Retain(id CommandID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.holds(id) || *c.state(id.Sequence) != commandOpen {
		return
	}
	*c.state(id.Sequence) = commandRetained
	c.retained++
	if c.retained > maxRetained {
		c.forgetOldestRetained()
	}
}

func (c *SessionClient) holds(id CommandID) bool {
	return id.Session == c.session && c.session != 0 && id.Sequence >= c.mark && id.Sequence < c.next
}

func (c *SessionClient) state(sequence uint64) *commandState {
	return &c.states[sequence&uint64(len(c.states)-1)]
}

func (c *SessionClient) advance() {
	for c.mark < c.next && *c.state(c.mark) == commandDone {
		c.mark++
	}
}

// giveUpOldest opens a full window whose oldest command is only held for a repetition.
func (c *SessionClient) giveUpOldest() bool {
	if *c.state(c.mark) != commandRetained {
		return false
	}
	*c.state(c.mark) = commandDone
	c.retained--
	c.advance()
	return true
}

func (c *SessionClient) forgetOldestRetained() {
	for q := c.mark; q < c.next; q++ {
		if s := c.state(q); *s == commandRetained {
			*s = commandDone
			c.retained--
			break
		}
	}
	c.advance()
}

func (c *SessionClient) grow() {
	states := make([]commandState, max(16, 2*len(c.states)))
	for q := c.mark; q < c.next; q++ {
		states[q&uint64(len(states)-1)] = *c.state(q)
	}
	c.states = states
}
