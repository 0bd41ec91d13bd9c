package wire

import (
	"encoding/binary"
	"sync"
)

// outbox is what waits to be written to one connection: a double buffer of
// frames that many goroutines append to and one writer takes as a whole, and a
// few urgent frames that go ahead of it.
//
// An outbox outlives connections: what waits when one is lost goes over the
// next one, unless that cannot be made.
type outbox struct {
	mu       sync.Mutex
	buf      []byte // frames without CRC; the last may be open
	open     int    // offset in buf of the open frame, -1 if there is none
	spare    []byte // the other buffer while the writer does not have it
	inflight int    // bytes that the writer took and has not written yet
	offered  int    // bytes of the taken buffer that were offered to a Write
	takes    uint64 // how often the writer took: the epoch of what waits
	busy     bool   // something was taken since the last calm

	beat    []byte // payload of the newest heartbeat
	hasBeat bool
	ping    bool
	pong    bool

	parked bool          // the writer sleeps, or is about to
	wake   chan struct{} // wakes it, capacity 1

	limit int   // bytes that may wait or be in flight
	most  int   // bytes of one message
	down  error // why nothing may be queued; nil while it may

	errFull, errLarge error // made once: refusing must be cheap
}

// keepBytes is how much an unused buffer may hold until the next calm.
const keepBytes = 4 << 20

func (o *outbox) init(limit, most int, errFull, errLarge error) {
	o.open = -1
	o.wake = make(chan struct{}, 1)
	o.limit, o.most = limit, most
	o.errFull, o.errLarge = errFull, errLarge
}

// add appends one message that encode appends to its argument.
func (o *outbox) add(kind byte, encode func(dst []byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock() // encode is not ours: it may panic
	if o.down != nil {
		return o.down
	}
	if len(o.buf)+o.inflight >= o.limit {
		return o.errFull
	}
	b, open := o.frameFor(kind)
	at := len(b)
	b = encode(append(b, 0, 0, 0, 0))
	n := len(b) - at - messageHead
	if n < 0 || n > o.most {
		return o.errLarge
	}
	if len(b)+o.inflight > o.limit && len(o.buf)+o.inflight > 0 {
		return o.errFull
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(n))
	o.commit(b, open)
	return nil
}

// addRecord appends head (which ends with the length of body) and body. The
// caller holds mu. It returns where in the waiting buffer head begins.
func (o *outbox) addRecord(kind byte, head, body []byte) (offset int, err error) {
	if o.down != nil {
		return 0, o.down
	}
	if len(body) > o.most {
		return 0, o.errLarge
	}
	if waits := len(o.buf) + o.inflight; waits > 0 && waits+len(head)+len(body) > o.limit {
		return 0, o.errFull
	}
	b, open := o.frameFor(kind)
	offset = len(b)
	b = append(b, head...)
	o.commit(append(b, body...), open)
	return offset, nil
}

// frameFor gives the buffer with an open frame of this kind at its end, and the
// offset of that frame. Nothing of the outbox changes but lengths of frames
// that are complete, so that the caller may still think better of it.
func (o *outbox) frameFor(kind byte) (b []byte, open int) {
	b = o.buf
	if o.open >= 0 {
		if b[o.open+8] == kind {
			return b, o.open
		}
		o.closeFrame()
	}
	if b == nil {
		b, o.spare = o.spare[:0], nil
	}
	open = len(b)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, kind), open
}

func (o *outbox) commit(b []byte, open int) {
	o.buf, o.open = b, open
	if len(b)-open >= frameTarget {
		o.closeFrame()
	}
	o.rouse()
}

// closeFrame fills in the length of the open frame, if there is one.
func (o *outbox) closeFrame() {
	if o.open >= 0 {
		binary.LittleEndian.PutUint32(o.buf[o.open:], uint32(len(o.buf)-o.open-frameHead))
		o.open = -1
	}
}

// rouse wakes the writer if it sleeps. The caller holds mu.
func (o *outbox) rouse() {
	if o.parked {
		o.parked = false
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
}

// setBeat makes payload the heartbeat that goes next.
func (o *outbox) setBeat(payload []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down != nil {
		return
	}
	o.beat, o.hasBeat = append(o.beat[:0], payload...), true
	o.rouse()
}

func (o *outbox) setPong() {
	o.mu.Lock()
	o.pong = true
	o.rouse()
	o.mu.Unlock()
}

// tick asks for a sign of life and gives back the memory of buffers that were
// not used since the last tick.
func (o *outbox) tick(ping bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ping = o.ping || ping
	if !o.busy && o.inflight == 0 && len(o.buf) == 0 {
		o.buf, o.spare = nil, nil
	}
	o.busy = false
}

// take gives the writer all that waits, and the urgent frames, appended to
// urgent. used is what the writer took before and is done with. The first
// piece of data, which ends at end, counts as offered from now on. Nothing at
// all means that the writer may sleep on wake.
func (o *outbox) take(used, urgent []byte) (data []byte, end int, ahead []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spare == nil && cap(used) <= keepBytes {
		o.spare = used[:0]
	}
	o.inflight = 0
	ahead = o.takeUrgent(urgent)
	if len(o.buf) == 0 {
		o.parked = len(ahead) == 0
		return nil, 0, ahead
	}
	o.closeFrame()
	data = o.buf
	o.buf, o.spare = o.spare, nil
	o.inflight = len(data)
	o.takes++
	o.busy = true
	end = pieceEnd(data)
	o.offered = end
	return data, end, ahead
}

// offer tells that the taken buffer was written up to from, and that the bytes
// up to to are offered next; it gives urgent frames that go before them.
func (o *outbox) offer(taken, from, to int, urgent []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inflight = taken - from
	o.offered = to
	return o.takeUrgent(urgent)
}

func (o *outbox) takeUrgent(dst []byte) []byte {
	if o.pong {
		dst, o.pong = appendFrame(dst, kindPong), false
	}
	if o.hasBeat {
		dst, o.hasBeat = appendFrame(dst, kindHeartbeat, o.beat), false
	}
	if o.ping {
		dst, o.ping = appendFrame(dst, kindPing), false
	}
	return dst
}

// drop forgets all that waits. The caller holds mu.
func (o *outbox) drop() {
	o.buf, o.spare, o.open = nil, nil, -1
	o.beat, o.hasBeat = nil, false
	o.disconnected()
}

// disconnected forgets what concerned the connection that was lost. The caller
// holds mu.
func (o *outbox) disconnected() {
	o.inflight, o.offered = 0, 0
	o.ping, o.pong = false, false
}
