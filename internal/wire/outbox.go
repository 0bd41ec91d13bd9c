package wire

import (
	"encoding/binary"
	"sync"
)

// outbox is what waits to be written to one connection: blocks of frames that
// many goroutines append to and one writer takes, and a few urgent frames that
// go ahead of them. While the writer keeps up there are two blocks, one being
// filled and one being written, and each is taken with all that waits.
//
// An outbox outlives connections: what waits when one is lost goes over the
// next one, unless that cannot be made.
type outbox struct {
	mu       sync.Mutex
	blocks   [][]byte // waiting, frames without CRC; the last is being filled
	open     int      // offset in the last block of the open frame, -1 if none
	waiting  int      // bytes in blocks
	inflight int      // bytes of the block that the writer took
	takes    uint64   // blocks taken so far: the number of the first that waits
	free     [][]byte // blocks to fill again
	busy     bool     // something was taken since the last tick

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

const (
	// blockBytes is how much goes into a block before the next is begun: a
	// heartbeat waits for one block at most, and a queue that grows is not moved.
	blockBytes = 256 << 10

	// Of the blocks that were written, a few of ordinary size are kept.
	keepBlocks     = 4
	keepBlockBytes = 2 * blockBytes
)

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
	if o.waiting+o.inflight >= o.limit {
		return o.errFull
	}
	b, open := o.frameFor(kind)
	at := len(b)
	b = encode(append(b, 0, 0, 0, 0))
	n := len(b) - at - messageHead
	if n < 0 || n > o.most {
		return o.errLarge
	}
	if held := o.waiting + o.inflight; held > 0 && held+n > o.limit {
		return o.errFull
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(n))
	o.commit(b, open)
	return nil
}

// place is where a record waits: the number of its block, and an offset.
type place struct {
	block  uint64
	offset int
}

// addRecord appends head (which ends with the length of body) and body, and
// gives the place where head begins. The caller holds mu.
func (o *outbox) addRecord(kind byte, head, body []byte) (place, error) {
	if o.down != nil {
		return place{}, o.down
	}
	if len(body) > o.most {
		return place{}, o.errLarge
	}
	if held := o.waiting + o.inflight; held > 0 && held+len(head)+len(body) > o.limit {
		return place{}, o.errFull
	}
	b, open := o.frameFor(kind)
	at := place{o.takes + uint64(len(o.blocks)-1), len(b)}
	b = append(b, head...)
	o.commit(append(b, body...), open)
	return at, nil
}

// at gives the bytes at a place, nil if its block was taken. The caller holds mu.
func (o *outbox) at(p place) []byte {
	if p.block < o.takes {
		return nil
	}
	return o.blocks[p.block-o.takes][p.offset:]
}

// frameFor gives the last block with an open frame of this kind at its end, and
// the offset of that frame. The caller may still think better of it: until
// commit nothing of what waits has changed.
func (o *outbox) frameFor(kind byte) (b []byte, open int) {
	last := len(o.blocks) - 1
	if o.open >= 0 {
		if b = o.blocks[last]; b[o.open+8] == kind {
			return b, o.open
		}
		o.closeFrame()
	}
	if last < 0 || len(o.blocks[last]) >= blockBytes {
		if n := len(o.free); n > 0 {
			b, o.free = o.free[n-1], o.free[:n-1]
		} else if last >= 0 {
			b = make([]byte, 0, blockBytes+frameTarget)
		}
		o.blocks = append(o.blocks, b)
	} else {
		b = o.blocks[last]
	}
	open = len(b)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, kind), open
}

func (o *outbox) commit(b []byte, open int) {
	last := len(o.blocks) - 1
	o.waiting += len(b) - len(o.blocks[last])
	o.blocks[last], o.open = b, open
	if len(b)-open >= frameTarget {
		o.closeFrame()
	}
	o.rouse()
}

// closeFrame fills in the length of the open frame, if there is one.
func (o *outbox) closeFrame() {
	if o.open >= 0 {
		b := o.blocks[len(o.blocks)-1]
		binary.LittleEndian.PutUint32(b[o.open:], uint32(len(b)-o.open-frameHead))
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

// tick asks for a sign of life and gives back the memory of blocks that were
// not used since the last tick.
func (o *outbox) tick(ping bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ping = o.ping || ping
	if !o.busy && o.waiting == 0 {
		o.blocks, o.free = nil, nil
	}
	o.busy = false
}

// take gives the writer the next block, which counts as sent from now on, and
// the urgent frames, appended to urgent. used is the block that the writer took
// before and is done with. Nothing at all means that the writer may sleep on
// wake.
func (o *outbox) take(used, urgent []byte) (block, ahead []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if used != nil && cap(used) <= keepBlockBytes && len(o.free) < keepBlocks {
		o.free = append(o.free, used[:0])
	}
	o.inflight = 0
	ahead = o.takeUrgent(urgent)
	if o.waiting == 0 {
		o.parked = len(ahead) == 0
		return nil, ahead
	}
	if len(o.blocks) == 1 {
		o.closeFrame()
	}
	block = o.blocks[0]
	n := copy(o.blocks, o.blocks[1:])
	o.blocks[n] = nil
	o.blocks = o.blocks[:n]
	o.waiting -= len(block)
	o.inflight = len(block)
	o.takes++
	o.busy = true
	return block, ahead
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
	o.takes += uint64(len(o.blocks)) // places of what is dropped stay apart
	o.blocks, o.free, o.open, o.waiting = nil, nil, -1, 0
	o.beat, o.hasBeat = nil, false
	o.disconnected()
}

// disconnected forgets what concerned the connection that was lost. The caller
// holds mu.
func (o *outbox) disconnected() {
	o.inflight = 0
	o.ping, o.pong = false, false
}
