package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/raftfleet/raftfleet/internal/ident"
)

// Everything below is format version 2, in which the record of a member begins with
// its key. Integers are little endian, except in keys, where big endian keeps bbolt's
// order the order of the numbers.

const formatVersion = 2

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts a checksum before a value. It covers the place as well, so that a
// value that turns up under another key is noticed.
//
//	+----------------------------------+-------+
//	| CRC-32C of bucket, 0, key, value | value |
//	+----------------------------------+-------+
func seal(bucket, key, value []byte) []byte {
	b := make([]byte, 4, 4+len(value))
	binary.LittleEndian.PutUint32(b, placeCRC(bucket, key, value))
	return append(b, value...)
}

// unseal returns a part of b.
func unseal(bucket, key, b []byte) ([]byte, error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != placeCRC(bucket, key, b[4:]) {
		return nil, ErrCorrupt
	}
	return b[4:], nil
}

func placeCRC(bucket, key, value []byte) uint32 {
	crc := crc32.Update(0, castagnoli, bucket)
	crc = crc32.Update(crc, castagnoli, []byte{0})
	crc = crc32.Update(crc, castagnoli, key)
	return crc32.Update(crc, castagnoli, value)
}

func appendKey(dst []byte, k Key) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(k.Group))
	return binary.BigEndian.AppendUint64(dst, uint64(k.Member))
}

// keyBytes is the length of a Key's encoding.
const keyBytes = 16

// trueKey is whose record a damaged one is. A member's record begins with its key
// once more: when the damage is in bbolt's key the record still tells whose it is,
// and that member is not taken for one that never was.
func trueKey(found Key, sealed []byte) Key {
	if len(sealed) < 4+keyBytes {
		return found
	}
	own := sealed[4 : 4+keyBytes]
	if _, err := unseal(bucketMembers, own, sealed); err != nil {
		return found
	}
	k, _ := decodeKey(own)
	return k
}

func decodeKey(b []byte) (Key, error) {
	if len(b) != keyBytes {
		return Key{}, fmt.Errorf("a key of %d bytes instead of %d: %w", len(b), keyBytes, ErrCorrupt)
	}
	return Key{
		Group:  ident.GroupID(binary.BigEndian.Uint64(b)),
		Member: ident.MemberID(binary.BigEndian.Uint64(b[8:])),
	}, nil
}

func encodeIdentity(id Identity) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(id.Node))
	b = binary.LittleEndian.AppendUint64(b, uint64(id.Fleet))
	return append(b, id.Name...)
}

func decodeIdentity(b []byte) (Identity, error) {
	if len(b) < 16 {
		return Identity{}, fmt.Errorf("an identity of %d bytes: %w", len(b), ErrCorrupt)
	}
	id := Identity{
		Node:  ident.NodeID(binary.LittleEndian.Uint64(b)),
		Fleet: ident.FleetID(binary.LittleEndian.Uint64(b[8:])),
		Name:  string(b[16:]),
	}
	if id.Node == 0 {
		return Identity{}, fmt.Errorf("an identity without a node: %w", ErrCorrupt)
	}
	return id, nil
}

const (
	headerMagic   = "rfsn"
	headerVersion = 1
	headerFixed   = 72   // bytes before the configuration
	headerArea    = 4096 // bytes before the body in a snapshot file
)

// header says everything about a snapshot. The same bytes are the record in
// node.db, followed there by a small body, and the beginning of a snapshot file,
// padded there with zeroes to headerArea and followed by the body.
//
//	0 magic "rfsn"        8 group       40 config index   64 body CRC-32C
//	4 version u16        16 member      48 body size      68 config length
//	6 zero u16           24 index       56 nonce          72 config
//	                     32 term                          .. CRC-32C of all before
type header struct {
	Key
	Snapshot
	nonce uint64 // part of the file's name; 0 = the body is in node.db
}

func (h *header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, headerMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, headerVersion)
	dst = binary.LittleEndian.AppendUint16(dst, 0)
	for _, v := range [...]uint64{
		uint64(h.Group), uint64(h.Member), h.Index, h.Term, h.ConfigIndex, uint64(h.Size), h.nonce,
	} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	dst = binary.LittleEndian.AppendUint32(dst, h.CRC)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(h.Config)))
	dst = append(dst, h.Config...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// decodeHeader reads a header from the beginning of b and returns its length.
// Config is a copy.
func decodeHeader(b []byte) (h header, n int, err error) {
	if len(b) < headerFixed+4 || string(b[:4]) != headerMagic {
		return h, 0, fmt.Errorf("no snapshot header: %w", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v != headerVersion {
		return h, 0, fmt.Errorf("snapshot header of version %d, this program reads %d: use the program that wrote it: %w", v, headerVersion, ErrFormat)
	}
	configLen := binary.LittleEndian.Uint32(b[68:])
	if configLen > MaxConfigBytes || int(configLen) > len(b)-headerFixed-4 {
		return h, 0, fmt.Errorf("snapshot header with a configuration of %d bytes: %w", configLen, ErrCorrupt)
	}
	end := headerFixed + int(configLen)
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return h, 0, fmt.Errorf("snapshot header fails its checksum: %w", ErrCorrupt)
	}
	word := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	h.Group, h.Member = ident.GroupID(word(8)), ident.MemberID(word(16))
	h.Index, h.Term, h.ConfigIndex = word(24), word(32), word(40)
	h.Size, h.nonce = int64(word(48)), word(56)
	h.CRC = binary.LittleEndian.Uint32(b[64:])
	h.Config = bytes.Clone(b[headerFixed:end])
	if b[6] != 0 || b[7] != 0 || h.Size < 0 || h.Index == 0 {
		return header{}, 0, fmt.Errorf("snapshot header with impossible values: %w", ErrCorrupt)
	}
	return h, end + 4, nil
}

func (h *header) equal(o *header) bool {
	return h.Key == o.Key && h.Index == o.Index && h.Term == o.Term && h.ConfigIndex == o.ConfigIndex &&
		h.Size == o.Size && h.CRC == o.CRC && h.nonce == o.nonce && bytes.Equal(h.Config, o.Config)
}
