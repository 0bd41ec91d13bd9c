package store

import (
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"
)

// Bounds of one transaction: what it holds in memory, and how long those wait who
// come after it.
const (
	maxCommitChanges = 1024
	maxCommitBytes   = 16 << 20
)

// committer gives all who want to write at the same time one transaction. It
// takes what is waiting and never waits for more, so that a lone caller pays one
// sync and ten thousand pay a few. (bbolt's own Batch waits for more, and commits
// on a goroutine where a damaged page would end the process.)
//
// The queue is bounded by its callers: each has one change in it and waits.
type committer struct {
	db *bbolt.DB

	mu       sync.Mutex
	queue    []*change
	failed   error // set once; every later change gets it
	closed   bool
	panicked bool

	wake chan struct{} // holds one: there is something to do
	done chan struct{}
}

// change is one caller's part of a transaction. apply may run in a transaction
// that fails later. It returns refused before it wrote anything, or an error that
// ends the transaction.
type change struct {
	apply func(*bbolt.Tx) error
	bytes int
	err   error
	ready chan struct{}
}

// refused is an answer to one caller; the transaction goes on without its change.
type refused struct{ err error }

func (r refused) Error() string { return r.err.Error() }
func (r refused) Unwrap() error { return r.err }

var errNothingToCommit = errors.New("nothing to commit")

func newCommitter(db *bbolt.DB) *committer {
	c := &committer{db: db, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go c.run()
	return c
}

// do has a change committed and returns when it is durable. bytes is about what
// it writes.
func (c *committer) do(bytes int, apply func(*bbolt.Tx) error) error {
	ch := &change{apply: apply, bytes: bytes, ready: make(chan struct{})}
	c.mu.Lock()
	if err := c.unusable(); err != nil {
		c.mu.Unlock()
		return err
	}
	c.queue = append(c.queue, ch)
	c.mu.Unlock()
	c.signal()
	<-ch.ready
	return ch.err
}

func (c *committer) unusable() error {
	if c.closed {
		return ErrClosed
	}
	return c.failed
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// fail makes every later change fail: the disk can no longer be relied upon.
func (c *committer) fail(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = fmt.Errorf("%w: restart the node; if it happens again, replace its disk: %w", ErrFailed, cause)
	}
	return c.failed
}

// close waits for what is queued. It returns false when a transaction panicked.
func (c *committer) close() bool {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.signal()
	<-c.done
	return !c.panicked
}

func (c *committer) run() {
	defer close(c.done)
	for range c.wake {
		for {
			batch, closed := c.take()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			c.commit(batch)
			for _, ch := range batch {
				close(ch.ready)
			}
		}
	}
}

// take removes from the queue what fits into one transaction, at least one change.
func (c *committer) take() (batch []*change, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, bytes := 0, 0
	for n < len(c.queue) && n < maxCommitChanges && (n == 0 || bytes+c.queue[n].bytes <= maxCommitBytes) {
		bytes += c.queue[n].bytes
		n++
	}
	batch = c.queue[:n:n]
	c.queue = c.queue[n:]
	if len(c.queue) == 0 {
		c.queue = nil
	}
	return batch, c.closed
}

// commit runs one transaction and leaves each change's outcome in it.
func (c *committer) commit(batch []*change) {
	c.mu.Lock()
	err := c.failed
	c.mu.Unlock()
	if err == nil {
		returned := false
		err = guard(func() error {
			err := c.db.Update(func(tx *bbolt.Tx) error { return applyAll(tx, batch) })
			returned = true
			return err
		})
		switch {
		case err == nil || err == errNothingToCommit:
			return
		case isFullWrite(err):
			err = fmt.Errorf("%w: free some space and try again: %w", ErrFull, err)
		default:
			c.mu.Lock()
			c.panicked = c.panicked || !returned
			c.mu.Unlock()
			err = c.fail(err)
		}
	}
	for _, ch := range batch {
		ch.err = err
	}
}

func applyAll(tx *bbolt.Tx, batch []*change) error {
	applied := 0
	for _, ch := range batch {
		err := ch.apply(tx)
		var no refused
		switch {
		case err == nil:
			applied++
		case errors.As(err, &no):
			ch.err = no.err
		default:
			return err
		}
	}
	if applied == 0 {
		return errNothingToCommit // rolls back, without a sync
	}
	return nil
}
