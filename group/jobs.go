package group

import (
	"bytes"
	"io"
	"sync"
)

// jobs runs what touches files and must hold up neither a lane nor an apply
// worker: saving and installing snapshots. A member has at most one of each at a
// time, which bounds the queue.
type jobs struct {
	mu    sync.Mutex
	ready sync.Cond
	queue []func()
	ended bool
	wg    sync.WaitGroup
}

func newJobs() *jobs {
	j := &jobs{}
	j.ready.L = &j.mu
	return j
}

func (j *jobs) start(workers int) {
	j.wg.Add(workers)
	for range workers {
		go j.work()
	}
}

func (j *jobs) run(f func()) {
	j.mu.Lock()
	j.queue = append(j.queue, f)
	j.mu.Unlock()
	j.ready.Signal()
}

func (j *jobs) work() {
	defer j.wg.Done()
	for {
		j.mu.Lock()
		for len(j.queue) == 0 {
			if j.ended {
				j.mu.Unlock()
				return
			}
			j.ready.Wait()
		}
		f := j.popLocked()
		j.mu.Unlock()
		f()
	}
}

func (j *jobs) popLocked() func() {
	f := j.queue[0]
	j.queue[0] = nil
	j.queue = j.queue[1:]
	return f
}

// turn does one job, and returns false when there is none.
func (j *jobs) turn() bool {
	j.mu.Lock()
	if len(j.queue) == 0 {
		j.mu.Unlock()
		return false
	}
	f := j.popLocked()
	j.mu.Unlock()
	f()
	return true
}

// close runs what waits and returns when all is done.
func (j *jobs) close() {
	j.mu.Lock()
	j.ended = true
	j.mu.Unlock()
	j.ready.Broadcast()
	j.wg.Wait()
}

func newBytesReader(b []byte) io.Reader { return bytes.NewReader(b) }
