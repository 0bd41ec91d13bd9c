package wire

// callTable holds the calls of one connection that wait for their answer. It is
// guarded by the mutex of the outbox that their requests go through, so that a
// call takes one lock to start and a whole read of answers takes one to find
// their calls.
type callTable struct {
	slots  []callSlot
	free   int32 // first free slot, -1 if there is none
	active int
	serial uint64
}

// callSlot is one waiting call, or a link in the list of free slots.
type callSlot struct {
	id       uint64 // 0 if free
	done     func([]byte, error)
	deadline int64 // nanoseconds of Transport.clock, 0 for none
	place    place // of its id in the outbox
	next     int32 // while free
}

// An id is a serial number and a slot: an answer that comes after its call was
// given up must not meet the next call in the same slot.
const slotBits = 24

func (c *callTable) init() { c.free = -1 }

// put stores a call and gives its id, never zero; ok is false if the table is
// full.
func (c *callTable) put(s callSlot, most int) (id uint64, ok bool) {
	at := c.free
	if at >= 0 {
		c.free = c.slots[at].next
	} else {
		if len(c.slots) >= min(most, 1<<slotBits) {
			return 0, false
		}
		at = int32(len(c.slots))
		c.slots = append(c.slots, callSlot{})
	}
	c.serial++
	s.id = c.serial<<slotBits | uint64(at)
	c.slots[at] = s
	c.active++
	return s.id, true
}

// at gives the slot of a call that was put and not taken.
func (c *callTable) at(id uint64) *callSlot { return &c.slots[id&(1<<slotBits-1)] }

// take removes a call and gives it.
func (c *callTable) take(id uint64) (callSlot, bool) {
	at := id & (1<<slotBits - 1)
	if id == 0 || at >= uint64(len(c.slots)) || c.slots[at].id != id {
		return callSlot{}, false
	}
	s := c.slots[at]
	c.slots[at] = callSlot{next: c.free}
	c.free = int32(at)
	c.active--
	return s, true
}

// shrink gives back the memory of an empty table.
func (c *callTable) shrink() {
	if c.active == 0 && len(c.slots) > 16 {
		c.slots, c.free = nil, -1
	}
}
