package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
)

// MaxBatchBytes is the largest batch, encoded.
const MaxBatchBytes = 512 << 20

// keptRecords is how many records a batch keeps the memory of for its next use.
const keptRecords = 16 << 10

// Batch gathers what becomes durable together. It is filled by one goroutine,
// encodes at once, and belongs to the log from a successful Submit on.
type Batch struct {
	log     *Log
	full    [][]byte // frame and records, as they go to the disk: chunks that are full
	buf     []byte   // and the one being filled
	before  int      // bytes in the full ones
	records []queued
	sum     uint32
	entries bool // holds entries, so it makes the log grow
	err     error

	done    func(error)
	at      int64 // where the writer puts it
	outcome error
}

// queued is what the writer needs to know of a record to keep the index.
type queued struct {
	ml             *memberLog
	kind           byte
	hasState       bool
	off, size      uint32 // of the item in the batch
	count          uint32
	version        uint32 // for copies: what the index said when the copy was made
	first          uint64
	base, baseTerm uint64
	state          State
}

// keptBatches is how many batches a log keeps for itself. A pool alone would lose
// them, and their buffers, with every garbage collection.
const keptBatches = 128

var batches = sync.Pool{New: func() any { return new(Batch) }}

// NewBatch returns an empty batch.
func (l *Log) NewBatch() *Batch {
	var b *Batch
	select {
	case b = <-l.spareBatches:
	default:
		b = batches.Get().(*Batch)
	}
	b.log = l
	if cap(b.buf) < frameBytes {
		b.buf = make([]byte, frameBytes, firstChunkBytes)
	}
	b.buf = b.buf[:frameBytes]
	return b
}

// Len is the number of records in the batch.
func (b *Batch) Len() int { return len(b.records) }

// Size is the number of bytes that the batch takes in the log.
func (b *Batch) Size() int { return b.size() }

func (b *Batch) size() int {
	if len(b.records) == 0 {
		return 0
	}
	return b.before + len(b.buf)
}

// frame is where the frame goes.
func (b *Batch) frame() []byte { return b.chunk(0)[:frameBytes] }

// chunk is the i-th of len(full)+1 chunks.
func (b *Batch) chunk(i int) []byte {
	if i < len(b.full) {
		return b.full[i]
	}
	return b.buf
}

// record is the item of a record.
func (b *Batch) record(q *queued) []byte {
	at, i := int(q.off), 0
	for at >= len(b.chunk(i)) {
		at -= len(b.chunk(i))
		i++
	}
	return b.chunk(i)[at:][:q.size]
}

// Discard gives back a batch that will not be submitted, or that Submit refused.
func (b *Batch) Discard() {
	for i := range b.records {
		b.log.members.unuse(b.records[i].ml)
		b.records[i].ml = nil
	}
	b.records = b.records[:0]
	if cap(b.records) > keptRecords {
		b.records = nil
	}
	b.log.chunks.giveBack(b)
	l := b.log
	b.log, b.done, b.err, b.outcome = nil, nil, nil, nil
	b.sum, b.entries, b.at = 0, false, 0
	select {
	case l.spareBatches <- b:
	default:
		batches.Put(b)
	}
}

// Append adds entries to the log of m and sets its state. A nil st leaves the
// state as it is; entries may be empty. Entries are consecutive; when the first
// is at or before the last of the log, it and what follows it are replaced. The
// first entry of a member that was never Reset has index 1. Everything is
// encoded before Append returns. Mistakes are reported by Submit or its done.
func (b *Batch) Append(m Member, st *State, entries []Entry) {
	if st == nil && len(entries) == 0 {
		return
	}
	need := 96
	for i := range entries {
		need += 16 + len(entries[i].Data)
	}
	if !b.grow(need) {
		return
	}
	flags := byte(0)
	if st != nil {
		flags = flagState
	}
	q := b.begin(kindAppend, flags, m)
	if st != nil {
		b.putState(*st)
		q.hasState, q.state = true, *st
	}
	b.putEntries(q, entries)
	b.finish(q)
}

// Reset lets the log of m start anew behind base: a new member, or one that
// accepted a snapshot. Its entries are forgotten.
func (b *Batch) Reset(m Member, base, baseTerm uint64, st State) {
	b.base(kindReset, m, base, baseTerm, &st)
}

// Compact forgets the entries of m up to base. A base behind the last entry
// empties the log; one at or before the present base does nothing.
func (b *Batch) Compact(m Member, base, baseTerm uint64) {
	b.base(kindCompact, m, base, baseTerm, nil)
}

// Delete forgets m. It does nothing when m is unknown.
func (b *Batch) Delete(m Member) {
	if b.grow(32) {
		b.finish(b.begin(kindDelete, 0, m))
	}
}

func (b *Batch) base(kind byte, m Member, base, baseTerm uint64, st *State) {
	if base >= maxIndex {
		b.fail(fmt.Errorf("%w: group %016x member %d: base %d is beyond all indexes", ErrInvalid, m.Group, m.ID, base))
	}
	if !b.grow(96) {
		return
	}
	q := b.begin(kind, 0, m)
	if st != nil {
		b.putState(*st)
		q.hasState, q.state = true, *st
	}
	b.buf = binary.AppendUvarint(b.buf, base)
	b.buf = binary.AppendUvarint(b.buf, baseTerm)
	q.base, q.baseTerm = base, baseTerm
	b.finish(q)
}

// meta adds a copy of a quiet member's state and base, made at the given version of them.
func (b *Batch) meta(ml *memberLog, st State, base, baseTerm uint64, version uint32) {
	b.base(kindMeta, ml.member, base, baseTerm, &st)
	if b.err == nil {
		b.records[len(b.records)-1].version = version
	}
}

// move adds a copy of a quiet member's entries, made at the given version of its log.
func (b *Batch) move(ml *memberLog, entries []Entry, version uint32) {
	need := 96
	for i := range entries {
		need += 16 + len(entries[i].Data)
	}
	if !b.grow(need) {
		return
	}
	q := b.begin(kindMove, 0, ml.member)
	q.version = version
	b.putEntries(q, entries)
	b.finish(q)
}

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// grow makes room for a record of at most n bytes, in one chunk, and reports
// whether the batch is sound and stays within its bound.
func (b *Batch) grow(n int) bool {
	if b.before+len(b.buf)+n > MaxBatchBytes {
		b.fail(fmt.Errorf("%w: more than %d bytes; submit in smaller batches", ErrTooLarge, MaxBatchBytes))
	}
	if b.err != nil {
		return false
	}
	if n += 8; cap(b.buf)-len(b.buf) < n {
		b.full = append(b.full, b.buf)
		b.before += len(b.buf)
		b.buf = b.log.chunks.take(n)
	}
	return true
}

func (b *Batch) begin(kind, flags byte, m Member) *queued {
	b.records = append(b.records, queued{kind: kind, off: uint32(b.before + len(b.buf))})
	q := &b.records[len(b.records)-1]
	q.ml = b.log.members.use(m)
	b.buf = append(b.buf, 0, 0, 0, 0, 0, 0, 0, 0, kind, flags)
	b.buf = binary.AppendUvarint(b.buf, m.Group)
	b.buf = binary.AppendUvarint(b.buf, m.ID)
	return q
}

func (b *Batch) putState(st State) {
	b.buf = binary.AppendUvarint(b.buf, st.Term)
	b.buf = binary.AppendUvarint(b.buf, st.Vote)
	b.buf = binary.AppendUvarint(b.buf, st.Commit)
}

func (b *Batch) putEntries(q *queued, entries []Entry) {
	if len(entries) == 0 {
		b.buf = append(b.buf, 0, 0)
		return
	}
	b.entries = true
	q.first, q.count = entries[0].Index, uint32(len(entries))
	b.buf = binary.AppendUvarint(b.buf, q.first)
	b.buf = binary.AppendUvarint(b.buf, uint64(q.count))
	for i := range entries {
		e := &entries[i]
		if e.Index != q.first+uint64(i) || e.Index == 0 || e.Index >= maxIndex {
			b.fail(fmt.Errorf("%w: group %016x member %d: entry %d follows entry %d", ErrInvalid, q.ml.member.Group, q.ml.member.ID, e.Index, q.first+uint64(i)-1))
		}
		b.buf = binary.AppendUvarint(b.buf, e.Term)
		b.buf = append(b.buf, e.Kind)
		b.buf = binary.AppendUvarint(b.buf, uint64(len(e.Data)))
		b.buf = append(b.buf, e.Data...)
	}
}

// finish seals the record that was begun last.
func (b *Batch) finish(q *queued) {
	rec := b.buf[int(q.off)-b.before:]
	binary.LittleEndian.PutUint32(rec, uint32(len(rec)-itemHeader))
	binary.LittleEndian.PutUint32(rec[4:], crc32.Checksum(rec[itemHeader:], castagnoli))
	b.sum = crc32.Update(b.sum, castagnoli, rec[:itemHeader])
	for len(b.buf)%8 != 0 {
		b.buf = append(b.buf, 0)
	}
	q.size = uint32(b.before+len(b.buf)) - q.off
}

// void makes a copy that came too late mean nothing.
func (b *Batch) void(q *queued) {
	q.kind = kindVoid
	rec := b.record(q)
	body, _, _ := item(rec)
	body[0] = kindVoid
	binary.LittleEndian.PutUint32(rec[4:], crc32.Checksum(body, castagnoli))
	b.sum = 0
	for i := range b.records {
		b.sum = crc32.Update(b.sum, castagnoli, b.record(&b.records[i])[:itemHeader])
	}
}
