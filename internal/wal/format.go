package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A segment is a header of one page and then items, each aligned to 8 bytes:
//
//	segment header (64 bytes used of 4096; written once, before first use)
//	  0  magic "rfwalseg"        8
//	  8  format version          4
//	 12  CRC-32C of the others   4
//	 16  log id                  8   random, the same in all segments of a log
//	 24  segment number          8
//	 32  generation              8   random, new each time the file is used anew
//	 40  bytes of the file       8   at least: a segment only ever grows
//
//	item
//	  0  length of the body      4
//	  4  CRC-32C of the body     4
//	  8  body                    length, then zeros up to a multiple of 8
//
// The first byte of a body is its kind. Frames and records are both items, so a
// reader that stands on any item can walk on. A frame precedes the records of
// one batch:
//
//	frame (an item with a body of 32 bytes)
//	  8  kind, format version    2
//	 10  zero                    2
//	 12  bytes of records        4
//	 16  generation              8   of the segment: tells recycled bytes apart
//	 24  round                   8   number of the write that carried it, ascending
//	 32  start of the round      4   offset of the round's first frame
//	 36  CRC-32C of the headers  4   of all records of the batch, in order
//
// A round is what was written between two syncs. A seal is a frame without
// records that ends a segment.
const (
	formatVersion = 1
	segmentMagic  = "rfwalseg"
	segmentHeader = 64
	dataStart     = 4096 // the header's page is never written again while the segment is in use
	itemHeader    = 8
	frameBytes    = 40
)

// Kinds of items. Numbers are on disk and never change their meaning.
const (
	kindFrame   = 1
	kindSeal    = 2
	kindAppend  = 3 // state and entries, replaces what follows the first
	kindReset   = 4 // log restarts behind a base
	kindCompact = 5 // entries up to a base go away
	kindDelete  = 6 // member is gone
	kindMeta    = 7 // state and base of a quiet member, copied forward
	kindMove    = 8 // entries of a quiet member, copied forward
	kindVoid    = 9 // a copy that was out of date when its turn came
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func align8(n int) int { return (n + 7) &^ 7 }

// header is what a segment says of itself.
type header struct {
	logID, number, generation uint64
	bytes                     uint64
}

func (h header) append(dst []byte) []byte {
	var b [segmentHeader]byte
	copy(b[:], segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	binary.LittleEndian.PutUint64(b[16:], h.logID)
	binary.LittleEndian.PutUint64(b[24:], h.number)
	binary.LittleEndian.PutUint64(b[32:], h.generation)
	binary.LittleEndian.PutUint64(b[40:], h.bytes)
	binary.LittleEndian.PutUint32(b[12:], headerSum(b[:]))
	return append(dst, b[:]...)
}

func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[16:segmentHeader])
}

// decodeHeader reads a segment header; reason is empty when it is sound.
func decodeHeader(b []byte) (h header, reason string, err error) {
	if len(b) < segmentHeader {
		return h, "shorter than its header", nil
	}
	b = b[:segmentHeader]
	if string(b[:8]) != segmentMagic {
		return h, "not a segment: its first bytes are wrong", nil
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		// An unknown version may have another header, so its sum is not looked at.
		return h, "", fmt.Errorf("%w: segment has version %d, this program knows %d; use the program version that wrote it", ErrFormat, v, formatVersion)
	}
	if binary.LittleEndian.Uint32(b[12:]) != headerSum(b) {
		return h, "header has a wrong checksum", nil
	}
	return header{
		logID:      binary.LittleEndian.Uint64(b[16:]),
		number:     binary.LittleEndian.Uint64(b[24:]),
		generation: binary.LittleEndian.Uint64(b[32:]),
		bytes:      binary.LittleEndian.Uint64(b[40:]),
	}, "", nil
}

type frame struct {
	seal       bool
	payload    uint32
	generation uint64
	round      uint64
	start      uint32
	sum        uint32
}

func (f *frame) put(b []byte) {
	b = b[:frameBytes]
	clear(b)
	b[8], b[9] = kindFrame, formatVersion
	if f.seal {
		b[8] = kindSeal
	}
	binary.LittleEndian.PutUint32(b[12:], f.payload)
	binary.LittleEndian.PutUint64(b[16:], f.generation)
	binary.LittleEndian.PutUint64(b[24:], f.round)
	binary.LittleEndian.PutUint32(b[32:], f.start)
	binary.LittleEndian.PutUint32(b[36:], f.sum)
	binary.LittleEndian.PutUint32(b, frameBytes-itemHeader)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
}

// decodeFrame reads the frame of the given generation at the start of b.
func decodeFrame(b []byte, generation uint64) (f frame, ok bool) {
	if len(b) < frameBytes {
		return f, false
	}
	b = b[:frameBytes]
	if binary.LittleEndian.Uint64(b[16:]) != generation ||
		binary.LittleEndian.Uint32(b) != frameBytes-itemHeader ||
		b[8] != kindFrame && b[8] != kindSeal || b[9] != formatVersion ||
		binary.LittleEndian.Uint32(b[4:]) != crc32.Checksum(b[8:], castagnoli) {
		return f, false
	}
	f = frame{
		seal:       b[8] == kindSeal,
		payload:    binary.LittleEndian.Uint32(b[12:]),
		generation: generation,
		round:      binary.LittleEndian.Uint64(b[24:]),
		start:      binary.LittleEndian.Uint32(b[32:]),
		sum:        binary.LittleEndian.Uint32(b[36:]),
	}
	return f, f.payload%8 == 0
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x.wal", number) }

// parseSegmentName reads what segmentName wrote.
func parseSegmentName(name string) (number uint64, ok bool) {
	if len(name) != 20 || name[16:] != ".wal" {
		return 0, false
	}
	for _, c := range []byte(name[:16]) {
		switch {
		case '0' <= c && c <= '9':
			number = number<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			number = number<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return number, number != 0
}
