package wire

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame:
//
//	0        4        8      9
//	+--------+--------+------+-----------------+
//	| length | CRC-32C| kind | payload         |
//	+--------+--------+------+-----------------+
//
// All integers are little endian. length counts the payload alone. The CRC is
// over length, kind and payload, so that a damaged length does not pass either.
const frameHead = 9

// Kinds of frames. Each class knows its own, and all know signs of life.
const (
	kindPing      byte = 1  // no payload; answered by a pong
	kindPong      byte = 2  // no payload
	kindMessages  byte = 3  // (length u32, bytes)...
	kindHeartbeat byte = 4  // bytes
	kindRequests  byte = 5  // (id u64, length u32, bytes)...; id 0 was withdrawn: skip it
	kindAnswers   byte = 6  // (id u64, status u8, length u32, bytes)...
	kindBegin     byte = 7  // snapshot: header
	kindChunk     byte = 8  // snapshot: bytes
	kindEnd       byte = 9  // snapshot: total u64
	kindAbort     byte = 10 // snapshot: reason, text
	kindResult    byte = 11 // snapshot: status u8, text
)

const (
	// frameTarget ends a frame that many small messages share: small enough that
	// a reader seldom has to move a part of one, large enough that its header
	// costs nothing.
	frameTarget = 32 << 10

	messageHead = 4
	requestHead = 12
	answerHead  = 13
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameSum is the CRC of a whole frame, header included.
func frameSum(frame []byte) uint32 {
	sum := crc32.Update(0, castagnoli, frame[:4])
	return crc32.Update(sum, castagnoli, frame[8:])
}

func sealFrame(frame []byte) {
	binary.LittleEndian.PutUint32(frame[4:], frameSum(frame))
}

// frameSize is the size of the frame that b begins with, header included.
func frameSize(b []byte) int {
	return frameHead + int(binary.LittleEndian.Uint32(b))
}

// appendFrame appends one sealed frame whose payload is the given parts.
func appendFrame(dst []byte, kind byte, parts ...[]byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, kind)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-frameHead))
	sealFrame(dst[at:])
	return dst
}

// sealFrames fills in the CRC of each frame in b.
func sealFrames(b []byte) {
	for len(b) > 0 {
		n := frameSize(b)
		sealFrame(b[:n])
		b = b[n:]
	}
}

// nextMessage splits the first message off the payload of a kindMessages frame.
func nextMessage(p []byte) (msg, rest []byte, ok bool) {
	if len(p) < messageHead {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(p))
	p = p[messageHead:]
	if n > uint64(len(p)) {
		return nil, nil, false
	}
	return p[:n:n], p[n:], true
}

// nextRequest splits the first request off the payload of a kindRequests frame.
func nextRequest(p []byte) (id uint64, body, rest []byte, ok bool) {
	if len(p) < requestHead {
		return 0, nil, nil, false
	}
	id = binary.LittleEndian.Uint64(p)
	body, rest, ok = nextMessage(p[8:])
	return id, body, rest, ok
}

// What an answer says of its request.
const (
	answerOK         byte = 0
	answerOverloaded byte = 1 // the handler was not asked
	answerTooLarge   byte = 2 // the handler answered, but with too much
)

// nextAnswer splits the first answer off the payload of a kindAnswers frame.
func nextAnswer(p []byte) (id uint64, status byte, body, rest []byte, ok bool) {
	if len(p) < answerHead {
		return 0, 0, nil, nil, false
	}
	id, status = binary.LittleEndian.Uint64(p), p[8]
	body, rest, ok = nextMessage(p[9:])
	return id, status, body, rest, ok
}
