package sim

// queue holds what is to happen, by time; what is due at the same time happens in
// the order in which it was put there.
type queue struct {
	heap  []due
	slots []event
	free  []int32
	count uint64
}

// due is an event's place in the order. The event itself stays in its slot, so
// that the heap moves little.
type due struct {
	at   int64
	seq  uint64
	slot int32
}

func (d *due) before(o *due) bool { return d.at < o.at || d.at == o.at && d.seq < o.seq }

func (q *queue) push(at int64, e event) {
	var slot int32
	if n := len(q.free); n > 0 {
		slot = q.free[n-1]
		q.free = q.free[:n-1]
		q.slots[slot] = e
	} else {
		slot = int32(len(q.slots))
		q.slots = append(q.slots, e)
	}
	q.count++
	d := due{at, q.count, slot}
	q.heap = append(q.heap, d)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !d.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = d
}

func (q *queue) empty() bool { return len(q.heap) == 0 }

// next is the time of the first event.
func (q *queue) next() int64 { return q.heap[0].at }

func (q *queue) pop() (int64, event) {
	top := q.heap[0]
	last := len(q.heap) - 1
	d := q.heap[last]
	q.heap = q.heap[:last]
	if last > 0 {
		i := 0
		for {
			first := 4*i + 1
			if first >= last {
				break
			}
			least := first
			for c := first + 1; c < min(first+4, last); c++ {
				if q.heap[c].before(&q.heap[least]) {
					least = c
				}
			}
			if !q.heap[least].before(&d) {
				break
			}
			q.heap[i] = q.heap[least]
			i = least
		}
		q.heap[i] = d
	}
	e := q.slots[top.slot]
	q.slots[top.slot] = event{}
	q.free = append(q.free, top.slot)
	return top.at, e
}
