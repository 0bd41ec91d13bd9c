package wal

import "sync"

const (
	// firstChunkBytes is what a batch always has: most batches need no more.
	firstChunkBytes = 4 << 10
	// chunkBytes is the size of further chunks. A record never spans two; one that
	// is longer has a chunk of its own.
	chunkBytes = 64 << 10
	// keptChunks is how many a log keeps for its next batches, 16 MiB.
	keptChunks = 256
)

// chunkList holds the memory of batches. Batches are lists of chunks, so they
// grow without being copied, and what a large one had serves many small ones.
type chunkList struct {
	mu   sync.Mutex
	free [][]byte
}

// take returns an empty chunk with room for at least n bytes.
func (c *chunkList) take(n int) []byte {
	if n > chunkBytes {
		return make([]byte, 0, n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.free) - 1
	if last < 0 {
		return make([]byte, 0, chunkBytes)
	}
	chunk := c.free[last]
	c.free[last] = nil
	c.free = c.free[:last]
	return chunk
}

// giveBack takes all chunks of a batch but its first.
func (c *chunkList) giveBack(b *Batch) {
	if len(b.full) == 0 {
		return
	}
	first := b.full[0]
	c.mu.Lock()
	for i := 1; i <= len(b.full); i++ {
		if chunk := b.chunk(i); cap(chunk) == chunkBytes && len(c.free) < keptChunks {
			c.free = append(c.free, chunk[:0])
		}
	}
	c.mu.Unlock()
	clear(b.full)
	b.full, b.buf, b.before = b.full[:0], first, 0
}
