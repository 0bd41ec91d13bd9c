package group

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An entry of kind EntryCommand holds a batch: everything that waited for one
// group in one turn of its lane. One entry for many commands keeps the cost of
// consensus, log and wire per batch instead of per command.
//
//	batch   = version(1) time(varint, unix nanoseconds) item*
//	item    = kind(1) session(uvarint) sequence(uvarint) acknowledged(uvarint) length(uvarint) body
//
// time is the leader's clock when it proposed; members make it monotonic when
// they apply it. acknowledged is how far below sequence the client's mark lies.
const batchVersion = 1

type itemKind uint8

const (
	itemCommand   itemKind = iota // body: the machine's command
	itemRegister                  // opens a session; its id is the entry's position
	itemConfigure                 // body: an encoded Config, in force from here on
	itemSeal                      // with a body: nothing is applied from here on, the group is being removed; without: it goes on
)

var errBadBatch = errors.New("group: malformed batch in the log")

type batchItem struct {
	kind             itemKind
	session          uint64
	sequence         uint64
	acknowledgeBelow uint64
	body             []byte
}

func appendBatchHeader(dst []byte, now int64) []byte {
	dst = append(dst, batchVersion)
	return binary.AppendVarint(dst, now)
}

func appendBatchItem(dst []byte, it *batchItem) []byte {
	dst = append(dst, byte(it.kind))
	dst = binary.AppendUvarint(dst, it.session)
	dst = binary.AppendUvarint(dst, it.sequence)
	dst = binary.AppendUvarint(dst, it.sequence-it.acknowledgeBelow)
	dst = binary.AppendUvarint(dst, uint64(len(it.body)))
	return append(dst, it.body...)
}

// itemOverhead bounds what appendBatchItem adds to a body.
const itemOverhead = 1 + 4*binary.MaxVarintLen64

// batchReader walks a batch without copying: bodies alias the entry.
type batchReader struct {
	rest []byte
	time int64
}

func readBatch(b []byte) (batchReader, error) {
	if len(b) == 0 {
		return batchReader{}, errBadBatch
	}
	if b[0] != batchVersion {
		return batchReader{}, fmt.Errorf("%w: version %d, this program reads %d", errBadBatch, b[0], batchVersion)
	}
	t, n := binary.Varint(b[1:])
	if n <= 0 {
		return batchReader{}, errBadBatch
	}
	return batchReader{rest: b[1+n:], time: t}, nil
}

// next returns false at the end.
func (r *batchReader) next(it *batchItem) (bool, error) {
	if len(r.rest) == 0 {
		return false, nil
	}
	b := r.rest[1:]
	it.kind = itemKind(r.rest[0])
	if it.kind > itemSeal {
		return false, fmt.Errorf("%w: item of unknown kind %d", errBadBatch, it.kind)
	}
	var below, length uint64
	for _, field := range [...]*uint64{&it.session, &it.sequence, &below, &length} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return false, errBadBatch
		}
		*field, b = v, b[n:]
	}
	if length > uint64(len(b)) || below > it.sequence {
		return false, errBadBatch
	}
	it.acknowledgeBelow = it.sequence - below
	it.body, r.rest = b[:length:length], b[length:]
	return true, nil
}
