package wire

import (
	"math/rand/v2"
	"time"
)

const (
	firstPause = 20 * time.Millisecond
	maxPause   = time.Second
)

// backoff gives the pauses between attempts: doubling from firstPause to
// maxPause, each shortened at random by up to a half, so that the nodes that
// lost the same one do not come back in step.
type backoff struct{ pause time.Duration }

func (b *backoff) next() time.Duration {
	b.pause = min(max(2*b.pause, firstPause), maxPause)
	return b.pause - rand.N(b.pause/2)
}

func (b *backoff) reset() { b.pause = 0 }
