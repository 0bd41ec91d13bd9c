package consensus

// ring holds consecutive entries in memory: growing at the back, given up at
// the front, both without moving the others. The zero value is empty.
type ring struct {
	buffer []Entry // its length is a power of two
	head   int
	count  int
}

func (r *ring) at(i int) *Entry { return &r.buffer[(r.head+i)&(len(r.buffer)-1)] }

func (r *ring) push(e Entry) {
	if r.count == len(r.buffer) {
		buffer := make([]Entry, max(8, 2*len(r.buffer)))
		r.copyTo(buffer, 0)
		r.buffer, r.head = buffer, 0
	}
	r.count++
	*r.at(r.count - 1) = e
}

// copyTo fills dst with the entries from place i on.
func (r *ring) copyTo(dst []Entry, i int) {
	if r.count == 0 || len(dst) == 0 {
		return
	}
	start := (r.head + i) & (len(r.buffer) - 1)
	n := copy(dst, r.buffer[start:min(len(r.buffer), start+r.count-i)])
	if n < len(dst) && n < r.count-i {
		copy(dst[n:], r.buffer[:r.count-i-n])
	}
}

func (r *ring) dropFront(n int) {
	for range n {
		*r.at(0) = Entry{}
		r.head = (r.head + 1) & (len(r.buffer) - 1)
		r.count--
	}
}

func (r *ring) dropBack(n int) {
	for range n {
		*r.at(r.count - 1) = Entry{}
		r.count--
	}
}

// release gives up the buffer of an empty ring.
func (r *ring) release() {
	if r.count == 0 {
		*r = ring{}
	}
}
