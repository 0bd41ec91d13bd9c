package tracker

import (
	"iter"
	"slices"
)

// Inflights is the window of append messages on their way to one follower, in
// messages and in bytes. The zero value is an empty window without a buffer,
// which grows as needed and is given up by Reset.
type Inflights struct {
	buffer []inflight // a ring, its length a power of two
	head   int
	count  int
	bytes  uint64
}

type inflight struct {
	last, bytes uint64 // the last index of a message and its size
}

// Count returns the number of messages on their way.
func (w *Inflights) Count() int { return w.count }

// Bytes returns the bytes on their way.
func (w *Inflights) Bytes() uint64 { return w.bytes }

// Newest returns the bytes of the message sent last, 0 if none is on its way.
func (w *Inflights) Newest() uint64 {
	if w.count == 0 {
		return 0
	}
	return w.buffer[(w.head+w.count-1)&(len(w.buffer)-1)].bytes
}

// Full reports whether the window has no room for another message.
func (w *Inflights) Full(maxMessages int, maxBytes uint64) bool {
	return w.count >= maxMessages || w.bytes >= maxBytes
}

// Add notes a message whose last entry has the given index, which ascends.
func (w *Inflights) Add(last, bytes uint64) {
	if w.count == len(w.buffer) {
		w.grow()
	}
	w.buffer[(w.head+w.count)&(len(w.buffer)-1)] = inflight{last, bytes}
	w.count++
	w.bytes += bytes
}

// Free removes the messages up to and including index.
func (w *Inflights) Free(index uint64) {
	for w.count > 0 && w.buffer[w.head].last <= index {
		w.bytes -= w.buffer[w.head].bytes
		w.head = (w.head + 1) & (len(w.buffer) - 1)
		w.count--
	}
}

// All gives the last index and the size of each message on its way, oldest first.
func (w *Inflights) All() iter.Seq2[uint64, uint64] {
	return func(yield func(last, bytes uint64) bool) {
		for i := range w.count {
			if f := w.buffer[(w.head+i)&(len(w.buffer)-1)]; !yield(f.last, f.bytes) {
				return
			}
		}
	}
}

// Clone returns a window that is where this one is and shares nothing with it.
func (w *Inflights) Clone() Inflights {
	c := *w
	c.buffer = slices.Clone(w.buffer)
	return c
}

// Reset empties the window and gives up its buffer.
func (w *Inflights) Reset() { *w = Inflights{} }

func (w *Inflights) grow() {
	buffer := make([]inflight, max(8, 2*len(w.buffer)))
	for i := range w.count {
		buffer[i] = w.buffer[(w.head+i)&(len(w.buffer)-1)]
	}
	w.buffer, w.head = buffer, 0
}
