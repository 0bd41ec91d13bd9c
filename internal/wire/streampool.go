package wire

import (
	"context"
	"sync"
	"time"
)

// maxStreams is how many snapshots go to one node side by side: more than one,
// so that a large one does not hold up the small.
const maxStreams = 4

// streamPool holds the snapshot connections to one node. Each carries one
// stream at a time; an idle one is used again for a short while.
type streamPool struct {
	ctx    context.Context // ends when the node is forgotten
	cancel context.CancelCauseFunc
	places chan struct{}

	mu   sync.Mutex
	idle []*stream // newest last
}

func (p *streamPool) init(ctx context.Context) {
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.places = make(chan struct{}, maxStreams)
}

func (p *streamPool) close() {
	p.cancel(ErrForgotten)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		s.conn.Close()
	}
	p.idle = nil
}

// get takes an idle connection, nil if there is none that is fresh: an older
// one may be about to be closed by either side.
func (p *streamPool) get(fresh time.Duration) *stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		s := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if time.Since(s.idleSince) < fresh && s.frames.renew() == nil && !s.isDead() {
			return s
		}
		s.conn.Close()
	}
	return nil
}

func (p *streamPool) put(s *stream) {
	s.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || s.isDead() {
		s.conn.Close()
		return
	}
	p.idle = append(p.idle, s)
}

// discard removes a connection that ended while it was idle.
func (p *streamPool) discard(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle {
		if other == s {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return
		}
	}
}
